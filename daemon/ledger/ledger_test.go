package ledger_test

import (
	"maps"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/protocol"
)

// statements draws answers with a few reasons and any terms short of overflow.
func statements() *rapid.Generator[ledger.Statement] {
	n := rapid.Uint64Range(0, 1<<50)
	reasons := func(names ...string) *rapid.Generator[map[string]uint64] {
		return rapid.MapOf(rapid.SampledFrom(names), n)
	}
	return rapid.Custom(func(t *rapid.T) ledger.Statement {
		return ledger.Statement{
			Received: n.Draw(t, "received"), Stored: n.Draw(t, "stored"), Pending: n.Draw(t, "pending"),
			Rejected: reasons("syntax", "number", "utf8").Draw(t, "rejected"), Shed: reasons("crash", "disk").Draw(t, "shed"),
			Dead: n.Draw(t, "dead"), Lost: n.Draw(t, "lost"), Duplicates: n.Draw(t, "duplicates"),
		}
	})
}

// TestLaw holds the law to its terms: it holds where they sum up, and any one
// of them, off by any number, breaks it and is named by that difference.
func TestLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := statements().Draw(t, "statement")
		s.Received = s.Accounted()
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		s.Duplicates++ // outside the law
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(s *ledger.Statement){
			"received": func(s *ledger.Statement) { s.Received-- }, "stored": func(s *ledger.Statement) { s.Stored++ },
			"pending": func(s *ledger.Statement) { s.Pending++ }, "dead": func(s *ledger.Statement) { s.Dead++ },
			"lost":     func(s *ledger.Statement) { s.Lost++ },
			"rejected": func(s *ledger.Statement) { s.Rejected = map[string]uint64{"x": total(s.Rejected) + 1} },
			"shed":     func(s *ledger.Statement) { s.Shed = map[string]uint64{"x": total(s.Shed) + 1} },
		} {
			broken := s
			change(&broken)
			if err := broken.Check(); err == nil || !strings.HasSuffix(err.Error(), "difference -1") {
				t.Fatalf("%s is off by one: %v", name, err)
			}
		}
	})
}

func total(m map[string]uint64) (n uint64) {
	for _, c := range m {
		n += c
	}
	return n
}

func TestCheckNamesTheDifference(t *testing.T) {
	err := ledger.Statement{Received: 10, Stored: 3, Pending: 2, Rejected: map[string]uint64{"syntax": 1}}.Check()
	if err == nil || err.Error() != "ledger: received 10, accounted for 6, difference 4" {
		t.Error(err)
	}
}

// TestAddSumsEveryTerm holds that a sum of lawful answers is lawful, and that
// the summands stay as they were.
func TestAddSumsEveryTerm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := statements().Draw(t, "a"), statements().Draw(t, "b")
		a.Received, b.Received = a.Accounted(), b.Accounted()
		beforeA, beforeB := maps.Clone(a.Rejected), maps.Clone(b.Rejected)
		sum := a
		sum.Add(b)
		if err := sum.Check(); err != nil {
			t.Fatal(err)
		}
		if sum.Received != a.Received+b.Received || sum.Stored != a.Stored+b.Stored || sum.Pending != a.Pending+b.Pending ||
			sum.Dead != a.Dead+b.Dead || sum.Lost != a.Lost+b.Lost || sum.Duplicates != a.Duplicates+b.Duplicates {
			t.Fatalf("%+v", sum)
		}
		for _, name := range []string{"syntax", "number", "utf8"} {
			if sum.Rejected[name] != a.Rejected[name]+b.Rejected[name] {
				t.Fatalf("%s: %+v", name, sum)
			}
		}
		if !maps.Equal(a.Rejected, beforeA) || !maps.Equal(b.Rejected, beforeB) {
			t.Fatal("a summand changed")
		}
	})
}

func TestCounts(t *testing.T) {
	var c, o ledger.Counts
	c.Rejected[protocol.Syntax], c.Shed[protocol.ShedCrash], c.Duplicates = 1, 2, 3
	o.Rejected[protocol.Syntax], o.Rejected[protocol.UTF8], o.Shed[protocol.ShedDisk], o.Duplicates = 10, 20, 30, 40
	c.Add(&o)
	if n := c.Refused(); n != 1+2+10+20+30 {
		t.Errorf("%d refused: duplicates are no part of it", n)
	}
	if got, want := c.RejectedByName(), map[string]uint64{"syntax": 11, "utf8": 20}; !maps.Equal(got, want) {
		t.Errorf("rejected %v", got)
	}
	if got, want := c.ShedByName(), map[string]uint64{"crash": 2, "disk": 30}; !maps.Equal(got, want) {
		t.Errorf("shed %v", got)
	}
	if c.Duplicates != 43 || o.Refused() != 60 {
		t.Errorf("%+v, %+v", c, o)
	}
	var none ledger.Counts
	if len(none.RejectedByName())+len(none.ShedByName()) != 0 || none.RejectedByName() == nil || none.ShedByName() == nil {
		t.Error("no counts are empty maps")
	}
}

