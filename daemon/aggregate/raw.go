package aggregate

import (
	"cmp"
	"slices"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/storage/block"
)

// MaxRaw bounds the raw samples of one lane's generation, as MaxLate does late
// slots.
const MaxRaw = 1 << 20

// rawSample is one sample of a raw series, in a lane's table.
type rawSample struct {
	time, start int64
	value       float64
	hist        []byte
	pos         uint64 // of its record in the log
}

// keep appends the batch's raw samples. They are never folded: two at one time
// are two, and readers keep the one that the log has first.
func (t *table) keep(pos uint64, list []record.Raw) {
	if len(list) == 0 {
		return
	}
	if t.raw == nil {
		t.raw = map[uint32][]rawSample{}
	}
	for i := range list {
		s := &list[i]
		t.raw[s.Ref] = append(t.raw[s.Ref], rawSample{s.Time, s.Start, s.Value, s.Hist, pos})
	}
	t.values += uint64(len(list))
	t.raws += len(list)
}

// rawRun is what one lane holds of one series. Its samples are never written
// to again, only added to, so a reader may keep the slice.
type rawRun struct {
	series  uint32
	samples []rawSample
}

func (t *table) rawRuns(dict *dict, refs []uint32) (runs []rawRun) {
	for _, ref := range refs {
		if list := t.raw[ref]; len(list) > 0 {
			runs = append(runs, rawRun{dict.at(ref).Series, list[:len(list):len(list)]})
		}
	}
	return runs
}

func (p Part) eachRaw(f func(rawRun)) {
	for ref, list := range p.table.raw {
		f(rawRun{p.dict.at(ref).Series, list})
	}
}

// rawPoint is a point on its way, and where the log has it.
type rawPoint struct {
	block.Point
	pos uint64
}

// rawPoints turns runs into points by id, time and place in the log.
func rawPoints(runs []rawRun, id func(series uint32) int64) []rawPoint {
	n := 0
	for _, r := range runs {
		n += len(r.samples)
	}
	list := make([]rawPoint, 0, n)
	for _, r := range runs {
		i := id(r.series)
		for _, s := range r.samples {
			p := block.Point{Series: i, Time: s.time, Kind: block.Raw, N: 1, Last: s.value, LastAt: s.start, Sketch: s.hist}
			list = append(list, rawPoint{p, s.pos})
		}
	}
	slices.SortStableFunc(list, func(a, b rawPoint) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time), cmp.Compare(a.pos, b.pos))
	})
	return list
}

// raw returns the generation's raw points by shard.
func (g *Generation) raw(id func(series uint32) int64) map[int64][]block.Point {
	var runs []rawRun
	for _, p := range g.Parts {
		p.eachRaw(func(r rawRun) { runs = append(runs, r) })
	}
	if len(runs) == 0 {
		return nil
	}
	shards := map[int64][]block.Point{}
	for _, p := range rawPoints(runs, id) {
		n := p.Series / block.ShardSize
		shards[n] = append(shards[n], p.Point)
	}
	return shards
}

// addRaw puts raw points among the others, by series. A series is raw or not,
// so the order of equals says nothing.
func addRaw(points, raw []block.Point) []block.Point {
	if len(raw) == 0 {
		return points
	}
	points = append(points, raw...)
	slices.SortStableFunc(points, func(a, b block.Point) int { return cmp.Compare(a.Series, b.Series) })
	return points
}

// rawPoints returns the raw points of the wanted references, with the series'
// index in the place of an id.
func (g Unflushed) rawPoints(refs func(lane int) []uint32) []block.Point {
	var runs []rawRun
	for _, v := range g.Views {
		runs = append(runs, v.raw...)
	}
	for _, p := range g.Parts {
		runs = append(runs, p.table.rawRuns(&p.dict, refs(p.Lane))...)
	}
	list := rawPoints(runs, func(series uint32) int64 { return int64(series) })
	points := make([]block.Point, len(list))
	for i := range list {
		points[i] = list[i].Point
	}
	return points
}
