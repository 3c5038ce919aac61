package storagetest

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

const day = 24 * millis

// kept is short, so that a few days go through every tier.
var kept = storage.Retention{Points: 48 * time.Hour, Sketches: 24 * time.Hour, Minutes: 5 * 24 * time.Hour, Hours: 12 * 24 * time.Hour, SQL: 48 * time.Hour}

// testTiers does everything that moves points, at random and with late data
// among it, and reads at random: whatever tier answers, it says what a list of
// all points in memory says.
func testTiers(t *testing.T, open Open) {
	few(t, "12")
	s, again := open(t)
	m := &tierModel{t: t, stores: []*storage.Store{s}, again: again, now: hour * millis, seq: map[string]uint64{}}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m.begin(run)
		rt.Repeat(map[string]func(*rapid.T){
			"commit":  m.commit,
			"commit2": m.commit,
			"commit3": m.commit,
			"hours":   func(rt *rapid.T) { m.now += int64(rapid.IntRange(1, 30).Draw(rt, "hours")) * millis },
			"days":    func(rt *rapid.T) { m.now += int64(rapid.IntRange(1, 3).Draw(rt, "days")) * day },
			"compact": func(rt *rapid.T) { _ = must[storage.CompactStats](t)(m.any(rt).Compact(t.Context(), m.now/millis)) },
			"roll days": func(rt *rapid.T) {
				before := m.now/day - int64(rapid.IntRange(0, 2).Draw(rt, "back"))
				_ = must[storage.DayStats](t)(m.any(rt).RollDays(t.Context(), before))
			},
			"roll minutes": func(rt *rapid.T) {
				_ = must[int](t)(m.any(rt).RollMinutes(t.Context(), m.now-2*millis, storage.Chosen{Max: 1000}))
			},
			"retain": func(rt *rapid.T) {
				_ = must[storage.RetainStats](t)(m.any(rt).Retain(t.Context(), time.UnixMilli(m.now), kept))
			},
			"restart": func(*rapid.T) { m.restart() },
			"":        m.check,
		})
	})
}

// few sets how many runs a test makes, where the command line does not.
func few(t *testing.T, n string) {
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

// tierModel is the store, and beside it every point that was ever committed.
type tierModel struct {
	t      *testing.T
	stores []*storage.Store // the last one alone works on SQLite
	again  func() *storage.Store
	now    int64 // milliseconds; it only goes on
	at     int   // of the next value, so that no two gauges are seen at once

	ids    map[int64]block.Kind
	points map[int64][]block.Point
	oldest int64 // what is before it can have gone
	seq    map[string]uint64
}

// begin makes series of every kind that no run before had.
func (m *tierModel) begin(run int) {
	m.ids, m.points = map[int64]block.Kind{}, map[int64][]block.Point{}
	var list [][]byte
	kinds := []block.Kind{block.Counter, block.Gauge, block.Histogram, block.Set}
	for i, typ := range []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer, protocol.Set} {
		list = append(list, series.Key{Name: fmt.Sprintf("tier%d.%d", run, i), Type: typ}.Append(nil))
	}
	for i, id := range must[[]int64](m.t)(m.stores[0].Resolve(m.t.Context(), list)) {
		m.ids[id] = kinds[i]
	}
	m.oldest = m.now
}

// any returns a store to work on: on Postgres several daemons can.
func (m *tierModel) any(rt *rapid.T) *storage.Store {
	last := len(m.stores) - 1
	if m.stores[last].Backend() != "postgres" {
		return m.stores[last]
	}
	return m.stores[rapid.IntRange(0, last).Draw(rt, "store")]
}

// maxHandles bounds the restarts of one run.
const maxHandles = 6

func (m *tierModel) restart() {
	if len(m.stores) < maxHandles {
		m.stores = append(m.stores, m.again())
	}
}

// late says how long before now a sample was.
var late = []int64{0, 0, 0, 20_000, millis, 26 * millis, 3 * day, 7 * day}

func (m *tierModel) commit(rt *rapid.T) {
	var points []block.Point
	for _, id := range slices.Sorted(maps.Keys(m.ids)) {
		for range rapid.IntRange(0, 3).Draw(rt, "points") {
			at := m.now - rapid.SampledFrom(late).Draw(rt, "late") - int64(rapid.IntRange(0, 400).Draw(rt, "ago"))*10_000
			at = block.Floor(at, 10_000)
			if at < m.oldest-10*day {
				continue
			}
			points = append(points, m.point(id, at, float64(rapid.IntRange(-20, 1000).Draw(rt, "value"))))
		}
	}
	slices.SortStableFunc(points, func(a, b block.Point) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time))
	})
	points = merged(points)
	byShard := map[int64][]block.Point{}
	for _, p := range points {
		m.points[p.Series] = append(m.points[p.Series], p)
		byShard[p.Series/block.ShardSize] = append(byShard[p.Series/block.ShardSize], p)
	}
	w := rapid.SampledFrom([]string{"t0", "t1"}).Draw(rt, "writer")
	f := storage.Flush{Writer: w, From: m.seq[w] * 7, To: m.seq[w]*7 + 7, Seq: m.seq[w] + 1, Hour: m.now / millis}
	for shard, list := range byShard {
		f.Blocks = append(f.Blocks, storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, m.now, list)})
	}
	must[bool](m.t)(m.any(rt).Commit(m.t.Context(), f))
	m.seq[w]++
}