// TestCountsHaveEveryName expects each reason under a name of its own.
func TestCountsHaveEveryName(t *testing.T) {
	var c ledger.Counts
	for i := range c.Rejected {
		c.Rejected[i] = 1
	}
	for i := range c.Shed {
		c.Shed[i] = 1
	}
	if len(c.RejectedByName()) != protocol.NumReasons || len(c.ShedByName()) != protocol.NumSheds {
		t.Errorf("%v, %v", c.RejectedByName(), c.ShedByName())
	}
}

func TestBook(t *testing.T) {
	var b ledger.Book
	b.Open(ledger.Statement{Stored: 100, Rejected: map[string]uint64{"syntax": 5}, Shed: map[string]uint64{"crash": 2}})
	b.Settle(ledger.Statement{Stored: 10, Rejected: map[string]uint64{"syntax": 1, "number": 1}, Duplicates: 4})
	b.SetOthers(ledger.Statement{Stored: 1000, Dead: 7, Rejected: map[string]uint64{"number": 30}})
	b.SetOthers(ledger.Statement{Stored: 2000, Dead: 7, Rejected: map[string]uint64{"number": 40}}) // replaces

	own := b.Own()
	if own.Stored != 110 || own.Accounted() != 110+7+2 || own.Duplicates != 4 {
		t.Errorf("own: %+v", own)
	}
	all := b.Settled()
	want := ledger.Statement{
		Received: 2000 + 7 + 40, // the others'; this daemon's is its lanes' to count
		Stored:   2110, Dead: 7, Duplicates: 4,
		Rejected: map[string]uint64{"syntax": 6, "number": 41}, Shed: map[string]uint64{"crash": 2},
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("settled\n%+v, want\n%+v", all, want)
	}
	all.Received += own.Accounted() // as the lanes would say
	if err := all.Check(); err != nil {
		t.Error(err)
	}
	// What was handed out is the caller's: the book does not share it.
	own.Rejected["syntax"], all.Rejected["syntax"], all.Shed["crash"] = 99, 99, 99
	if b.Own().Rejected["syntax"] != 6 || b.Settled().Shed["crash"] != 2 {
		t.Error("a caller changed the book")
	}
}

func TestEmptyBook(t *testing.T) {
	var b ledger.Book
	s := b.Settled()
	if err := s.Check(); err != nil || s.Rejected == nil || s.Shed == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestBookIsShared settles flushes beside readers: every answer is of one
// moment, in which what was settled together is there together.
func TestBookIsShared(t *testing.T) {
	const flushes = 1000
	var b ledger.Book
	var wg sync.WaitGroup
	wg.Go(func() {
		for range flushes {
			b.Settle(ledger.Statement{Stored: 3, Rejected: map[string]uint64{"syntax": 1}})
		}
	})
	wg.Go(func() {
		for i := range uint64(flushes) {
			b.SetOthers(ledger.Statement{Stored: i, Shed: map[string]uint64{"disk": i}})
		}
	})
	for range flushes {
		if s := b.Own(); s.Stored != 3*s.Rejected["syntax"] {
			t.Fatalf("half a flush: %+v", s)
		}
		if s := b.Settled(); s.Received != 2*s.Shed["disk"] {
			t.Fatalf("half of the others: %+v", s)
		}
	}
	wg.Wait()
	if s := b.Own(); s.Stored != 3*flushes {
		t.Errorf("%+v", s)
	}
}

func TestAccountedCountsEachTermOnce(t *testing.T) {
	s := ledger.Statement{
		Received: math.MaxUint64, Stored: 1, Pending: 10, Dead: 100, Lost: 1000, Duplicates: 1 << 40,
		Rejected: map[string]uint64{"a": 10_000, "b": 20_000}, Shed: map[string]uint64{"c": 100_000, "d": 200_000},
	}
	if n := s.Accounted(); n != 331_111 {
		t.Error(n)
	}
}
