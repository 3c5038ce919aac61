package lane

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// TestCollectorOrder puts parts and marks in any order that lanes can cause,
// and takes generations whenever it likes: each comes once, complete, in order.
func TestCollectorOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		generations := rapid.IntRange(1, keepUnflushed).Draw(t, "generations")
		c := newCollector(lanes, 0, aggregate.NewState(), false)
		// Sources 0 … lanes-1 are lanes, the last one is the sequencer.
		next := make([]int, lanes+1)
		folds := make([]*aggregate.Lane, lanes)
		for l := range folds {
			folds[l] = aggregate.NewLane(l, aggregate.Options{Resolution: 10_000, Schema: 5}, 1, 0)
		}
		taken := 0
		complete := func() (n int) {
			n = generations
			for _, done := range next {
				n = min(n, done)
			}
			return n
		}
		for taken < generations {
			canceled, cancel := context.WithCancel(t.Context())
			cancel()
			g, spilled, upTo, err := c.Next(canceled)
			if (err == nil) != (taken < complete()) {
				t.Fatalf("%d of %d complete generations taken, and Next says %v", taken, complete(), err)
			}
			if err == nil && rapid.Bool().Draw(t, "take") {
				if g.Number != uint64(taken+1) || spilled || upTo != g.To || len(g.Parts) != lanes || g.From != uint64(taken*10) || g.Values() != uint64(lanes) {
					t.Fatalf("generation %d after %d: %+v", g.Number, taken, g)
				}
				c.Done(g.Number, func(*aggregate.State) {})
				taken++
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "pack") == 0 {
				packWaiting(t, c, complete()-taken)
			}
			source := rapid.IntRange(0, lanes).Draw(t, "source")
			if next[source] >= generations {
				continue
			}
			n := next[source] + 1
			next[source] = n
			if source == lanes {
				c.Close(record.Mark{Generation: uint64(n)}, record.Mark{Generation: uint64(n + 1)}, uint64(n-1)*10, uint64(n)*10, aggregate.NewOrdered())
				continue
			}
			if n == 1 {
				folds[source].Define(aggregate.Ref{Type: protocol.Counter, Rate: 1})
			}
			folds[source].Fold(uint64(n), &record.Batch{Samples: []record.Sample{{Value: 1}}})
			c.Put(uint64(n), folds[source].Seal(uint64(n+1), 0))
		}
		if !c.Empty() || c.flushed != uint64(generations) {
			t.Fatalf("empty %v, flushed up to %d of %d", c.Empty(), c.flushed, generations)
		}
	})
}

// packWaiting packs what may be: every complete generation but the oldest.
func packWaiting(t *rapid.T, c *Collector, complete int) {
	before, _ := c.Packed()
	n := 0
	for e := c.unpacked(); e != nil; e = c.unpacked() {
		if g, _, _ := c.oldest(); g == e.gen {
			t.Fatal("the oldest generation is its flusher's")
		}
		c.pack(e)
		n++
	}
	for i, e := range c.gens[:complete] {
		if packed := e.gen.Packed != nil; !packed && i > 0 {
			t.Fatalf("generation %d of %d complete ones is not packed", i, complete)
		}
	}
	if now, _ := c.Packed(); now != before+uint64(n) {
		t.Fatalf("%d more packed, counted %d", n, now-before)
	}
}

// TestPackingHoldsTheFlusher gives no generation out while it is packed.
func TestPackingHoldsTheFlusher(t *testing.T) {
	c := newCollector(1, 0, aggregate.NewState(), false)
	l := aggregate.NewLane(0, aggregate.Options{Resolution: 10_000, Schema: 5}, 1, 0)
	l.Define(aggregate.Ref{Type: protocol.Counter, Rate: 1})
	for n := range uint64(2) {
		l.Fold(n, &record.Batch{Samples: []record.Sample{{Value: 1}}})
		c.Put(n+1, l.Seal(n+2, 0))
		c.Close(record.Mark{Generation: n + 1}, record.Mark{Generation: n + 2}, n, n+1, aggregate.NewOrdered())
	}
	e := c.unpacked()
	if e == nil || e.gen.Number != 2 || c.unpacked() != nil {
		t.Fatalf("%+v is to be packed", e)
	}
	c.Done(1, func(*aggregate.State) {})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if g, _, _, err := c.Next(canceled); err == nil {
		t.Fatalf("generation %d was given out while it is packed", g.Number)
	}
	c.pack(e)
	g, _, _, err := c.Next(t.Context())
	if err != nil || g.Packed == nil || g.Values() != 1 {
		t.Fatalf("%+v, %v", g, err)
	}
	c.Pack(g) // again: nothing
	if n, _ := c.Packed(); n != 1 {
		t.Errorf("%d packed", n)
	}
}

