package query

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// ErrAggregation reports a word that is no aggregation.
var ErrAggregation = errors.New("is none of sum, count, min, max, mean, last, rate and percentiles such as p99 or p99.9")

// ErrTooMuch reports an answer of more values than one may have.
var ErrTooMuch = errors.New("the answer would hold too many values: take a longer step, a shorter range or fewer series")

// Aggregation is how the samples of one step, and of the series that are put
// together, become one value. The zero Aggregation is each type's usual one: a
// counter's sum, a gauge's last value, a distribution's mean, a set's count.
type Aggregation struct {
	name     string
	quantile float64
}

// aggregations says what each type can answer.
var aggregations = map[protocol.Type][]string{
	protocol.Counter: {"sum", "count", "rate"},
	protocol.Gauge:   {"last", "sum", "count", "min", "max", "mean"},
	protocol.Raw:     {"last", "sum", "count", "min", "max", "mean"},
	protocol.Set:     {"count"},
}

var ofDistributions = []string{"mean", "sum", "count", "min", "max", "rate", "percentile"}

// ParseAggregation reads an aggregation's name; "" is the usual one.
func ParseAggregation(s string) (Aggregation, error) {
	if digits, ok := strings.CutPrefix(s, "p"); ok && len(s) <= 8 {
		q, err := strconv.ParseFloat(digits, 64)
		if err != nil || digits[0] < '0' || digits[0] > '9' || q > 100 {
			return Aggregation{}, ErrAggregation
		}
		return Aggregation{"percentile", q / 100}, nil
	}
	if s != "" && !slices.Contains([]string{"sum", "count", "min", "max", "mean", "last", "rate"}, s) {
		return Aggregation{}, ErrAggregation
	}
	return Aggregation{name: s}, nil
}

// of returns the aggregation's name for a type, "" where the type has it not.
func (a Aggregation) of(t protocol.Type) string {
	can := aggregations[t]
	if can == nil {
		can = ofDistributions
	}
	if a.name == "" {
		return can[0]
	}
	if slices.Contains(can, a.name) {
		return a.name
	}
	return ""
}

// Group is series put together, and a value a step.
type Group struct {
	Type   protocol.Type
	Tags   []series.Tag
	Values []Sample
	// Error bounds how far each value is from the exact one, as a share of it; 0
	// where values are exact. It is that of percentiles and of sets.
	Error float64
}

// Steps are the steps of an answer: those that touch [From, To], Unix
// milliseconds, aligned to the clock.
type Steps struct{ From, To, Width int64 }

// most is how many steps there can be.
func (s Steps) most() int { return int((s.To-s.From)/max(s.Width, 1)) + 2 }

// Aggregate answers with one value a step: for each series, or, where by is not
// nil, for all series of one type that agree in those tags. Series of types that
// the aggregation is not for are left out. It fails with ErrTooMuch beyond most
// values.
func Aggregate(list []Series, a Aggregation, by []string, steps Steps, most int) (out []Group, err error) {
	if by == nil {
		return apart(list, a, steps, most)
	}
	byKey := map[string][]*Series{}
	var order []string
	for i := range list {
		s := &list[i]
		if a.of(s.Key.Type) == "" {
			continue
		}
		key := string(groupKey(s.Key, by).Append(nil))
		if byKey[key] == nil {
			order = append(order, key)
		}
		byKey[key] = append(byKey[key], s)
	}
	for _, key := range order {
		members := byKey[key]
		g := Group{Type: members[0].Key.Type, Tags: groupKey(members[0].Key, by).Tags}
		g.fold(members, a, steps)
		if most -= len(g.Values); most < 0 {
			return nil, ErrTooMuch
		}
		out = append(out, g)
	}
	return out, nil
}

// apart is Aggregate of each series by itself. Its points come by time, so that its
// steps come one after the other, and one cell does for all.
func apart(list []Series, a Aggregation, steps Steps, most int) ([]Group, error) {
	out := make([]Group, 0, len(list))
	for i := range list {
		s := &list[i]
		name := a.of(s.Key.Type)
		if name == "" {
			continue
		}
		g := Group{Type: s.Key.Type, Tags: s.Key.Tags, Values: make([]Sample, 0, min(len(s.Points), steps.most()))}
		var c cell
		s.eachStep(steps, func(begin int64, points []block.Point) {
			c = emptyCell
			c.take(points)
			g.add(begin, &c, name, a.quantile, steps.Width)
		})
		if most -= len(g.Values); most < 0 {
			return nil, ErrTooMuch
		}
		out = append(out, g)
	}
	return out, nil
}

// add adds a step's value, where it has one.
func (g *Group) add(at int64, c *cell, name string, quantile float64, width int64) {
	if v, bound := c.value(name, quantile, width); finite(v) {
		g.Values = append(g.Values, Sample{Time: at, Value: v})
		g.Error = max(g.Error, bound)
	}
}

