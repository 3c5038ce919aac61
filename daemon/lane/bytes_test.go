package lane

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"testing"
)

// seriesLines are lines of some series with three tags, of each as many as there are
// values.
func seriesLines(n int, symbol string, values []float64) []byte {
	var b bytes.Buffer
	for i := range n {
		for _, v := range values {
			fmt.Fprintf(&b, "load.%s.%d:%.2f|%s|#env:prod,host:web-%d,region:eu-west-%d\n", symbol, i%(n/100+1), v, symbol, i, i%13)
		}
	}
	return b.Bytes()
}

// decades are values over three decades, one for each bucket of a histogram.
func decades() (list []float64) {
	for i := range 320 {
		list = append(list, math.Pow(10, 3*float64(i)/320))
	}
	return list
}

// liveHeap returns what is in use once nothing is left to collect. Pools give up what
// they hold in two collections.
func liveHeap() float64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// takeChunks has a lane take lines as they come from a connection: what a larger batch
// would take is no series'.
func takeChunks(h *harness, lane int, lines []byte) {
	h.do(lane, func(t *Taker) {
		for len(lines) > 0 {
			n := min(len(lines), 64<<10)
			n = bytes.LastIndexByte(lines[:n], '\n') + 1
			t.Lines(lines[:n])
			t.lane.commit()
			lines = lines[n:]
		}
	})
}

// seriesBytes has lines taken by one lane and then by another, and returns the bytes a
// series that each added: the first brings in the catalog and the spellings, which the
// second shares.
func seriesBytes(tb testing.TB, series int, lines []byte) (first, second float64) {
	h := newHarness(tb, 2, &forgetful{}, func(o *Options) { o.MaxAliases = 1 << 21 })
	took, before := [2]float64{}, liveHeap()
	for l := range took {
		takeChunks(h, l, lines)
		after := liveHeap()
		took[l], before = (after-before)/float64(series), after
	}
	if n := h.catalog.Len(); n != series {
		tb.Fatalf("%d series of %d were made", n, series)
	}
	runtime.KeepAlive(lines)
	return took[0], took[1]
}

// kindsOfBytes are the kinds of series that are weighed, and what one may take in the
// tables of each lane: references, spellings and the open bucket.
var kindsOfBytes = []struct {
	name, symbol string
	series       int // of the benchmark
	values       []float64
	bound        float64
}{
	{"counter", "c", 1_000_000, []float64{1}, 200},
	{"gauge", "g", 1_000_000, []float64{1}, 200},
	{"histogram", "h", 8_000, decades(), 2 << 10},
}

// TestSeriesBytes holds a lane's tables to what a counter or a gauge may take in them.
// Histograms take too many lines for a test of every day.
func TestSeriesBytes(t *testing.T) {
	const series = 40_000
	for _, k := range kindsOfBytes[:2] {
		first, second := seriesBytes(t, series, seriesLines(series, k.symbol, k.values))
		t.Logf("%s: %.0f bytes a series with catalog and spellings, %.0f in each further lane", k.name, first, second)
		if second > k.bound {
			t.Errorf("a %s takes %.0f bytes in a lane, %.0f are allowed", k.name, second, k.bound)
		}
		if second < 16 {
			t.Errorf("a %s takes %.1f bytes in a lane: what was weighed is not there", k.name, second)
		}
	}
}

// BenchmarkSeriesBytes reports what a series takes, and fails beyond the bounds.
func BenchmarkSeriesBytes(b *testing.B) {
	for _, k := range kindsOfBytes {
		b.Run(k.name, func(b *testing.B) {
			lines := seriesLines(k.series, k.symbol, k.values)
			for b.Loop() {
				first, second := seriesBytes(b, k.series, lines)
				b.ReportMetric(first, "B/series-first-lane")
				b.ReportMetric(second, "B/series-further-lane")
				if second > k.bound {
					b.Errorf("a %s takes %.0f bytes in a lane, %.0f are allowed", k.name, second, k.bound)
				}
			}
		})
	}
}
