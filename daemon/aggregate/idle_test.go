package aggregate

import (
	"testing"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

// TestSilentTakesNoTable: a series to which nothing comes has nothing in the
// tables of the next generation, and those of the last one are given back. What
// stays is its reference, by which it comes back.
func TestSilentTakesNoTable(t *testing.T) {
	l := NewLane(0, Options{Resolution: 10_000, Schema: 5}, 1, 0)
	refs := []uint32{}
	b := &record.Batch{}
	for i := range uint32(1000) {
		l.Define(Ref{Series: i, Type: []protocol.Type{protocol.Counter, protocol.Timer}[i%2], Rate: 1})
		b.Add(i, 1)
		refs = append(refs, i)
	}
	l.Fold(0, b)
	if n := len(l.View(refs, Whole).entries); n != 1000 || l.table.touchedPages() != 4 || l.table.distributions() != 500 {
		t.Fatalf("%d series in %d pages, %d distributions", n, l.table.touchedPages(), l.table.distributions())
	}
	l.Running(refs)
	p := l.Seal(2, 10_000)
	(&Generation{Parts: []Part{p}}).Release()
	if p.table.touchedPages() != 0 || p.table.distributions() != 0 {
		t.Errorf("the sealed tables keep %d pages, %d distributions", p.table.touchedPages(), p.table.distributions())
	}
	if n := len(l.View(refs, Whole).entries); n != 0 || l.table.touchedPages() != 0 || l.table.distributions() != 0 {
		t.Errorf("%d silent series take %d pages, %d distributions", n, l.table.touchedPages(), l.table.distributions())
	}
	if l.Running(nil); l.Following() != 0 {
		t.Errorf("nobody follows, for %d bytes", l.Following())
	}
	l.Fold(1, &record.Batch{Samples: []record.Sample{{Ref: 7, Value: 2}}})
	if v := l.View(refs, Whole).entries; len(v) != 1 || v[0].series != 7 {
		t.Errorf("one that comes back: %+v", v)
	}
}

func (t *table) touchedPages() int {
	return len(t.counters.pages) + len(t.gauges.pages) + len(t.sketches.pages)
}

func (t *table) distributions() uint64 { return t.few.n + t.hists.n }
