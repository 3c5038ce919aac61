package live

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
)

// TestPackedIsFrame: whatever a frame holds, its packed form tells the same of every
// series, and without its distributions the same of the others.
func TestPackedIsFrame(t *testing.T) {
	k, u := newPacker(), newUnpacker()
	rapid.Check(t, func(t *rapid.T) {
		f := newFrame(rapid.SampledFrom([]int{1, 4, 9, 59}).Draw(t, "inner"))
		f.begin(start, rapid.IntRange(0, 5).Draw(t, "rows"))
		const series = 12 // the upper half are distributions
		for second := range f.inner {
			for s := range uint32(series) {
				if r, ok := running(t, s >= series/2); ok && s >= series/2 {
					f.add(s, second, &r)
				} else if ok {
					f.set(s, second, &r)
				}
			}
		}
		p := k.pack(f)
		less := p.withoutSketches()
		f.passes++
		for s := range uint32(series + 1) {
			want, ok := f.row(s)
			got, gotOK := u.row(p, s)
			if ok != gotOK || drawnRow(want) != drawnRow(got) {
				t.Fatalf("series %d: %v %s\npacked:   %v %s", s, ok, drawnRow(want), gotOK, drawnRow(got))
			}
			got, gotOK = u.row(less, s)
			if gotOK != (ok && s < series/2) || gotOK && drawnRow(want) != drawnRow(got) {
				t.Fatalf("series %d: %v %s\nwithout distributions: %v %s", s, ok, drawnRow(want), gotOK, drawnRow(got))
			}
		}
		if less.points != f.points-len(f.sketches) || p.points != f.points || p.sketches != len(f.sketches) {
			t.Fatalf("%d points, %d without distributions; the frame has %d, %d of distributions", p.points, less.points, f.points, len(f.sketches))
		}
		scalars, sketches := p.bytes()
		if a, b := less.bytes(); a != scalars || b != 0 || sketches < 0 {
			t.Fatalf("%d and %d bytes; without distributions %d and %d", scalars, sketches, a, b)
		}
	})
}

// running draws what a lane may tell of a series; not ok where it is not asked.
func running(t *rapid.T, distribution bool) (r lane.Running, ok bool) {
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case what == 0:
		return r, false
	case what == 1:
		return r, true // unknown
	case distribution:
		r = lane.Running{Known: true, Any: true}
		if what > 2 {
			r.Hist = histogram.New(5)
			for range rapid.IntRange(1, 40).Draw(t, "n") {
				r.Hist.Add(rapid.Float64Range(-10, 1000).Draw(t, "v"), 1)
			}
		}
		return r, true
	default:
		r = lane.Running{Known: true, Any: what > 2, Value: value(t)}
		if what > 8 {
			r.Neg = -value(t)
		}
		return r, true
	}
}

func value(t *rapid.T) float64 {
	return rapid.OneOf(
		rapid.Map(rapid.IntRange(-100_000, 100_000), func(n int) float64 { return float64(n) / 100 }),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 1 << 53, 1 << 60, 0.1, 1e300, 5e-324, -7}),
		rapid.Float64Range(-1e9, 1e9),
	).Draw(t, "value")
}

// drawnRow renders a row bit for bit.
func drawnRow(r Row) string {
	text := fmt.Sprint(r.Bucket)
	for i := range r.Values {
		v, neg, state := r.At(i)
		text += fmt.Sprintf(" %d:%x:%x", state, math.Float64bits(v), math.Float64bits(neg))
	}
	for _, s := range r.Sketches {
		text += fmt.Sprintf(" %d=%x", s.Second, s.Data)
	}
	return text
}