func (m *tierModel) point(id, at int64, v float64) block.Point {
	m.at++
	p := block.Point{Series: id, Kind: m.ids[id], Time: at, N: 1}
	switch p.Kind {
	case block.Counter:
		p.Sum, p.Neg = v, min(v, 0)
	case block.Gauge:
		p.Last, p.LastAt, p.Min, p.Max, p.Sum = v, at+int64(m.at%10_000), v, v, v
	case block.Histogram:
		h := histogram.New(5)
		h.Add(v, 1)
		p.Count, p.Sum, p.Min, p.Max, p.Sketch = 1, v, v, v, h.AppendBinary(nil)
	case block.Set:
		s := histogram.NewSet()
		s.AddHash(histogram.HashMember([]byte(fmt.Sprint(v))))
		p.Sketch = s.AppendBinary(nil)
	}
	return p
}

// merged merges neighbours of one series and time.
func merged(points []block.Point) (out []block.Point) {
	for _, p := range points {
		if n := len(out); n > 0 && out[n-1].Series == p.Series && out[n-1].Time == p.Time {
			out[n-1] = block.MergeWriters(out[n-1], p)
			continue
		}
		out = append(out, p)
	}
	return out
}

// check reads a range and compares it bucket by bucket.
func (m *tierModel) check(rt *rapid.T) {
	begin := block.Floor(m.now-kept.Hours.Milliseconds(), day) + day
	from := block.Floor(begin+rapid.Int64Range(0, m.now-begin).Draw(rt, "from"), day)
	r := storage.ReadRequest{From: from, BaseBefore: from, Step: rapid.SampledFrom([]int64{0, 10_000, 60_000, 90_000, millis, 3 * millis}).Draw(rt, "step")}
	r.To = r.From + rapid.Int64Range(0, m.now-r.From).Draw(rt, "span")
	for id, kind := range m.ids {
		if kind == block.Histogram || kind == block.Set {
			r.Sketches = append(r.Sketches, id)
		} else {
			r.IDs = append(r.IDs, id)
		}
	}
	sel := must[storage.Selection](m.t)(m.any(rt).Read(m.t.Context(), r))
	got, early := m.gather(sel, r.From)
	for id, kind := range m.ids {
		spans := sel.Spans
		if kind == block.Histogram || kind == block.Set {
			spans = sel.SketchSpans
		}
		want := buckets(m.points[id], spans)
		if have := buckets(got[id], spans); !slices.EqualFunc(have, want, same) {
			rt.Fatalf("series %d of kind %d in [%d, %d] by %d, spans %v:\n%+v\nwant\n%+v", id, kind, r.From, r.To, r.Step, spans, have, want)
		}
		if kind != block.Counter {
			continue
		}
		total := sel.Bases[id].Sum + early[id]
		for _, p := range m.points[id] {
			if p.Time < r.From {
				total -= p.Sum
			}
		}
		if total != 0 {
			rt.Fatalf("the base of series %d before %d is %v off", id, r.From, total)
		}
	}
}

// gather takes the points out of a selection; early is what blocks hold of
// counters from before the range.
func (m *tierModel) gather(sel storage.Selection, from int64) (got map[int64][]block.Point, early map[int64]float64) {
	got, early = map[int64][]block.Point{}, map[int64]float64{}
	for _, c := range sel.Chunks {
		for _, p := range must[[]block.Point](m.t)(block.DecodeChunk(c.Data, c.Start, nil)) {
			if p.Time >= c.Span.From && p.Time <= c.Span.To {
				got[c.Series] = append(got[c.Series], p)
			}
		}
	}
	for _, p := range sel.Rollups {
		got[p.Series] = append(got[p.Series], p)
	}
	for _, b := range sel.Blocks {
		for _, p := range must[[]block.Point](m.t)(block.DecodeBlock(b.Data, nil)) {
			got[p.Series] = append(got[p.Series], p)
			if p.Time < from {
				early[p.Series] += p.Sum
			}
		}
	}
	return got, early
}

// buckets merges points into the buckets of spans. One that a span ends within
// is left out: where nothing finer is left, some of it lies beyond the end.
func buckets(points []block.Point, spans []storage.Span) (out []block.Point) {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b block.Point) int { return cmp.Compare(a.Time, b.Time) })
	for _, s := range spans {
		if s.Width > 0 {
			s.To = block.Floor(s.To+1, s.Width) - 1
		}
		var within []block.Point
		for _, p := range points {
			if p.Time >= s.From && p.Time <= s.To {
				p.Series = 0
				if s.Width > 0 {
					p.Time = block.Floor(p.Time, s.Width)
				}
				within = append(within, p)
			}
		}
		out = append(out, merged(within)...)
	}
	return out
}

func same(a, b block.Point) bool {
	return bytes.Equal(a.Sketch, b.Sketch) && a.Time == b.Time && a.Kind == b.Kind && a.N == b.N && a.Sum == b.Sum && a.Neg == b.Neg &&
		a.Count == b.Count && a.Min == b.Min && a.Max == b.Max && a.Last == b.Last && a.LastAt == b.LastAt
}
