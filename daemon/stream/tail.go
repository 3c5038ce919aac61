package stream

import (
	"math"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// tail is one series, followed once for all who watch it.
type tail struct {
	series query.Series
	head   []byte // its name, type and tags as JSON, without the closing brace
	topics int

	// anchor is from when on points are read each second, Unix milliseconds; base is
	// the counter's total before it.
	anchor int64
	base   float64
	read   int64 // when all of the day was read, Unix seconds

	now     reading
	changed int64 // the second of the last change
}

// reading is what is known of a series at one second: a counter's total, a gauge's
// value, the mean of a distribution's newest second, the members of a set.
type reading struct {
	known bool
	value float64
	at    int64 // Unix milliseconds
}

// newTail returns the tail of a series whose points were read from the beginning of
// the anchor's day.
func newTail(s query.Series, anchor, now int64) *tail {
	t := &tail{head: headOf(&s), anchor: anchor, base: s.Base.Sum, read: now}
	if v, at, ok := s.Last(); ok {
		t.now = reading{true, v, at}
	}
	for _, p := range s.Points {
		if p.Time < anchor {
			t.base += p.Sum
		}
	}
	s.Points = nil
	t.series = s
	return t
}

// rebase takes the total of a tail that was read anew: what came behind the anchor
// since the last time is in it. One that was read before the anchor moved on is left
// out: the points between are not at hand.
func (t *tail) rebase(fresh *tail) {
	if fresh.anchor >= t.anchor {
		t.anchor, t.base, t.read = fresh.anchor, fresh.base, fresh.read
	}
}

// move takes the points up to the end of a second.
func (t *tail) move(points []block.Point, second int64) {
	next := fold(t.series.Key.Type, points, t.anchor, t.base, second*1000)
	if !next.known || next.same(t.now, t.series.Key.Type) {
		return
	}
	t.now, t.changed = next, second
}

// settle puts what lies before the next anchor into the base.
func (t *tail) settle(points []block.Point, anchor int64) {
	if anchor <= t.anchor {
		return
	}
	for _, p := range points {
		if p.Time >= t.anchor && p.Time < anchor {
			t.base += p.Sum
		}
	}
	t.anchor = anchor
}

// fold returns what points by rising time, from an anchor on, and a total before it
// come to at a time: a pure function. Points stand at the beginning of their second.
func fold(typ protocol.Type, points []block.Point, anchor int64, base float64, at int64) reading {
	if typ == protocol.Counter {
		return total(points, anchor, base, at)
	}
	for i := len(points) - 1; i >= 0 && points[i].Time >= anchor; i-- {
		if points[i].Time >= at {
			continue
		}
		one := query.Series{Points: points[i : i+1]}
		if v, when, ok := one.Last(); ok {
			return reading{true, v, when}
		}
	}
	return reading{}
}

func total(points []block.Point, anchor int64, base float64, at int64) reading {
	r := reading{value: base}
	for i := range points {
		if p := &points[i]; p.Time >= anchor && p.Time < at {
			r = reading{true, r.value + p.Sum, p.Time}
		}
	}
	r.known = r.known && !math.IsInf(r.value, 0) && !math.IsNaN(r.value)
	return r
}

// same reports that nothing is to be told: of a total or a level, that it stands
// where it did; of the others, that nothing came.
func (r reading) same(last reading, typ protocol.Type) bool {
	if !last.known || r.value != last.value {
		return false
	}
	return typ == protocol.Counter || typ == protocol.Gauge || r.at == last.at
}