// groupKey names the group of a series: what it has of the tags by.
func groupKey(k series.Key, by []string) series.Key {
	out := series.Key{Name: "group", Type: k.Type}
	for _, t := range k.Tags {
		if slices.Contains(by, t.Key) {
			out.Tags = append(out.Tags, t)
		}
	}
	return out
}

func (g *Group) fold(members []*Series, a Aggregation, steps Steps) {
	cells := map[int64]*cell{}
	for _, s := range members {
		s.eachStep(steps, func(begin int64, points []block.Point) {
			c := cells[begin]
			if c == nil {
				c = new(cell)
				*c = emptyCell
				cells[begin] = c
			}
			c.take(points)
		})
	}
	name := a.of(g.Type)
	for _, at := range sortedTimes(cells) {
		g.add(at, cells[at], name, a.quantile, steps.Width)
	}
}

func sortedTimes(cells map[int64]*cell) []int64 {
	times := make([]int64, 0, len(cells))
	for at := range cells {
		times = append(times, at)
	}
	slices.SortFunc(times, cmp.Compare[int64])
	return times
}

// eachStep hands out the points of each step that touches what was asked for, by
// time.
func (s *Series) eachStep(steps Steps, do func(begin int64, points []block.Point)) {
	points := s.Points
	for len(points) > 0 {
		begin := block.Floor(points[0].Time, steps.Width)
		n := 1
		for n < len(points) && points[n].Time < begin+steps.Width {
			n++
		}
		if points[n-1].Time >= steps.From && begin <= steps.To {
			do(begin, points[:n])
		}
		points = points[n:]
	}
}

// cell is what one step of a group holds. Series come one after the other, each
// with its points of the step by time.
type cell struct {
	count, sum float64 // of samples: their weight, and their values'
	min, max   float64
	lasts      float64 // of the series' last values
	last       float64
	lastAt     int64
	hist       *histogram.Histogram
	set        *histogram.Set
}

var emptyCell = cell{min: math.Inf(1), max: math.Inf(-1), lastAt: math.MinInt64}

// take adds the points that a series has of the step.
func (c *cell) take(points []block.Point) {
	for i := range points {
		c.add(&points[i])
	}
	c.end(&points[len(points)-1])
}

func (c *cell) add(p *block.Point) {
	switch p.Kind {
	case block.Counter:
		c.count, c.sum = c.count+float64(p.N), c.sum+p.Sum
	case block.Gauge:
		c.weigh(float64(p.N), p.Sum, p.Min, p.Max)
	case block.Raw:
		if v, ok := rawValue(*p); ok {
			c.weigh(1, v, v, v)
		}
	case block.Histogram:
		c.weigh(p.Count, p.Sum, p.Min, p.Max)
		if h, err := histogram.Decode(p.Sketch); err == nil { // the block's checksum has vouched for it
			c.hist = mergedHist(c.hist, h)
		}
	case block.Set:
		if s, err := histogram.DecodeSet(p.Sketch); err == nil {
			if c.set == nil {
				c.set = histogram.NewSet()
			}
			c.set.Merge(s)
		}
	}
}

func mergedHist(into, h *histogram.Histogram) *histogram.Histogram {
	if into == nil {
		return h
	}
	into.Merge(h)
	return into
}

func (c *cell) weigh(count, sum, low, high float64) {
	c.count, c.sum = c.count+count, c.sum+sum
	c.min, c.max = min(c.min, low), max(c.max, high)
}

// end takes a series' last point of the step.
func (c *cell) end(p *block.Point) {
	if p.Kind != block.Gauge && p.Kind != block.Raw {
		return
	}
	v, ok := value(*p)
	if !ok {
		return
	}
	c.lasts += v
	at := p.Time
	if p.Kind == block.Gauge {
		at = max(at, p.LastAt)
	}
	if at >= c.lastAt {
		c.last, c.lastAt = v, at
	}
}

// value returns what the cell comes to, NaN where that is nothing, and the bound
// of its relative error.
func (c *cell) value(name string, q float64, width int64) (v, bound float64) {
	switch {
	case c.set != nil:
		n, bound := c.set.Estimate()
		return float64(n), bound
	case name == "percentile":
		if c.hist == nil {
			return math.NaN(), 0
		}
		return c.hist.Quantile(q)
	}
	switch name {
	case "sum":
		if c.lastAt != math.MinInt64 {
			return c.lasts, 0
		}
		return c.sum, 0
	case "count":
		return c.count, 0
	case "min":
		return c.min, 0
	case "max":
		return c.max, 0
	case "mean":
		return c.sum / c.count, 0
	case "rate":
		return c.rated() / (float64(width) / 1000), 0
	}
	return c.last, 0
}

// rated is what a rate is of: a counter's increments, a distribution's samples.
func (c *cell) rated() float64 {
	if c.hist != nil {
		return c.count
	}
	return c.sum
}
