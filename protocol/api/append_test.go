package api

import (
	"encoding/json"
	"math"
	"testing"
)

// same holds a body to what encoding/json makes of it.
func same(t *testing.T, v Appender) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.AppendJSON([]byte("before")); string(got) != "before"+string(want) {
		t.Errorf("%T is written as\n%s, want\n%s", v, got[len("before"):], want)
	}
}

func TestAppendJSON(t *testing.T) {
	last := -1.5e-9
	metrics := []Metric{
		{}, {Name: "a", Type: "counter", Tags: map[string]string{}},
		{Name: `quoted "name" \ <&>`, Type: "gauge", Tags: map[string]string{"z": "1", "a": "é\u2028\x00\xff", "": "~"}, Last: &last, UpdatedAt: 1.7958720011e9},
	}
	for _, v := range []Appender{
		&History{}, &History{Name: "a", Step: 10, Agg: "p99", By: []string{"env", "host"}, Series: []HistorySeries{}},
		&History{Name: "a", Step: 0.001, By: []string{}, Series: []HistorySeries{
			{}, {Type: "set", Tags: map[string]string{"k": "v"}, RelativeError: 0.0163, Points: [][2]float64{}},
			{Type: "counter", Tags: map[string]string{}, Points: [][2]float64{{1795872001.123, 3}, {-1, -2.25}, {0, math.Copysign(0, -1)}}},
		}},
		&MetricPage{}, &MetricPage{Data: metrics, NextCursor: "abc"}, &MetricPage{Data: metrics[:0]},
		&MetricDetail{}, &MetricDetail{Name: "a", Types: []string{"counter", "gauge"}, Description: "what\tit is", Unit: "ms", Series: metrics},
		&metrics[0], &metrics[1], &metrics[2],
	} {
		same(t, v)
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	h := History{Name: "a", Step: 10, Series: []HistorySeries{{Type: "counter", Tags: map[string]string{"env": "prod"}, Points: make([][2]float64, 30)}}}
	for i := range h.Series[0].Points {
		h.Series[0].Points[i] = [2]float64{float64(i) + 0.5, 1e300 / float64(i+1)}
	}
	room := make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(100, func() { _ = h.AppendJSON(room) }); n != 0 {
		t.Errorf("a history takes %v allocations", n)
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, 1 << 53, -(1 << 53) - 2, 1e20, 1e21, 1e-6, 9.99e-7, 1e-9, 1e-10, 5e-324, math.MaxFloat64, 0.1, 1795872001.123} {
		f.Add("name", "value", v, -v)
	}
	f.Add("é<\u2029", "\xff\x00\"", 1.5, 2.5)
	f.Fuzz(func(t *testing.T, name, value string, a, b float64) {
		if math.IsNaN(a-a) || math.IsNaN(b-b) {
			t.Skip("not finite")
		}
		m := Metric{Name: name, Type: value, Tags: map[string]string{name: value, value: name}, Last: &a, UpdatedAt: b}
		same(t, &m)
		same(t, &History{Name: name, Step: a, By: []string{value}, Series: []HistorySeries{{RelativeError: b, Points: [][2]float64{{a, b}}}}})
	})
}
