package query

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

var errAsked = errors.New("the store was asked")

// closedStore answers nothing while it is closed.
type closedStore struct {
	Store
	closed bool
}

func (s *closedStore) FindSeries(ctx context.Context, ms []series.Matcher, after int64, limit int) ([]storage.Series, error) {
	if s.closed {
		return nil, errAsked
	}
	return s.Store.FindSeries(ctx, ms, after, limit)
}

func (s *closedStore) Read(ctx context.Context, r storage.ReadRequest) (storage.Selection, error) {
	if s.closed {
		return storage.Selection{}, errAsked
	}
	return s.Store.Read(ctx, r)
}

// ownRig is a rig whose reader has learnt what the store had, and whose store can be
// closed.
func ownRig(t *testing.T, older ...string) (*rig, *closedStore) {
	r := newRig(t, Options{Alone: true})
	for _, name := range older {
		r.series(true, name, protocol.Counter)
	}
	r.catalog = admit.NewCatalog(1 << 20) // a start
	s := &closedStore{Store: r.store}
	r.reader = NewReader(r, s, r.catalog, r.head, own, r.reader.opts)
	if err := r.reader.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, s
}

// latest is the last values under a name, as text.
func (r *rig) latest(name string) string {
	list, err := r.reader.Latest(r.t.Context(), matchers(r.t, name))
	if err != nil {
		return err.Error()
	}
	text := ""
	for i := range list {
		v, _, _ := list[i].Last()
		text += fmt.Sprintf("%s=%v ", list[i].Key.Type, v)
	}
	return text
}

// TestOwnNamesNeedNoStore: what came under a name that the store did not have is
// answered at the first question without it; any other asks.
func TestOwnNamesNeedNoStore(t *testing.T) {
	r, store := ownRig(t, "old")
	a, old := r.series(false, "new", protocol.Counter), r.series(true, "old", protocol.Counter)
	r.take(append(of(a, counted(0, 1, 0)), of(old, counted(0, 1, 0))...)...)
	r.flush()
	b := r.series(false, "new", protocol.Gauge)
	r.now = sec(30)
	r.take(append(of(a, counted(10, 2, 0)), of(b, counted(10, 7, 0))...)...)
	r.flush()
	r.take(of(a, counted(20, 4, 0))...)
	store.closed = true
	if got, want := r.latest("new"), "counter=7 gauge=7 "; got != want {
		t.Errorf("a name of its own: %q, want %q", got, want)
	}
	if got := r.latest("old"); got == "counter=1 " {
		t.Error("a name that the store had is answered without it")
	}
	if got := r.latest("nothing"); got != "" {
		t.Errorf("a name that nobody sent: %q", got)
	}
	store.closed = false
	if got := r.latest("old"); got != "counter=1 " {
		t.Errorf("a name that the store had: %q", got)
	}
	if s := r.reader.Tails(); s.Hits != 2 || s.Misses != 1 {
		t.Errorf("%+v, want two series without the store, and one with it", s)
	}
}

// TestOwnNamesBeyondMemory: flushes that are not held any more are the store's to
// tell, and what was learnt before it went back is void.
func TestOwnNamesBeyondMemory(t *testing.T) {
	for name, lose := range map[string]func(*rig){
		"flushes given up":     func(r *rig) { r.head.DropBefore(1 << 40) },
		"flushes stored again": func(r *rig) { r.head.Add(storage.Flush{Writer: own, Seq: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			r, store := ownRig(t)
			r.take(of(r.series(false, "new", protocol.Counter), counted(0, 1, 0))...)
			r.flush()
			lose(r)
			store.closed = true
			if got := r.latest("new"); got != "read store: "+errAsked.Error() {
				t.Errorf("without the store it is %q", got)
			}
			store.closed = false
			if got := r.latest("new"); got != "counter=1 " {
				t.Errorf("with the store it is %q", got)
			}
		})
	}
	r, store := ownRig(t)
	r.series(false, "new", protocol.Counter)
	r.reader.Moved()
	store.closed = true
	if got := r.latest("new"); got != "find series: "+errAsked.Error() {
		t.Errorf("of a store that went back: %q", got)
	}
}

// TestOwnNamesDeleted: a deleted series is gone until it comes again, as a new one.
func TestOwnNamesDeleted(t *testing.T) {
	r, store := ownRig(t)
	s := r.series(false, "new", protocol.Counter)
	r.take(of(s, counted(0, 5, 0))...)
	r.flush()
	if _, err := r.store.DeleteSeries(t.Context(), []int64{s.ID()}, r.now); err != nil {
		t.Fatal(err)
	}
	r.catalog.Delete([]*admit.Series{s})
	r.reader.Forget()
	store.closed = true
	if got := r.latest("new"); got != "" {
		t.Errorf("deleted it is %q", got)
	}
	r.catalog.Return(s)
	r.now = sec(30)
	r.take(of(s, counted(10, 2, 0))...)
	r.flush()
	if got := r.latest("new"); got != "counter=2 " {
		t.Errorf("come again it is %q", got)
	}
}

// TestOwnNamesOfMany: where a name has many series the store's index finds them.
func TestOwnNamesOfMany(t *testing.T) {
	r, store := ownRig(t)
	for i := range maxDirect + 1 {
		if _, ok := r.reader.findOwn(matchers(t, "new"), "new"); ok != (i <= maxDirect) {
			t.Fatalf("%d series are gone through: %v", i, ok)
		}
		r.series(true, "new", protocol.Counter, "i", fmt.Sprint(i))
	}
	store.closed = true
	if got := r.latest("new"); got != "find series: "+errAsked.Error() {
		t.Errorf("%d series: %q", maxDirect+1, got)
	}
}