// TestFrameIsUsedAgain: what a bucket held is not told of the next one.
func TestFrameIsUsedAgain(t *testing.T) {
	f := newFrame(9)
	f.begin(start, 1)
	h := histogram.New(5)
	h.Add(1, 1)
	f.set(1, 2, &lane.Running{Known: true, Any: true, Value: 7, Neg: -1})
	f.add(2, 3, &lane.Running{Known: true, Any: true, Hist: h})
	f.passes++
	kept, _ := f.row(2)
	f.begin(start+10_000, 1)
	f.set(1, 0, &lane.Running{Known: true, Any: true, Value: 1})
	if r, ok := f.row(1); !ok || r.Neg != nil || !reflect.DeepEqual(r.Values[:1], []float64{1}) || !isUnknown(r.Values[2]) {
		t.Errorf("%v %+v", ok, r)
	}
	if r, ok := f.row(2); ok || f.passes != 0 || f.points != 1 {
		t.Errorf("a distribution of the bucket before: %+v, %d passes, %d points", r, f.passes, f.points)
	}
	f.add(2, 3, &lane.Running{Known: true, Any: true, Hist: histogram.New(3)})
	if got, err := histogram.Decode(kept.Sketches[0].Data); err != nil || got.Count != 1 {
		t.Errorf("what was read of the bucket before: %v, %v", got, err)
	}
}

// FuzzRow: bytes that this package did not write are no row, and harm nothing.
func FuzzRow(f *testing.F) {
	k, u := newPacker(), newUnpacker()
	open := newFrame(9)
	open.begin(start, 1)
	h := histogram.New(5)
	for i := range 40 {
		h.Add(float64(i%7), 1)
	}
	for second := range 9 {
		open.set(1, second, &lane.Running{Known: true, Any: true, Value: float64(second)})
		open.set(2, second, &lane.Running{Known: second > 3, Any: second > 5, Value: math.Pi, Neg: -1})
		open.add(3, second, &lane.Running{Known: true, Any: true, Hist: h})
	}
	p := k.pack(open)
	for i := range p.series {
		f.Add(p.at(i))
	}
	f.Add([]byte{sketched, 1, 2, 3, 4})
	f.Add([]byte{patchy})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := u.row(&packed{inner: 9, series: []uint32{1}, ends: []uint32{uint32(len(b))}, rows: b}, 1)
		if ok && len(r.Sketches) == 0 && len(r.Values) != 9 {
			t.Errorf("%d values", len(r.Values))
		}
		for i := range r.Values {
			r.At(i)
		}
	})
}

// BenchmarkPack is a bucket of 10,000 series, a fifth of them distributions.
func BenchmarkPack(b *testing.B) {
	f := newFrame(9)
	f.begin(start, MaxBusiest)
	h := histogram.New(5)
	for s := range uint32(MaxBusiest) {
		for second := range 9 {
			if s%5 == 0 {
				h.Reset(5)
				for i := range 20 {
					h.Add(float64((int(s)*7+i*i*second)%300)/10, 1)
				}
				f.add(s, second, &lane.Running{Known: true, Any: true, Hist: h})
			} else {
				f.set(s, second, &lane.Running{Known: true, Any: true, Value: float64(int(s)*second) / 100})
			}
		}
	}
	k := newPacker()
	var p *packed
	for b.Loop() {
		p = k.pack(f)
	}
	scalars, sketches := p.bytes()
	b.ReportMetric(float64(scalars)/(MaxBusiest*4/5), "bytes/scalar")
	b.ReportMetric(float64(sketches)/(MaxBusiest/5), "bytes/distribution")
}

// BenchmarkRows reads a quarter of an hour of a counter, and of a distribution that
// has a thousand values a second.
func BenchmarkRows(b *testing.B) {
	x := newBench(&testing.T{}, 256<<20)
	c, d := x.series(protocol.Counter, "c"), x.series(protocol.Timer, "t")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 900 {
		x.window.Watch([]*admit.Series{c, d})
		h := histogram.New(5)
		for range 1000 {
			h.Add(math.Exp(r.NormFloat64()), 1)
		}
		x.come(c, float64(i))
		x.told[d] = lane.Running{Any: true, Hist: h}
		x.now += 1000
		x.window.Pass(context.Background(), x.now)
	}
	for name, s := range map[string]*admit.Series{"counter": c, "distribution": d} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				x.window.Rows(s, 0, 1<<60)
			}
		})
	}
}
