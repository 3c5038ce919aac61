package query

import (
	"fmt"
	"math"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

func distributed(n float64, values ...float64) block.Point {
	h := histogram.New(5)
	for _, v := range values {
		h.Add(v, 1)
	}
	return block.Point{Kind: block.Histogram, Time: sec(n), N: uint64(len(values)), Count: h.Count, Sum: h.Sum(), Min: h.Min, Max: h.Max, Sketch: h.AppendBinary(nil)}
}

func members(n float64, hashes ...uint64) block.Point {
	s := histogram.NewSet()
	for _, h := range hashes {
		s.AddHash(h)
	}
	return block.Point{Kind: block.Set, Time: sec(n), N: uint64(len(hashes)), Sketch: s.AppendBinary(nil)}
}

func raw(n, v float64) block.Point { return block.Point{Kind: block.Raw, Time: sec(n), Last: v} }

// kinds is a series of each kind with points at 0, 10 and 60 s.
func kinds() map[string]Series {
	key := func(t protocol.Type) series.Key { return series.Key{Name: "x", Type: t} }
	return map[string]Series{
		"counter": {Key: key(protocol.Counter), Base: storage.Base{Sum: 100, Neg: -5}, Points: []block.Point{counted(0, 1, 0), counted(10, 2, -1), counted(60, 4, 0)}},
		"gauge":   {Key: key(protocol.Gauge), Points: []block.Point{measured(0, 1), measured(10, 2), measured(60, 4)}},
		"timer":   {Key: key(protocol.Timer), Points: []block.Point{distributed(0, 1, 2), distributed(10, 6), distributed(60, 4)}},
		"set":     {Key: key(protocol.Set), Points: []block.Point{members(0, 1, 2), members(10, 2, 3), members(60, 4)}},
		"raw":     {Key: key(protocol.Gauge), Points: []block.Point{raw(0, 1), raw(10, 2), raw(60, 4)}},
	}
}

func TestValues(t *testing.T) {
	for name, want := range map[string][3]string{ // steps of 10 s, of a minute, and of a minute in part
		"counter": {"0=1 10=2 60=4", "0=3 60=4", "60=4"},
		"gauge":   {"0=1 10=2 60=4", "0=2 60=4", "60=4"},
		"timer":   {"0=1.5 10=6 60=4", "0=3 60=4", "60=4"},
		"set":     {"0=2 10=2 60=1", "0=3 60=1", "60=1"},
		"raw":     {"0=1 10=2 60=4", "0=2 60=4", "60=4"},
	} {
		s := kinds()[name]
		for i, list := range [][]Sample{s.Values(sec(0), sec(100), 10_000), s.Values(sec(0), sec(100), 60_000), s.Values(sec(30), sec(100), 60_000)} {
			if got := drawn(list); got != want[i] {
				t.Errorf("%s, case %d: %s, want %s", name, i, got, want[i])
			}
		}
		if got := drawn(s.Values(sec(0), sec(9.999), 10_000)); got != fmt.Sprint(drawn(s.Values(sec(0), sec(100), 10_000)[:1])) {
			t.Errorf("%s: up to the tenth second: %s", name, got)
		}
		if got := s.Values(sec(200), sec(300), 10_000); len(got) != 0 {
			t.Errorf("%s has values where nothing happened: %s", name, drawn(got))
		}
	}
}

// TestValuesAligned: steps begin at whole multiples of the step since 1970.
func TestValuesAligned(t *testing.T) {
	s := Series{Points: []block.Point{counted(10, 1, 0), counted(20, 2, 0), counted(30, 4, 0)}}
	for _, v := range s.Values(sec(0), sec(100), 25_000) {
		if v.Time%25_000 != 0 {
			t.Errorf("a step begins at %d", v.Time)
		}
	}
}

func TestLast(t *testing.T) {
	for name, want := range map[string]string{
		"counter": "107 at 60", "gauge": "4 at 64", "timer": "4 at 60", "set": "1 at 60", "raw": "4 at 60",
	} {
		s := kinds()[name]
		v, when, ok := s.Last()
		if got := fmt.Sprintf("%g at %g", v, float64(when-at)/1000); !ok || got != want {
			t.Errorf("%s: %s, %v, want %s", name, got, ok, want)
		}
	}
	counter := Series{Key: series.Key{Type: protocol.Counter}, Base: storage.Base{Sum: 7}}
	if v, when, ok := counter.Last(); v != 7 || when != 0 || !ok {
		t.Errorf("a counter with a base alone: %v, %d, %v", v, when, ok)
	}
	for _, typ := range []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer} {
		s := Series{Key: series.Key{Type: typ}}
		if v, _, ok := s.Last(); ok {
			t.Errorf("a %v without points has the value %v", typ, v)
		}
	}
}

// TestNoFiniteValue: sums can pass what a float holds; such a value is none,
// because JSON has no word for it.
func TestNoFiniteValue(t *testing.T) {
	huge := Series{Key: series.Key{Type: protocol.Counter}, Points: []block.Point{counted(0, 1, 0), counted(10, math.Inf(1), 0), counted(20, 2, 0)}}
	if v, _, ok := huge.Last(); ok {
		t.Errorf("the total is %v", v)
	}
	if got := drawn(huge.Values(sec(0), sec(100), 10_000)); got != "0=1 20=2" {
		t.Errorf("the values are %s", got)
	}
	samples := Series{Key: series.Key{Type: protocol.Gauge}, Points: []block.Point{raw(0, 1), raw(10, math.NaN())}}
	if v, _, ok := samples.Last(); ok {
		t.Errorf("the last sample is %v", v)
	}
	broken := Series{Key: series.Key{Type: protocol.Set}, Points: []block.Point{{Kind: block.Set, Time: sec(0), Sketch: []byte("?")}}}
	if v, _, ok := broken.Last(); ok || len(broken.Values(sec(0), sec(10), 10_000)) != 0 {
		t.Errorf("a set that cannot be read has %v members", v)
	}
}
