package aggregate

import (
	"math"
	"testing"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// TestCounterSums holds counters to exact sums where naive addition drifts, in
// one slot and over several that are merged.
func TestCounterSums(t *testing.T) {
	ones := func(n int) (v []float64) {
		for range n {
			v = append(v, 1)
		}
		return v
	}
	for name, c := range map[string]struct {
		slots    [][]float64
		sum, neg float64
	}{
		"nothing lost beside a giant":     {[][]float64{append(append([]float64{1e16}, ones(1000)...), -1e16)}, 1000, -1e16},
		"the giant comes last":            {[][]float64{append(ones(1000), 1e16, -1e16)}, 1000, -1e16},
		"over two lanes":                  {[][]float64{append([]float64{1e16}, ones(500)...), append(ones(500), -1e16)}, 1000, -1e16},
		"decrements stand apart":          {[][]float64{{5, -2, 4}, {-1}}, 6, -3},
		"one lane":                        {[][]float64{{0.1, 0.2, 0.3, -0.6}}, 0, -0.6},
		"beyond float64 it is no number":  {[][]float64{{math.MaxFloat64, math.MaxFloat64}, {1}}, math.Inf(1), 0},
		"and the same below":              {[][]float64{{-math.MaxFloat64}, {-math.MaxFloat64}}, math.Inf(-1), math.Inf(-1)},
		"an empty lane beside a full one": {[][]float64{{}, {7}}, 7, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var sum slot
			n := uint64(0)
			for _, values := range c.slots {
				var late slot // keeps everything in itself
				tab, r := newTable(5), Ref{Type: protocol.Counter, Rate: 1}
				for _, v := range values {
					late.count(v)
					tab.fold(&r, v, 1, 0, 0)
					n++
				}
				s := tab.slot(&r)
				if len(values) > 0 && (s.n != late.n || s.low != late.low || math.Float64bits(s.total()) != math.Float64bits(late.total())) {
					t.Errorf("a counter's cell says %+v, a slot %+v", s, late)
				}
				sum.absorb(&s, block.Counter)
			}
			if got := sum.total(); got != c.sum && !(math.Abs(got-c.sum) < 1e-16) {
				t.Errorf("sum %v, want %v", got, c.sum)
			}
			if sum.low != c.neg || sum.n != n {
				t.Errorf("decrements %v of %d values, want %v of %d", sum.low, sum.n, c.neg, n)
			}
		})
	}
}

// TestGaugeLastByPosition takes the value with the highest place in the log,
// whatever lane it came through and in which order lanes are merged.
func TestGaugeLastByPosition(t *testing.T) {
	type change struct {
		v   float64
		at  int64
		pos uint64
	}
	for name, c := range map[string]struct {
		lanes     [][]change
		last      float64
		at        int64
		low, high float64
		n         uint64
	}{
		"one lane":                       {[][]change{{{3, 1, 10}, {-5, 2, 20}}}, -5, 2, -5, 3, 2},
		"within a batch the later wins":  {[][]change{{{3, 1, 10}, {4, 1, 10}}}, 4, 1, 3, 4, 2},
		"the first lane was logged last": {[][]change{{{1, 9, 30}}, {{2, 5, 20}}}, 1, 9, 1, 2, 2},
		"the second":                     {[][]change{{{1, 9, 20}}, {{2, 5, 30}}}, 2, 5, 1, 2, 2},
		"a lane without it":              {[][]change{{}, {{8, 5, 30}}, {}}, 8, 5, 8, 8, 1},
		"all below zero":                 {[][]change{{{-1, 1, 1}}, {{-2, 2, 2}}}, -2, 2, -2, -1, 2},
		"at the log's very beginning":    {[][]change{{{6, 3, 0}}}, 6, 3, 6, 6, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var sum slot
			for _, changes := range c.lanes {
				var s slot
				for _, g := range changes {
					s.gauge(g.v, g.at, g.pos)
				}
				if s.n > 0 {
					sum.absorb(&s, block.Gauge)
				}
			}
			if sum.last != c.last || sum.at != c.at || sum.low != c.low || sum.high != c.high || sum.n != c.n {
				t.Errorf("%+v, want last %v at %d in [%v, %v] of %d", sum, c.last, c.at, c.low, c.high, c.n)
			}
		})
	}
}

// TestOrderedCell follows a gauge with deltas value by value: the cell that
// learns its base only at the end must end where a plain variable does.
func TestOrderedCell(t *testing.T) {
	set := func(v float64) record.Ordered { return record.Ordered{Value: v} }
	move := func(v float64) record.Ordered { return record.Ordered{Value: v, Delta: true} }
	for name, ops := range map[string][]record.Ordered{
		"deltas alone":            {move(1), move(-3), move(5)},
		"an absolute value first": {set(4), move(1), move(-9)},
		"deltas, then absolute":   {move(7), move(-2), set(100), move(1)},
		"absolute twice":          {set(4), set(5)},
		"one delta":               {move(-1)},
		"back to where it was":    {move(2), move(-2)},
	} {
		for _, base := range []float64{0, 10, -4} {
			var c orderedCell
			v, low, high, sum := base, math.Inf(1), math.Inf(-1), 0.0
			for i, op := range ops {
				c.apply(op, int64(i))
				if op.Delta {
					v += op.Value
				} else {
					v = op.Value
				}
				low, high, sum = min(low, v), max(high, v), sum+v
			}
			s := c.resolve(base)
			if s.last != v || s.low != low || s.high != high || s.total() != sum || s.n != uint64(len(ops)) || s.at != int64(len(ops)-1) {
				t.Errorf("%s on %v: %+v, want last %v in [%v, %v], sum %v of %d", name, base, s, v, low, high, sum, len(ops))
			}
			if again := c.resolve(base); again != s {
				t.Errorf("%s on %v: resolving changes the cell: %+v, then %+v", name, base, s, again)
			}
		}
	}
}

func TestKindOf(t *testing.T) {
	for typ, want := range map[protocol.Type]block.Kind{
		protocol.Counter: block.Counter, protocol.Gauge: block.Gauge, protocol.Set: block.Set,
		protocol.Histogram: block.Histogram, protocol.Timer: block.Histogram, protocol.Distribution: block.Histogram,
	} {
		if got := kindOf(typ); got != want {
			t.Errorf("%s is kept as %d, want %d", typ, got, want)
		}
	}
}

func TestFloor(t *testing.T) {
	for _, c := range []struct{ t, want int64 }{
		{0, 0}, {9_999, 0}, {10_000, 10_000}, {10_001, 10_000}, {-1, -10_000}, {-10_000, -10_000}, {-10_001, -20_000},
	} {
		if got := floor(c.t, 10_000); got != c.want {
			t.Errorf("%d is in the bucket %d, want %d", c.t, got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	s := NewState()
	s.Set(3, 1.5)
	s.Set(0, 0)
	s.Set(3, -2)
	if s.Last(3) != -2 || s.Last(0) != 0 || s.Last(1) != 0 || s.Last(1000) != 0 {
		t.Error("a gauge stands elsewhere than it was set, or an unknown one not at 0")
	}
	var known []uint32
	s.Each(func(series uint32, v float64) {
		known = append(known, series)
		if v != s.Last(series) {
			t.Errorf("gauge %d: %v and %v", series, v, s.Last(series))
		}
	})
	if len(known) != 2 || known[0] != 0 || known[1] != 3 {
		t.Errorf("known gauges %v, want 0 and 3: a gauge at 0 is known, a gap is not", known)
	}
}
