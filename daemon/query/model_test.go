package query

import (
	"errors"
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// increment is one bucket's worth of a counter, as the model keeps it.
type increment struct {
	bucket   int64
	sum, neg float64
}

// history is the model: every increment ever taken, in a list.
type history struct {
	all   []increment
	begin int64 // what is asked lies in [begin, now]
}

// stands is when an increment is first seen by a query at t: at its bucket's
// end; in the open bucket, and in one that closed while the question was on its way,
// at once, but never at the bucket's very start.
func (i increment) stands(t, now int64) int64 {
	if end := i.bucket + 10_000; end <= t || end <= now && now-t >= 10_000 {
		return end
	}
	return max(min(t, now), i.bucket+1)
}

// total adds up what stands at or before t, the naive way.
func (h *history) total(t, now int64) (total, decrements float64) {
	for _, i := range h.all {
		if i.stands(t, now) <= t {
			total += i.sum - i.neg
			decrements -= i.neg
		}
	}
	return total, decrements
}

// alive reports a series that something was added to within idle before t.
func (h *history) alive(t, now int64) bool {
	for _, i := range h.all {
		if end := i.stands(t, now); end <= t && t-end <= 300_000 {
			return true
		}
	}
	return false
}

// TestCounterModel takes random increments on several daemons over several
// days, late ones among them, flushes some and compacts at random, starts this
// daemon anew at random, and asks for the total at random times: it is the sum
// of all increments so far, wherever they are kept.
func TestCounterModel(t *testing.T) {
	t.Run("daemons together", func(t *testing.T) { counterModel(t, newRig(t, Options{}), "20") })
	t.Run("one daemon alone", func(t *testing.T) { counterModel(t, newRig(t, Options{Alone: true}), "20") })
	t.Run("daemons followed", func(t *testing.T) {
		databases(t, func(t *testing.T, url string) { counterModel(t, newFollowed(t, url), "10") })
	})
}

func counterModel(t *testing.T, r *rig, runs string) {
	checks(t, runs)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		name := fmt.Sprintf("run%d", run)
		s := r.series(rapid.Bool().Draw(rt, "known"), name, protocol.Counter, "env", "prod")
		h := &history{begin: r.now}
		steps := map[string]func(*rapid.T){
			"take":    func(rt *rapid.T) { h.take(rt, r, s, "") },
			"other":   func(rt *rapid.T) { h.take(rt, r, s, rapid.SampledFrom([]string{"b", "c"}).Draw(rt, "writer")) },
			"seconds": func(rt *rapid.T) { r.now += int64(rapid.IntRange(0, 40_000).Draw(rt, "ms")) },
			"hours":   func(rt *rapid.T) { r.now += int64(rapid.IntRange(1, 30).Draw(rt, "h")) * 3_600_000 },
			"flush": func(rt *rapid.T) {
				if len(r.waiting) > 0 {
					r.flush()
				}
			},
			"compact": func(*rapid.T) { r.flushAll(); r.compact() },
			"restart": func(*rapid.T) {
				r.flushAll()
				r.head.DropBefore(1 << 40)
			},
			"look": func(*rapid.T) { r.look() },
			"learn": func(rt *rapid.T) {
				if err := r.reader.Learn(t.Context()); err != nil && !errors.Is(err, ErrNotFollowed) {
					rt.Fatal(err)
				}
			},
			"another compacts": func(rt *rapid.T) {
				r.flushAll()
				_, err := r.store.Compact(t.Context(), r.now/3_600_000)
				check(rt, err)
			},
			"": func(rt *rapid.T) { h.compare(rt, r, name) },
		}
		if r.reader.opts.Alone {
			delete(steps, "other")
		}
		rt.Repeat(steps)
		r.flushAll()
		r.now += 7_200_000
		r.compact()
	})
}

// checks sets how many runs a test makes, where the command line does not.
func checks(t *testing.T, n string) {
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if was != f.DefValue {
		return
	}
	if err := f.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
}

// take adds an increment in a bucket that is open, or was up to a day ago, to a
// generation of this daemon or of another.
func (h *history) take(rt *rapid.T, r *rig, s *admit.Series, writer string) {
	late := int64(rapid.SampledFrom([]int{0, 0, 0, 1, 30, 3_600, 86_000}).Draw(rt, "late")) * 1000
	bucket := max((r.now-late)/10_000*10_000, h.begin/10_000*10_000)
	i := increment{bucket, float64(rapid.IntRange(-5, 100).Draw(rt, "sum")), float64(rapid.SampledFrom([]int{0, 0, -3}).Draw(rt, "neg"))}
	if i.sum < i.neg {
		i.neg = i.sum // at least what the sum says
	}
	h.all = append(h.all, i)
	p := of(s, block.Point{Kind: block.Counter, Time: bucket, N: 1, Sum: i.sum, Neg: i.neg})
	if writer == "" {
		r.take(p...)
	} else {
		r.other(writer, p...)
	}
}

func (r *rig) flushAll() {
	for len(r.waiting) > 0 {
		r.flush()
	}
}

func (h *history) compare(rt *rapid.T, r *rig, name string) {
	r.lookAgain()
	span := r.now - h.begin
	when := r.now
	switch {
	case span > 0 && len(h.all) > 0 && rapid.Bool().Draw(rt, "near"):
		near := h.all[rapid.IntRange(0, len(h.all)-1).Draw(rt, "which")].bucket
		when = min(r.now, near+int64(rapid.IntRange(0, 320_000).Draw(rt, "behind")))
	case span > 0 && rapid.Bool().Draw(rt, "past"):
		when = h.begin + rapid.Int64Range(0, span).Draw(rt, "when")
	}
	for i, suffix := range []string{"_total", "_decrements_total"} {
		total, decrements := h.total(when, r.now)
		want := []float64{total, decrements}[i]
		got, ok := r.scalarAt(name+suffix, when)
		if alive := h.alive(when, r.now); alive && !ok || ok && got != want {
			rt.Fatalf("%s%s at %d, %d ms before now: %v, %v; the increments add up to %v, alive %v\n%+v", name, suffix, when, r.now-when, got, ok, want, alive, h.all)
		}
	}
}
