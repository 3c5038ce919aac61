package query

import (
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// followedRig is a rig of one of several daemons, whose store can be closed.
func followedRig(t *testing.T, url string) (*rig, *closedStore) {
	r := newFollowed(t, url)
	s := &closedStore{Store: r.store}
	r.reader = NewReader(r, s, r.catalog, r.head, own, r.reader.opts)
	return r, s
}

// expect asks for the last values under a name.
func (r *rig) expect(what, name, want string) {
	r.t.Helper()
	if got := r.latest(name); got != want {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const closedRead, closedFind = "read store: the store was asked", "find series: the store was asked"

// TestOthersAreFollowed: what another daemon stored is seen at the next look, and needs
// no store; where nobody looks, the store is asked after five seconds.
func TestOthersAreFollowed(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		s := r.series(true, "x", protocol.Counter)
		r.other("b", of(s, counted(0, 1, 0))...)
		r.look()
		r.expect("from the store", "x", "counter=1 ")
		store.closed = true
		r.expect("held", "x", "counter=1 ")
		r.now = sec(30)
		r.take(of(s, counted(10, 2, 0))...)
		r.expect("one of its own that waits", "x", closedFind)
		r.look()
		r.expect("looked again", "x", "counter=3 ")
		r.flush()
		r.expect("and flushed", "x", "counter=3 ")
		r.other("b", of(s, counted(20, 4, 0))...)
		r.expect("another's, not seen yet", "x", "counter=3 ")
		r.look()
		r.expect("seen", "x", "counter=7 ")
		r.other("b", of(s, counted(20, 8, 0))...)
		r.now += 5_000
		r.expect("five seconds old", "x", "counter=7 ")
		r.now++
		r.expect("too old", "x", closedFind)
		store.closed = false
		r.expect("so the store is asked", "x", "counter=15 ")
	})
}

// TestAnotherJoins: what a daemon stored that was not there before is no part of what
// was held: the store is asked once.
func TestAnotherJoins(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		s := r.series(true, "x", protocol.Counter)
		r.take(of(s, counted(0, 1, 0))...)
		r.flush()
		r.look()
		r.expect("alone", "x", "counter=1 ")
		store.closed = true
		r.expect("alone, held", "x", "counter=1 ")
		r.other("b", of(s, counted(0, 10, 0))...)
		r.expect("it has joined, and is not seen yet", "x", "counter=1 ")
		r.look()
		r.expect("seen", "x", closedRead)
		store.closed = false
		r.expect("the store is asked", "x", "counter=11 ")
		store.closed = true
		r.expect("once", "x", "counter=11 ")
		r.other("b", of(s, counted(0, 100, 0))...)
		r.other("b", of(s, counted(0, 1000, 0))...)
		r.look()
		r.expect("and it is followed", "x", "counter=1111 ")
	})
}

// TestAheadOfTheFollower: a read of the store is newer than the last look. What it saw
// is not counted again when the follower comes to it.
func TestAheadOfTheFollower(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		s := r.series(true, "x", protocol.Counter)
		r.other("b", of(s, counted(0, 1, 0))...)
		r.look()
		r.other("b", of(s, counted(0, 10, 0))...)
		r.expect("from the store", "x", "counter=11 ")
		store.closed = true
		r.look()
		r.expect("the follower has it too", "x", "counter=11 ")
		r.other("b", of(s, counted(0, 100, 0))...)
		r.look()
		r.expect("and more", "x", "counter=111 ")
	})
}

// TestAnotherCompacts: an hour that another daemon compacts changes nothing of what is
// held, and what was compacted before it was seen is read from the store.
func TestAnotherCompacts(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		compact := func() {
			t.Helper()
			if _, err := r.store.Compact(t.Context(), r.now/3_600_000); err != nil {
				t.Fatal(err)
			}
		}
		s := r.series(true, "x", protocol.Counter)
		r.take(of(s, counted(0, 1, 0))...)
		r.flush()
		r.other("b", of(s, counted(0, 10, 0))...)
		r.look()
		r.expect("before", "x", "counter=11 ")
		r.now += 3_600_000
		r.look()
		compact()
		store.closed = true
		r.expect("after", "x", "counter=11 ")
		r.look()
		r.expect("and seen", "x", "counter=11 ")
		store.closed = false
		r.other("b", of(s, counted(3_590, 100, 0))...)
		r.now += 3_600_000
		compact()
		r.look()
		store.closed = true
		r.expect("compacted before it was seen", "x", closedRead)
		store.closed = false
		r.expect("the store is asked", "x", "counter=111 ")
		store.closed = true
		r.expect("once", "x", "counter=111 ")
		store.closed = false
		plain := NewReader(r, r.store, r.catalog, NewHead(1<<20), own, Options{Resolution: 10_000, Idle: 300_000, MaxSeries: 10, Now: r.reader.opts.Now})
		if got := (&rig{t: t, reader: plain}).latest("x"); got != "counter=111 " {
			t.Errorf("a reader without memory: %q", got)
		}
	})
}

