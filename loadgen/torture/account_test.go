package torture

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"example.com/nexusctl/protocol/api"
)

// TestSums: a sum tells how many units it has, wherever on the wheel they end.
func TestSums(t *testing.T) {
	sum := uint64(0)
	for n := uint64(1); n <= 3*wheel+7; n++ {
		sum += value(n)
		if sumOf(n) != sum {
			t.Fatalf("sumOf(%d) = %d, want %d", n, sumOf(n), sum)
		}
		if got, exact := countOf(sum); got != n || !exact {
			t.Fatalf("countOf(%d) = %d, %t, want %d", sum, got, exact, n)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		n := r.Uint64N(1 << 40)
		if got, exact := countOf(sumOf(n)); got != n || !exact {
			t.Fatalf("countOf(sumOf(%d)) = %d, %t", n, got, exact)
		}
		between := sumOf(n) + r.Uint64N(value(n+1))
		if got, exact := countOf(between); got != n || exact != (between == sumOf(n)) {
			t.Fatalf("countOf(%d) = %d, %t, want %d", between, got, exact, n)
		}
	}
}

func TestClaim(t *testing.T) {
	const n = 2345
	whole := float64(sumOf(n))
	for _, c := range []struct {
		name             string
		stored           float64
		lost, duplicated uint64
	}{
		{"all there", whole, 0, 0},
		{"the last ten gone", float64(sumOf(n - 10)), 10, 0},
		{"one in the middle gone", whole - 500, 2, 0}, // at least: 344 and half of 343 are as much
		{"the first one twice", whole + 1, 0, 1},
		{"ten more", float64(sumOf(n + 10)), 0, 10},
		{"nothing there", 0, n, 0},
		{"a half", whole + 0.5, 0, 1},
	} {
		lost, duplicated, fault := claim{"p", n, c.stored}.check()
		if lost != c.lost || duplicated != c.duplicated || (fault == "") != (c.stored == whole) {
			t.Errorf("%s: lost %d, duplicated %d, %q", c.name, lost, duplicated, fault)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, c := range []struct {
		name             string
		stored           float64
		written, certain uint64
		units            uint64
		fault            string
	}{
		{"all", float64(sumOf(500)), 500, 100, 500, ""},
		{"a shorter one", float64(sumOf(300)), 500, 100, 300, ""},
		{"none", 0, 500, 0, 0, ""},
		{"a hole", float64(sumOf(300)) - 7, 500, 100, 0, "no prefix"},
		{"a fraction", float64(sumOf(300)) + 0.25, 500, 100, 0, "no prefix"},
		{"too many", float64(sumOf(501)), 500, 100, 0, "it sent 500"},
		{"less than certain", float64(sumOf(99)), 500, 100, 0, "answered for"},
	} {
		units, err := prefix("s", c.stored, c.written, c.certain)
		var b *breach
		switch {
		case c.fault == "" && (err != nil || units != c.units):
			t.Errorf("%s: %d, %v", c.name, units, err)
		case c.fault != "" && (!errors.As(err, &b) || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		}
	}
}

func TestStreamSettles(t *testing.T) {
	s := &stream{written: 1000, certain: 400}
	if missing, err := s.settle(float64(sumOf(700))); err != nil || missing != 300 {
		t.Fatalf("missing %d, %v", missing, err)
	}
	if s.written != 700 || s.certain != 700 || s.lost != 300 {
		t.Errorf("it goes on from %d, certain %d, lost %d", s.written, s.certain, s.lost)
	}
}

func TestJudgeLedger(t *testing.T) {
	before := api.Ledger{Received: 110, Stored: 100, Rejected: map[string]uint64{"number": 4, "syntax": 3}, Shed: map[string]uint64{"crash": 3}}
	good := api.Ledger{Received: 183, Stored: 140, Pending: 20, Rejected: map[string]uint64{"number": 9, "syntax": 3}, Shed: map[string]uint64{"crash": 11}, Duplicates: 7}
	e := expectation{kept: 60, bad: 5}
	change := func(f func(l *api.Ledger)) api.Ledger {
		l := good
		l.Rejected = map[string]uint64{"number": 9, "syntax": 3}
		l.Shed = map[string]uint64{"crash": 11}
		f(&l)
		return l
	}
	for _, c := range []struct {
		name             string
		after            api.Ledger
		lost, duplicated uint64
		fault            string
	}{
		{"as expected", good, 0, 0, ""},
		{"two lost, and the law holds", change(func(l *api.Ledger) { l.Stored, l.Received = 138, 181 }), 2, 0, "answer for 60"},
		{"three doubled", change(func(l *api.Ledger) { l.Pending, l.Received = 23, 186 }), 0, 3, "answer for 60"},
		{"the law is broken", change(func(l *api.Ledger) { l.Received++ }), 0, 0, "the ledger is broken"},
		{"a bad line kept quiet", change(func(l *api.Ledger) { l.Rejected["number"], l.Received = 8, 182 }), 0, 0, "rejected 4 units as number"},
		{"a good line rejected", change(func(l *api.Ledger) { l.Rejected["syntax"], l.Received = 4, 184 }), 0, 0, "rejected 1 units as syntax"},
		{"shed for want of disk", change(func(l *api.Ledger) { l.Shed["disk"], l.Received = 1, 184 }), 0, 0, "shed 1 units for disk"},
		{"dead letters", change(func(l *api.Ledger) { l.Dead, l.Received = 1, 184 }), 0, 0, "1 units as dead or lost"},
	} {
		lost, duplicated, faults := judgeLedger(before, c.after, e)
		all := strings.Join(faults, "; ")
		if lost != c.lost || duplicated != c.duplicated || (c.fault == "") != (all == "") || !strings.Contains(all, c.fault) {
			t.Errorf("%s: lost %d, duplicated %d, %q", c.name, lost, duplicated, all)
		}
	}
}

func TestCrash(t *testing.T) {
	if err := (crash{missing: 10, shed: 15, open: 5}).check(); err != nil {
		t.Error(err)
	}
	if err := (crash{missing: 10, shed: 16, open: 5}).check(); err == nil {
		t.Error("more was shed than can have been under way, and nothing is said")
	}
}
