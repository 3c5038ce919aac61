package aggregate

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

const (
	resolution = 10_000
	schema     = 5
	firstTime  = 1_700_000_000_000
)

var options = Options{Resolution: resolution, Schema: schema}

// place is where a value belongs: series and bucket.
type place struct {
	series uint32
	bucket int64
}

// cell is everything that was folded into one place, kept naively.
type cell struct {
	typ    protocol.Type
	values []float64 // weighted, or a gauge's running values
	last   float64
	at     int64
	hist   *histogram.Histogram
	set    *histogram.Set
	n      uint64
}

// model is what lanes, tables and merging must agree with: one fold over the
// records in the log's order, without lanes.
type model struct {
	bucket int64
	cells  map[place]*cell
	gauges map[uint32]float64
	units  uint64
}

func newModel() *model { return &model{gauges: map[uint32]float64{}} }

func (m *model) open(bucket int64) { m.bucket, m.cells, m.units = bucket, map[place]*cell{}, 0 }

func (m *model) at(p place, t protocol.Type) *cell {
	c := m.cells[p]
	if c == nil {
		c = &cell{typ: t, hist: histogram.New(schema), set: histogram.NewSet()}
		m.cells[p] = c
	}
	return c
}

// batch folds one record. refs is the dictionary of its lane.
func (m *model) batch(b *record.Batch, refs []Ref) {
	for _, s := range b.Samples {
		m.value(refs[s.Ref], m.bucket, s.Value, refs[s.Ref].Rate, b.At)
	}
	for _, s := range b.Timed {
		r, bucket, at, rate := refs[s.Ref], m.bucket, b.At, refs[s.Ref].Rate
		if s.Rate > 0 {
			rate = s.Rate
		}
		if s.Time != 0 {
			at, bucket = s.Time, s.Time/resolution*resolution
		}
		m.value(r, bucket, s.Value, rate, at)
	}
	for _, o := range b.Ordered {
		v := o.Value
		if o.Delta {
			v += m.gauges[refs[o.Ref].Series]
		}
		m.value(refs[o.Ref], m.bucket, v, 1, b.At)
	}
}

func (m *model) value(r Ref, bucket int64, v, rate float64, at int64) {
	c := m.at(place{r.Series, bucket}, r.Type)
	c.n++
	if !r.Own {
		m.units++
	}
	switch {
	case r.Type == protocol.Counter:
		c.values = append(c.values, v/rate)
	case r.Type == protocol.Gauge:
		c.values = append(c.values, v)
		c.last, c.at = v, at
		if bucket == m.bucket {
			m.gauges[r.Series] = v
		}
	case r.Type == protocol.Set:
		c.set.AddHash(memberHash(v))
	default:
		c.hist.Add(v, 1/rate)
	}
}

// points returns the open generation as the store should get it.
func (m *model) points(id func(uint32) int64) (list []block.Point) {
	for p, c := range m.cells {
		list = append(list, c.point(id(p.series), p.bucket))
	}
	slices.SortFunc(list, func(a, b block.Point) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time))
	})
	return list
}

func (c *cell) point(id, bucket int64) block.Point {
	p := block.Point{Series: id, Time: bucket, Kind: kindOf(c.typ), N: c.n}
	for _, v := range c.values {
		p.Sum += v
	}
	switch p.Kind {
	case block.Counter:
		for _, v := range c.values {
			p.Neg += min(v, 0)
		}
	case block.Gauge:
		p.Min, p.Max, p.Last, p.LastAt = slices.Min(c.values), slices.Max(c.values), c.last, c.at
	case block.Set:
		p.Sketch = c.set.AppendBinary(nil)
	default:
		p.Count, p.Sum, p.Min, p.Max, p.Sketch = c.hist.Count, c.hist.Sum(), c.hist.Min, c.hist.Max, c.hist.AppendBinary(nil)
	}
	return p
}

func equalPoints(got, want []block.Point) error {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			return fmt.Errorf("%d points, want %d\n got %+v\nwant %+v", len(got), len(want), got, want)
		}
		a, b := got[i], want[i]
		sketches := bytes.Equal(a.Sketch, b.Sketch)
		a.Sketch, b.Sketch = nil, nil
		if !sketches || fmt.Sprint(a) != fmt.Sprint(b) {
			return fmt.Errorf("point %d (sketches equal: %v)\n got %+v\nwant %+v", i, sketches, a, b)
		}
	}
	return nil
}

// gather collects what a generation emits and checks the order of shards.
func gather(g *Generation, id func(uint32) int64, state *State) (list []block.Point, err error) {
	last := int64(-1)
	g.Points(id, state, func(shard int64, points []block.Point) {
		if shard <= last || len(points) == 0 {
			err = fmt.Errorf("shard %d of %d points after %d", shard, len(points), last)
		}
		last = shard
		for _, p := range points {
			if p.Series/block.ShardSize != shard {
				err = fmt.Errorf("series %d in shard %d", p.Series, shard)
			}
		}
		for _, p := range points {
			p.Sketch = bytes.Clone(p.Sketch) // what it stands in is used again
			list = append(list, p)
		}
	})
	return list, err
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
