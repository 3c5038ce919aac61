package lane

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/wal"
)

// forgetful is a log that keeps nothing.
type forgetful struct{ end wal.Position }

func (f *forgetful) Append(build func(at wal.Position) []byte) (wal.Span, error) {
	from := f.end
	f.end += wal.Position(len(build(from)) + 8)
	return wal.Span{From: from, To: f.end}, nil
}

// corpus returns chunks of lines over a number of series: of ten six are counters,
// two gauges, two timers.
// Skewed, the first come most often; else all as often, total bytes of them.
func corpus(series int, tags, format string, skewed bool, total int) (chunks [][]byte, lines int) {
	r := rand.New(rand.NewPCG(1, 2))
	types := [10]string{"c", "c", "c", "c", "c", "c", "g", "g", "ms", "ms"}
	const size = 64 << 10
	zipf := rand.NewZipf(r, 1.1, 1, uint64(series-1))
	for n := 0; n < total; n += size {
		var b []byte
		for len(b) < size-128 {
			i := r.IntN(series)
			if skewed {
				i = int(zipf.Uint64())
			}
			v := fmt.Sprint(r.IntN(1000))
			if i%10 >= 6 {
				v = fmt.Sprintf("%.2f", r.Float64()*1000)
			}
			if format == "json" {
				b = fmt.Appendf(b, `{"name":"load.metric.%d","value":%s,"type":"%s","tags":{"env":"prod"}}`+"\n", i, v, types[i%10])
			} else {
				b = fmt.Appendf(b, "load.metric.%d:%s|%s", i, v, types[i%10])
				if tags != "" {
					b = fmt.Appendf(b, tags, i%7, i%13)
				}
				b = append(b, '\n')
			}
			lines++
		}
		chunks = append(chunks, b)
	}
	return chunks, lines / len(chunks)
}

// BenchmarkLines takes lines from bytes to tables, in one lane: all of the way but
// the socket and the disk.
func BenchmarkLines(b *testing.B) {
	const tags = "|#env:prod,host:web-%d,region:eu-west-%d"
	for _, c := range []struct {
		name   string
		series int
		tags   string
		format string
		skewed bool
		total  int
	}{
		{"plain/series=1000", 1000, "", "", false, 16 << 20},
		{"tags/series=100000", 100_000, tags, "", true, 16 << 20},
		{"tags/series=1000", 1000, tags, "", true, 16 << 20},
		{"json/series=1000", 1000, "", "json", false, 16 << 20},
		{"tags/series=1000000", 1_000_000, tags, "", false, 256 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			chunks, lines := corpus(c.series, c.tags, c.format, c.skewed, c.total)
			h := newHarness(b, 1, &forgetful{}, func(o *Options) { o.MaxAliases = 1 << 21 })
			w := h.set.workers[0]
			take := func(n int) {
				h.do(0, func(t *Taker) {
					for i := range n {
						t.Lines(chunks[i%len(chunks)])
						w.commit()
					}
				})
			}
			take(len(chunks))
			b.ReportAllocs()
			b.ResetTimer()
			take(b.N/lines + 1)
		})
	}
}
