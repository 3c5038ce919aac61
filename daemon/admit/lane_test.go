package admit_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/scan"
)

// TestLaneReferences numbers what a lane meets from 0, once each.
func TestLaneReferences(t *testing.T) {
	l := admit.NewLane(3, admit.NewCatalog(100), 100)
	for i, line := range []string{"a:1|c", "a:1|g", "b:1|c|#k:v", "b:1|c|#k:w", "a:1|c|@0.5"} {
		if next := l.NextRef(); next != uint32(i) {
			t.Fatalf("the next reference is %d", next)
		}
		got := l.Admit(parse(t, line))
		if !got.New || got.Ref != uint32(i) || got.Rate != 0 || string(got.Def.Key) != got.Series.Key || l.Series(got.Ref) != got.Series {
			t.Errorf("%s: %+v", line, got)
		}
		again := l.Admit(parse(t, line))
		if again.New || again.Ref != got.Ref || again.Series != got.Series || again.Def.Key != nil {
			t.Errorf("%s, met again: %+v", line, again)
		}
	}
	if got := l.Admit(parse(t, "b:1|c|#k:v,k:v")); got.New || got.Ref != 2 {
		t.Errorf("a repeated tag makes a reference: %+v", got)
	}
	if a := l.Admit(parse(t, "a:1|c|@0.5")); a.Series != l.Series(0) {
		t.Error("a rate makes another series")
	}
}

// TestLaneRates gives the first rates references of their own; beyond them a
// sample carries its rate, under the reference that has none.
func TestLaneRates(t *testing.T) {
	const own = 16 // 1 among them
	l := admit.NewLane(0, admit.NewCatalog(100), 100)
	for i := 1; i < own; i++ {
		got := l.Admit(parse(t, fmt.Sprintf("a:1|c|@0.0%02d", i)))
		if !got.New || got.Rate != 0 || got.Def.Rate != float64(i)/1000 {
			t.Fatalf("rate %d: %+v", i, got)
		}
	}
	beyond := l.Admit(parse(t, "a:1|c|@0.9"))
	if !beyond.New || beyond.Def.Rate != 1 || beyond.Rate != 0.9 {
		t.Errorf("a rate too many: %+v", beyond)
	}
	if got := l.Admit(parse(t, "a:1|c")); got.New || got.Ref != beyond.Ref || got.Rate != 0 {
		t.Errorf("rate 1 is not under the same reference: %+v", got)
	}
	// The known rates go on having references, for other series too.
	if got := l.Admit(parse(t, "b:1|c|@0.001")); !got.New || got.Rate != 0 || got.Def.Rate != 0.001 {
		t.Errorf("a known rate: %+v", got)
	}
	for i := range 1000 {
		l.Admit(parse(t, fmt.Sprintf("a:1|c|@0.1%03d", i)))
	}
	if n := l.NextRef(); n != own+1 {
		t.Errorf("a thousand rates make %d references", n)
	}
}

// TestGaugesHaveNoRate keeps a rate that means nothing from making references.
func TestGaugesHaveNoRate(t *testing.T) {
	l := admit.NewLane(0, admit.NewCatalog(100), 100)
	plain := l.Admit(parse(t, "g:1|g"))
	if got := l.Admit(parse(t, "g:1|g|@0.5")); got.New || got.Ref != plain.Ref || got.Rate != 0 {
		t.Errorf("%+v", got)
	}
}

// TestOverflowKeepsItsReference sends a thousand series over the budget to one
// reference.
func TestOverflowKeepsItsReference(t *testing.T) {
	l := admit.NewLane(0, admit.NewCatalog(1), 100)
	l.Admit(parse(t, "a:1|c"))
	first := l.Admit(parse(t, "a:1|c|#id:0"))
	for i := range 1000 {
		if got := l.Admit(parse(t, fmt.Sprintf("a:1|c|#id:%d", i+1))); got.New || got.Ref != first.Ref {
			t.Fatalf("series %d: %+v", i, got)
		}
	}
}

// TestLanesShareSeries gives each lane a reference of its own to one series,
// which knows them all.
func TestLanesShareSeries(t *testing.T) {
	c := admit.NewCatalog(100)
	first, second := admit.NewLane(0, c, 100), admit.NewLane(1, c, 100)
	second.Admit(parse(t, "other:1|c"))
	a, b, rated := first.Admit(parse(t, "a:1|c")), second.Admit(parse(t, "a:1|c")), second.Admit(parse(t, "a:1|c|@0.5"))
	if a.Series != b.Series || b.Series != rated.Series {
		t.Fatal("two series for one key")
	}
	later := second.Admit(parse(t, "late:1|c|@0.5"))
	second.Admit(parse(t, "late:1|c"))
	for _, want := range []struct {
		lane *admit.Lane
		s    *admit.Series
		refs []uint32
	}{{first, a.Series, []uint32{0}}, {second, a.Series, []uint32{1, 2}}, {second, later.Series, []uint32{3, 4}}, {first, later.Series, nil}} {
		if got := want.lane.Refs(nil, want.s); !slices.Equal(got, want.refs) {
			t.Errorf("%s: references %v, want %v", want.s.Key, got, want.refs)
		}
	}
}

// TestRefsBesideAdmission reads references while their lane adds to them.
func TestRefsBesideAdmission(t *testing.T) {
	const series = 5_000
	c := admit.NewCatalog(2 * series)
	l := admit.NewLane(0, c, 100)
	first := l.Admit(parse(t, "first:1|c")).Series
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range series {
			l.Admit(parse(t, fmt.Sprintf("a.%d:1|c", i)))
			if i%100 == 0 {
				l.Admit(parse(t, fmt.Sprintf("a.%d:1|c|@0.5", i)))
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for range series {
				if got := l.Refs(nil, first); !slices.Equal(got, []uint32{0}) {
					t.Errorf("references %v", got)
				}
				all := c.Snapshot()
				newest := all[len(all)-1]
				if refs := l.Refs(nil, newest); newest != first && slices.Contains(refs, 0) {
					t.Errorf("%s has the reference of another", newest.Key)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range c.Snapshot() {
		if n := len(l.Refs(nil, s)); n < 1 {
			t.Errorf("%s has no reference", s.Key)
		}
	}
}

// TestRemember finds a spelling once it was remembered, and not before.
func TestRemember(t *testing.T) {
	l := admit.NewLane(0, admit.NewCatalog(100), 2)
	line := []byte("a:1|c")
	lines := []scan.Line{{Start: 0, Colon: 1, Bar: 3, End: 5}}
	found := make([]admit.Alias, 1)
	if l.Find(line, lines, found); found[0] != (admit.Alias{}) {
		t.Errorf("found before it was remembered: %+v", found[0])
	}
	a := l.Admit(parse(t, "a:1|c"))
	l.Remember([]byte("a"), []byte("|c"), a.Ref)
	if l.Find(line, lines, found); found[0] != (admit.Alias{Ref: a.Ref, Type: protocol.Counter}) {
		t.Errorf("%+v", found[0])
	}
}
