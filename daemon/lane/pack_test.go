package lane

import (
	"fmt"
	"sync"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/storage/block"
)

// hold is what a reader finds of all series: everything but the places of points.
func (h *harness) hold() string {
	h.t.Helper()
	list := h.catalog.Snapshot()
	w, err := h.set.Window(h.t.Context(), list, aggregate.Whole)
	if err != nil {
		h.t.Error(err)
	}
	text := fmt.Sprintln("flushed up to", w.Flushed)
	for _, s := range list {
		text += fmt.Sprintf("%q:", s.Key)
		for _, p := range w.Points[s.Index] {
			text += fmt.Sprintf(" %+v", p)
		}
		text += "\n"
	}
	return text
}

// TestReadsWhilePacked reads series of every kind, of two lanes and late buckets
// among them, before a generation is packed, again and again while it is, and once
// it is: a reader cannot tell, and neither can the ledger.
func TestReadsWhilePacked(t *testing.T) {
	h := newHarness(t, 2, &memory{}, nil)
	var books settled
	const generations = 4
	for g := range generations {
		for i := range 40 {
			h.send(i%2, fmt.Sprintf("c.%d:%d|c\ng.%d:%d.5|g\nd:+%d|g\nh.%d:%d|h\ns:%d|s\nlate:1|c|T%d\n", i%20, g+i, i%20, g*i, i, i%5, i, i%7, startTime/1000-10))
		}
		h.mark()
	}
	h.send(0, "c.0:100|c\nd:+1|g\n") // in the open generation
	before := h.hold()
	terms, _ := h.checkLaw(&books)

	c := h.set.Collector()
	for e := c.unpacked(); e != nil; e = c.unpacked() {
		if got := h.hold(); got != before {
			t.Fatalf("when generation %d is claimed:\n%s\nwant\n%s", e.gen.Number, got, before)
		}
		var packing sync.WaitGroup
		packing.Go(func() { c.pack(e) })
		for range 5 {
			if got := h.hold(); got != before {
				t.Errorf("while generation %d is packed:\n%s\nwant\n%s", e.gen.Number, got, before)
			}
			if now, _ := h.checkLaw(&books); now.Pending != terms.Pending {
				t.Errorf("while generation %d is packed %d units wait, before %d", e.gen.Number, now.Pending, terms.Pending)
			}
		}
		packing.Wait()
		if e.gen.Packed == nil {
			t.Errorf("generation %d is not packed", e.gen.Number)
		}
		if got := h.hold(); got != before {
			t.Errorf("with generation %d packed:\n%s\nwant\n%s", e.gen.Number, got, before)
		}
	}
	if n, bytes := c.Packed(); n != generations-1 || bytes == 0 {
		t.Errorf("%d packed, in %d bytes", n, bytes)
	}
	for range generations {
		if _, err := h.flushOne(t.Context(), &books); err != nil {
			t.Fatal(err)
		}
	}
	if after, stored := h.checkLaw(&books); after.Pending != 2 || stored+after.Pending != terms.Pending {
		t.Errorf("%d stored and %d waiting, of %d", stored, after.Pending, terms.Pending)
	}
}

// TestPackRefuses leaves alone what is packed by somebody, or packed, or has no
// tables to be packed, or is not the collector's any more.
func TestPackRefuses(t *testing.T) {
	h := newHarness(t, 1, realLog(t), nil)
	for range keepUnflushed + 1 {
		h.send(0, "n:1|c\n")
		h.mark()
	}
	c := h.set.Collector()
	first, last := c.gens[0], c.gens[keepUnflushed]
	if !last.spilled {
		t.Fatal("the last generation was to be spilled")
	}
	expect := func(what string, packed uint64) {
		t.Helper()
		if n, _ := c.Packed(); n != packed {
			t.Errorf("%s: %d were packed, want %d", what, n, packed)
		}
	}
	c.Pack(last.gen)
	expect("without tables", 0)
	if last.gen.Packed != nil || last.pack != loose {
		t.Errorf("a generation without tables was packed: %+v", last.gen.Packed)
	}

	busy := c.claim(c.gens[1].gen)
	if busy == nil || c.claim(busy.gen) != nil {
		t.Fatal("a generation is packed twice at once")
	}
	c.Pack(busy.gen)
	expect("while another packs it", 0)
	c.pack(busy)
	expect("that other", 1)

	c.Pack(first.gen)
	expect("the oldest, as its flusher asks", 2)
	was := first.gen.Packed
	c.Pack(first.gen)
	expect("again", 2)
	if was == nil || first.gen.Packed != was {
		t.Error("what was packed was packed anew")
	}

	third := c.gens[2].gen
	for range 3 {
		g, _, _, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		points := 0
		g.Points(func(uint32) int64 { return 1 }, c.State(), func(_ int64, p []block.Point) { points += len(p) })
		if points != 1 {
			t.Errorf("generation %d has %d points", g.Number, points)
		}
		c.Done(g.Number, func(*aggregate.State) {})
	}
	c.Pack(third)
	expect("of one that is stored", 2)
	if third.Packed != nil {
		t.Error("a generation that is in the store was packed")
	}
	left := []*admit.Series{h.seriesOf("n")}
	if w, err := h.set.Window(t.Context(), left, aggregate.Whole); err != nil || len(w.Points[left[0].Index]) != keepUnflushed-3 {
		t.Errorf("%d points are left, %v", len(w.Points[left[0].Index]), err)
	}
}