// TestNextWaits wakes a flusher that came before its generation.
func TestNextWaits(t *testing.T) {
	h := newHarness(t, 2, &memory{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		g, _, _, err := h.set.Collector().Next(ctx)
		if err == nil && g.Number != 1 {
			err = fmt.Errorf("generation %d", g.Number)
		}
		got <- err
	}()
	h.mark()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	h.set.Collector().Done(1, func(*aggregate.State) {})
	go func() { _, _, _, err := h.set.Collector().Next(ctx); got <- err }()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestSpill lets generations wait until memory keeps no more of them: their
// counts stay, their tables go, and the order is kept.
func TestSpill(t *testing.T) {
	const generations = keepUnflushed + 8
	h := newHarness(t, 2, realLog(t), nil)
	for i := range generations {
		h.send(i%2, fmt.Sprintf("n:%d|c\ng:%d|g\nno line\n", i, i))
		h.mark()
	}
	c := h.set.Collector()
	if waiting, spilled := c.Backlog(); waiting != generations || spilled != generations-keepUnflushed {
		t.Fatalf("%d wait, %d of them spilled", waiting, spilled)
	}
	if bucket, any := c.OldestBucket(); !any || bucket != startTime {
		t.Errorf("the oldest bucket is %d, %v", bucket, any)
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Received != 3*generations || terms.Pending != 2*generations || terms.Counts.Refused() != generations {
		t.Errorf("%+v: what was given up in memory is no longer counted", terms)
	}
	w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
	if err != nil || len(w.Points[h.seriesOf("n").Index]) != keepUnflushed {
		t.Errorf("%d points in the window, %v; %d generations have tables", len(w.Points[0]), err, keepUnflushed)
	}
	for i := range keepUnflushed {
		if n, err := h.flushOne(t.Context(), &books); n != uint64(i+1) || err != nil {
			t.Fatalf("generation %d, %v", n, err)
		}
	}
	h.send(0, "n:1|c\n")
	h.mark() // one that memory can keep again, behind those it could not
	g, spilled, upTo, err := c.Next(t.Context())
	if err != nil || !spilled || g.Number != keepUnflushed+1 || g.Parts != nil || upTo <= g.To {
		t.Fatalf("%+v, spilled %v, %v", g, spilled, err)
	}
	last := uint64(0)
	for range generations - keepUnflushed {
		g, spilled, end, err := c.Next(t.Context())
		if err != nil || !spilled || end != upTo {
			t.Fatalf("generation %d, spilled %v up to %d, %v; want %d", g.Number, spilled, end, err, upTo)
		}
		c.Done(g.Number, func(state *aggregate.State) { state.Set(h.seriesOf("g").Index, float64(g.Number)) })
		last = g.To
	}
	if last != upTo {
		t.Errorf("the last one spilled ends at %d, upTo said %d", last, upTo)
	}
	g, spilled, _, err = c.Next(t.Context())
	if err != nil || spilled || g.Values() != 1 {
		t.Fatalf("%+v, spilled %v, %v", g, spilled, err)
	}
	if got := c.State().Last(h.seriesOf("g").Index); got != generations {
		t.Errorf("the gauge stands at %v", got)
	}
}

// TestDoneMovesEverythingAtOnce looks from a committing flush: the state still
// stands before it, and afterwards behind it.
func TestDoneMovesEverythingAtOnce(t *testing.T) {
	h := newHarness(t, 1, &memory{}, nil)
	h.send(0, "g:5|g\n")
	h.mark()
	g, _, _, err := h.set.Collector().Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var points []block.Point
	g.Points(func(uint32) int64 { return 1 }, h.set.Collector().State(), func(_ int64, p []block.Point) { points = append(points, p...) })
	h.set.Collector().Done(g.Number, func(state *aggregate.State) {
		if state.Last(0) != 0 {
			t.Error("the state has moved before the commit")
		}
	})
	if got := h.set.Collector().State().Last(0); got != 5 || len(points) != 1 {
		t.Errorf("the gauge stands at %v, %d points", got, len(points))
	}
	if _, any := h.set.Collector().OldestBucket(); any || !h.set.Collector().Empty() {
		t.Error("the generation is still there")
	}
}
