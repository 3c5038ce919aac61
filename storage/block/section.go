package block

import "math"

// section reads the points of one kind.
type section struct {
	kind        Kind
	first, base int64
	c           cursor
	cols        []column // in room, series, time and N apart
	room        [maxColumns]column
	blobs       []byte // of the sketches, in order
	places      [4]int // room for where a series stands: once, but for raw samples
	end         int    // where the section ends in the block
	heads       *heads // nil: not noted
}

// maxColumns is as many as a gauge has behind series, time and N.
const maxColumns = 6

// Columns of each kind behind series, time and N, as appendSection writes them.
var columnsOf = [numSections]int{Counter: 2, Gauge: 3, Histogram: 5, Set: 1, Raw: 1, rawExtended: 3}

// open takes the section's columns: series, time and N, and what the kind has more.
func (s *section) open() (ids, times, ns column) {
	ids, times, ns = s.column(), s.column(), s.column()
	s.cols = s.room[:0]
	for range columnsOf[s.kind] {
		s.cols = append(s.cols, s.column())
	}
	if s.kind == Gauge && len(s.c.b) > 0 {
		s.cols = append(s.cols, s.column(), s.column(), s.column())
	}
	if s.kind == Histogram || s.kind == Set || s.kind == rawExtended {
		s.blobs, s.c.b = s.c.b, nil
	}
	return ids, times, ns
}

func (s *section) column() column {
	if s.heads != nil {
		s.heads.note(s.end - len(s.c.b))
	}
	return s.c.column()
}

// decode appends the section's n points.
func (s *section) decode(n int, dst []Point) ([]Point, error) {
	ids, times, ns := s.open()
	id := s.first
	for range n {
		id += ids.int()
		dst = append(dst, Point{Series: id, Time: s.base + times.int(), Kind: s.kind, N: uint64(ns.int())})
		s.fields(&dst[len(dst)-1])
		if s.c.bad || ids.c.bad {
			break // nothing that follows means anything
		}
	}
	if !ids.done() || !times.done() || !ns.done() || !s.done() {
		return dst, s.malformed()
	}
	return dst, nil
}

// latest returns the last time of the section's n points, and leaves the section unread.
func (s *section) latest(n int) (int64, error) {
	c := s.c
	_, times := c.column(), c.column()
	latest := int64(math.MinInt64)
	for range n {
		latest = max(latest, times.int())
		if c.bad || times.c.bad {
			return 0, s.malformed()
		}
	}
	return s.base + latest, nil
}

func (s *section) done() bool {
	for i := range s.cols {
		if !s.cols[i].done() {
			return false
		}
	}
	return !s.c.bad && len(s.c.b) == 0 && len(s.blobs) == 0
}

// fields reads what the kind has of one point.
func (s *section) fields(p *Point) {
	switch s.kind {
	case Counter:
		p.Sum, p.Neg = s.cols[0].float(), s.cols[1].float()
	case Gauge:
		s.gauge(p)
	case Histogram:
		p.Count, p.Sum, p.Min, p.Max = s.cols[0].float(), s.cols[1].float(), s.cols[2].float(), s.cols[3].float()
		p.Sketch = s.blob(s.cols[4].int())
	case Set:
		p.Sketch = s.blob(s.cols[0].int())
	case Raw:
		p.Last = s.cols[0].float()
	case rawExtended:
		p.Kind, p.Last = Raw, s.cols[0].float()
		p.setStart(s.cols[1].int())
		p.Sketch = s.blob(s.cols[2].int())
	}
}

func (s *section) gauge(p *Point) {
	p.Last, p.LastAt = s.cols[0].float(), p.Time+s.cols[1].int()
	if s.cols[2].int() == 0 {
		p.Min, p.Max, p.Sum = p.Last, p.Last, p.Last
		return
	}
	if len(s.cols) < 6 {
		s.c.fail()
		return
	}
	p.Min, p.Max, p.Sum = s.cols[3].float(), s.cols[4].float(), s.cols[5].float()
}

func (s *section) blob(n int64) []byte {
	if n < 0 || n > int64(len(s.blobs)) {
		s.c.fail()
		return nil
	}
	b := s.blobs[:n:n]
	s.blobs = s.blobs[n:]
	return b
}

// same compares floats bit for bit.
func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
