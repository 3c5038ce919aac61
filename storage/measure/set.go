// Package measure measures the store with a set of series such as services
// send: how long a durable flush takes, what a value takes on disk when it is
// compacted, what it costs, and how long reads take. It writes into an empty
// store and leaves what it wrote.
package measure

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// Mix is what of a hundred series are of each kind; the rest are constants.
type Mix struct {
	Counters, Gauges, Timers int
	// Noisy gives gauges seventeen digits instead of two decimals, as a
	// sensor's float does.
	Noisy bool
}

// Realistic is the set that figures are told of: counters whose rate jitters,
// gauges that walk by hundredths, of which every eighth is seen three times in
// a bucket, and constants. Noisy is the same with gauges of seventeen digits,
// and Timers are nothing but histograms.
var (
	Realistic = Mix{Counters: 40, Gauges: 40}
	Noisy     = Mix{Counters: 40, Gauges: 40, Noisy: true}
	Timers    = Mix{Timers: 100}
)

// set makes the points of every series, bucket after bucket.
type set struct {
	mix     Mix
	ids     []int64
	kinds   []kind
	walk    []float64
	rand    *rand.Rand
	room    []block.Point
	scratch []byte // of a block
	giveWay func() // lets others go first

	points, distinct int64 // made so far, and the values in them that differ
}

type kind byte

const (
	counter kind = iota
	gauge
	constant
	timer
)

func newSet(m Mix, n int, giveWay func()) *set {
	if giveWay == nil {
		giveWay = runtime.Gosched
	}
	s := &set{mix: m, kinds: make([]kind, n), walk: make([]float64, n), rand: rand.New(rand.NewPCG(1, 2)), giveWay: giveWay}
	for i := range n {
		switch at := i * 37 % 100; { // 37 spreads the kinds over neighbours
		case at < m.Counters:
			s.kinds[i] = counter
		case at < m.Counters+m.Gauges:
			s.kinds[i] = gauge
		case at < m.Counters+m.Gauges+m.Timers:
			s.kinds[i] = timer
		default:
			s.kinds[i] = constant
		}
		s.walk[i] = float64(s.rand.IntN(100_000)) / 100
	}
	return s
}

// keys are the canonical keys of the series: ten names, three tags.
func (s *set) keys() (list [][]byte) {
	types := map[kind]protocol.Type{counter: protocol.Counter, gauge: protocol.Gauge, constant: protocol.Gauge, timer: protocol.Timer}
	for i, k := range s.kinds {
		list = append(list, series.Key{Name: fmt.Sprintf("service.metric%d", i%10), Type: types[k], Tags: []series.Tag{
			{Key: "env", Value: "prod"}, {Key: "host", Value: fmt.Sprintf("web%05d", i/10)}, {Key: "service", Value: "checkout"},
		}}.Append(nil))
	}
	return list
}

// sort puts the series in the order of their ids, as blocks want them.
func (s *set) sort(ids []int64) {
	s.ids = ids
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(ids[a] - ids[b]) })
	sorted, kinds := make([]int64, len(ids)), make([]kind, len(ids))
	for to, from := range order {
		sorted[to], kinds[to] = ids[from], s.kinds[from]
	}
	s.ids, s.kinds = sorted, kinds
}

// bucket makes the points of the bucket that begins at `at`, in room that the next
// one takes.
func (s *set) bucket(at int64) []block.Point {
	s.room = s.room[:0]
	for i := range s.ids {
		p := s.point(i, at)
		s.points++
		s.distinct += distinct(&p)
		s.room = append(s.room, p)
		if i%block.ShardSize == 0 {
			s.giveWay() // what makes points is not a part of what is measured
		}
	}
	return s.room
}

// encode makes the blocks of a bucket, as a flush does.
func (s *set) encode(points []block.Point, at int64) (blocks []shardBlock) {
	for len(points) > 0 {
		if len(blocks) > 0 {
			s.giveWay() // as a flush does
		}
		shard, n := points[0].Series/block.ShardSize, 1
		for n < len(points) && points[n].Series/block.ShardSize == shard {
			n++
		}
		s.scratch = block.AppendBlock(s.scratch[:0], shard, at, points[:n])
		blocks = append(blocks, shardBlock{shard, bytes.Clone(s.scratch)})
		points = points[n:]
	}
	return blocks
}

type shardBlock struct {
	shard int64
	data  []byte
}

func (s *set) point(i int, at int64) block.Point {
	p := block.Point{Series: s.ids[i], Time: at, Kind: block.Gauge, N: 1, LastAt: at + 4_000}
	switch s.kinds[i] {
	case counter:
		p.Kind, p.LastAt = block.Counter, 0
		p.N = 90 + uint64(s.rand.IntN(20))
		p.Sum = float64(p.N)
	case timer:
		return s.timer(p)
	case constant:
		p.Last, p.Min, p.Max, p.Sum = 16, 16, 16, 16
	case gauge:
		s.gauge(&p, i)
	}
	return p
}

// gauge walks a step, or three where the bucket sees several samples.
func (s *set) gauge(p *block.Point, i int) {
	steps := 1
	if i%8 == 0 {
		steps = 3
	}
	p.N, p.Min, p.Max = uint64(steps), math.Inf(1), math.Inf(-1)
	cents := 0.0
	for range steps {
		if s.mix.Noisy {
			s.walk[i] += s.rand.NormFloat64()
			cents += s.walk[i]
		} else {
			s.walk[i] = math.Round(s.walk[i]*100+s.rand.NormFloat64()*20) / 100
			cents = math.Round(cents*100+s.walk[i]*100) / 100
		}
		p.Last = s.walk[i]
		p.Min, p.Max = min(p.Min, p.Last), max(p.Max, p.Last)
	}
	p.Sum = cents
}

// timer takes twenty requests of some milliseconds.
func (s *set) timer(p block.Point) block.Point {
	h := histogram.New(5)
	p.Kind, p.N, p.LastAt, p.Min, p.Max = block.Histogram, 20, 0, math.Inf(1), 0
	sum := 0.0
	for range p.N {
		ms := math.Round(math.Exp(s.rand.NormFloat64()*0.5+3)*10) / 10
		h.Add(ms, 1)
		sum = math.Round(sum*10+ms*10) / 10
		p.Min, p.Max = min(p.Min, ms), max(p.Max, ms)
	}
	p.Count, p.Sum, p.Sketch = float64(p.N), sum, h.AppendBinary(nil)
	return p
}

// distinct counts the values of a point that differ from one another: how many
// samples there were, and what they came to. Of a gauge that was seen once,
// last, least, greatest and sum are one value.
func distinct(p *block.Point) (n int64) {
	values := [...]float64{float64(p.N), p.Sum, p.Last, p.Min, p.Max}
	list := values[:]
	if p.Kind == block.Counter {
		list = values[:2]
	}
	for i, v := range list {
		if !slices.Contains(list[:i], v) {
			n++
		}
	}
	return n
}