// TestAnotherNamesAndDeletes: series that another daemon makes or deletes are found so
// at the next look.
func TestAnotherNamesAndDeletes(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		a := r.series(true, "x", protocol.Counter, "i", "a")
		r.other("b", of(a, counted(0, 1, 0))...)
		r.look()
		r.expect("one", "x", "counter=1 ")
		store.closed = true
		r.expect("one, held", "x", "counter=1 ")
		k := series.Key{Name: "x", Type: protocol.Gauge}
		if _, err := r.store.Resolve(t.Context(), [][]byte{k.Append(nil)}); err != nil {
			t.Fatal(err)
		}
		r.expect("another, not seen yet", "x", "counter=1 ")
		r.look()
		r.expect("seen", "x", closedFind)
		store.closed = false
		r.expect("the store is asked", "x", "counter=1 gauge=0 ")
		store.closed = true
		r.expect("once", "x", "counter=1 gauge=0 ")
		if _, err := r.store.DeleteSeries(t.Context(), []int64{a.ID()}, r.now); err != nil {
			t.Fatal(err)
		}
		r.look()
		store.closed = false
		r.expect("deleted by the other", "x", "gauge=0 ")
		r.catalog.Delete([]*admit.Series{a}) // the flusher has heard of it
		r.expect("and forgotten here", "x", "gauge=0 ")
	})
}

// TestNewNamesOfSeveral: a name that the store did not have needs it for its series, and
// not for their points, whoever stored them.
func TestNewNamesOfSeveral(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		r, store := followedRig(t, url)
		r.other("b", of(r.series(true, "old", protocol.Counter), counted(0, 1, 0))...)
		r.look()
		if err := r.reader.Learn(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := r.series(true, "new", protocol.Counter)
		r.take(of(s, counted(0, 1, 0))...)
		r.flush()
		r.other("b", of(s, counted(0, 10, 0))...)
		r.look()
		list, err := r.reader.Find(t.Context(), matchers(t, "new"))
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		store.closed = true
		r.expect("new", "new", "counter=11 ")
		if s := r.reader.Tails(); s.Misses != 0 {
			t.Errorf("%+v, want no read of the store", s)
		}
		r.expect("old", "old", closedFind)
	})
}

// TestFollowedFromNowhere: without a follower, and before its first look, each read asks
// the store.
func TestFollowedFromNowhere(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(true, "x", protocol.Counter)
	r.take(of(s, counted(0, 1, 0))...)
	r.flush()
	for _, others := range []Others{nil, r.follower} {
		o := r.reader.opts
		o.Others = others
		store := &closedStore{Store: r.store}
		r.reader = NewReader(r, store, r.catalog, r.head, own, o)
		if err := r.reader.Learn(t.Context()); err != ErrNotFollowed {
			t.Errorf("it learns names: %v", err)
		}
		r.expect("open", "x", "counter=1 ")
		store.closed = true
		r.expect("closed", "x", closedFind)
	}
}

// TestReach is what is said of several writers together.
func TestReach(t *testing.T) {
	var none *storage.Reach
	a := storage.NewReach(map[string]uint64{"a": 3, "b": 5})
	b := storage.NewReach(map[string]uint64{"a": 4, "c": 1})
	both := a.Join(b)
	for _, one := range []struct {
		what string
		is   bool
	}{
		{"a covers itself", a.Covers(a)}, {"and nothing", a.Covers(none)}, {"nothing covers nothing", none.Covers(none)},
		{"nothing covers a", !none.Covers(a)}, {"a covers b", !a.Covers(b)}, {"b covers a", !b.Covers(a)},
		{"both cover a", both.Covers(a)}, {"both cover b", both.Covers(b)}, {"a covers both", !a.Covers(both)},
		{"joined with nothing it is itself", a.Join(none) == a && none.Join(a) == a && both.Join(a) == both},
		{"at", both.At("a") == 4 && both.At("b") == 5 && both.At("c") == 1 && both.At("d") == 0 && none.At("a") == 0},
		{"a is unchanged", a.At("a") == 3 && a.At("c") == 0},
	} {
		if !one.is {
			t.Error(one.what)
		}
	}
}
