package tui

import (
	"fmt"
	"testing"

	"example.com/nexusctl/protocol/api"
)

// series makes n, busiest first, as a server sends them.
func series(n int) api.Overview {
	o := api.Overview{Series: make([]api.BusySeries, n)}
	tags := map[string]string{"env": "prod", "host": "web-01"}
	spark := []float64{1, 5, 2, 8, 3}
	for i := range o.Series {
		o.Series[i] = api.BusySeries{Name: fmt.Sprintf("service.%07d.requests", i), Type: "counter", Tags: tags, Rate: float64(n - i), Spark: spark}
	}
	return o
}

// TestViewCostsWhatIsSeen: a frame of a million series allocates no more than
// one of a hundred.
func TestViewCostsWhatIsSeen(t *testing.T) {
	few, many := model(t, options(series(100)), 120, 40), model(t, options(series(1_000_000)), 120, 40)
	many = press(many, "G")
	if many.view.Cursor != 999_999 {
		t.Fatalf("the last line is %d", many.view.Cursor)
	}
	a := testing.AllocsPerRun(5, func() { _ = few.View() })
	b := testing.AllocsPerRun(5, func() { _ = many.View() })
	if b > a*1.1+50 {
		t.Errorf("%v allocations for a million series, %v for a hundred", b, a)
	}
	if moved := testing.AllocsPerRun(5, func() { many = press(many, "k") }); moved > a*3 {
		t.Errorf("%v allocations to move the cursor", moved)
	}
}

func BenchmarkView(b *testing.B) {
	for _, n := range []int{100, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := model(b, options(series(n)), 120, 40)
			b.ReportAllocs()
			for b.Loop() {
				_ = m.View()
			}
		})
	}
}

// BenchmarkTurn is an answer and its frame: what a second costs.
func BenchmarkTurn(b *testing.B) {
	o := overview(b)
	m := model(b, options(o), 120, 40)
	b.ReportAllocs()
	for b.Loop() {
		m = send(m, answer{data: o, at: noon})
		_ = m.View()
	}
}

func BenchmarkFilterMillion(b *testing.B) {
	m := model(b, options(series(1_000_000)), 120, 40)
	for b.Loop() {
		_ = m.filter("0042")
	}
}
