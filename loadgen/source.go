package loadgen

import (
	"math/rand/v2"
	"strconv"

	"example.com/nexusctl/protocol"
)

// Shape is what the lines look like.
type Shape struct {
	Prefix string // of names; default "load"
	Series int    // names times tag values; default 1000
	Tags   int    // tags of a line; default 0
	Seed   uint64
}

// series is one series of the source: its line but for the value.
type series struct {
	head, tail []byte
	typ        protocol.Type
}

// Source renders lines, the same ones for the same seed. In five series three
// are counters, one is a gauge and one a histogram. It belongs to one
// goroutine; sources with different seeds share the series.
type Source struct {
	all  []series
	rand *rand.Rand
	sums []int64 // of the counters' increments, by series
	last []int64 // of the gauges, by series
	n    []int64 // values sent, by series
}

// NewSource returns a source whose random values depend on the seed.
func NewSource(s Shape) *Source {
	src := &Source{
		rand: rand.New(rand.NewPCG(s.Seed, 0x9e3779b97f4a7c15)),
		sums: make([]int64, s.Series), last: make([]int64, s.Series), n: make([]int64, s.Series),
	}
	for i := range s.Series {
		src.all = append(src.all, newSeries(s, i))
	}
	return src
}

func newSeries(s Shape, i int) series {
	types := [5]protocol.Type{protocol.Counter, protocol.Counter, protocol.Counter, protocol.Gauge, protocol.Histogram}
	v := series{typ: types[i%5]}
	v.head = append(v.head, s.Prefix...)
	v.head = append(v.head, '.')
	v.head = append(v.head, v.typ.String()...)
	v.head = append(v.head, '.')
	v.head = append(strconv.AppendInt(v.head, int64(i), 10), ':')
	v.tail = append(append(v.tail, '|'), v.typ.Symbol()...)
	for t := range s.Tags {
		mark := byte(',')
		if t == 0 {
			v.tail = append(v.tail, '|')
			mark = '#'
		}
		v.tail = append(v.tail, mark)
		v.tail = append(v.tail, "tag"...)
		v.tail = append(strconv.AppendInt(v.tail, int64(t), 10), ":value"...)
		v.tail = strconv.AppendInt(v.tail, int64(i%(t*7+3)), 10)
	}
	v.tail = append(v.tail, '\n')
	return v
}

// Append renders the next line and counts it.
func (s *Source) Append(dst []byte) []byte {
	r := s.rand.Uint64()
	i := int(r>>32) % len(s.all)
	value := int64(r & 0xff)
	v := &s.all[i]
	s.n[i]++
	switch v.typ {
	case protocol.Counter:
		s.sums[i] += value
	case protocol.Gauge:
		s.last[i] = value
	}
	dst = append(dst, v.head...)
	dst = strconv.AppendInt(dst, value, 10)
	return append(dst, v.tail...)
}

// Total is what was sent for one series.
type Total struct {
	Name  string
	Type  protocol.Type
	Count int64 // values
	Sum   int64 // of a counter's increments
}

// Totals adds up what several sources of one shape have sent, by series.
func Totals(sources []*Source) []Total {
	if len(sources) == 0 {
		return nil
	}
	totals := make([]Total, len(sources[0].all))
	for i := range totals {
		v := sources[0].all[i]
		totals[i] = Total{Name: string(v.head[:len(v.head)-1]), Type: v.typ}
		for _, s := range sources {
			totals[i].Count += s.n[i]
			totals[i].Sum += s.sums[i]
		}
	}
	return totals
}
