package lane

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/nexusctl/daemon/wal"
)

// shared is a forgetful log with the lock that a log has.
type shared struct {
	mu sync.Mutex
	forgetful
}

func (s *shared) Append(build func(at wal.Position) []byte) (wal.Span, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forgetful.Append(build)
}

// BenchmarkCores takes lines from bytes to tables with one lane on one processor
// and with as many as there are on as many, in turn, and says by how much more
// comes through. Of each the best round counts: what else the machine does takes
// from both, and never adds. By processor time, cpu-times says what the ratio is
// where every lane has a processor to itself: it falls where lanes get in each
// other's way in caches, and says nothing of waiting for a lock, which the mutex
// profile does.
func BenchmarkCores(b *testing.B) {
	all := runtime.NumCPU()
	if all < 2 {
		b.Skip("one processor: nothing to compare")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	chunks, lines := corpus(1000, "", "", false, 16<<20)
	best := map[int]float64{} // lines a second, by lanes
	cost := map[int]float64{} // processor seconds a line, by lanes
	round := map[int]func() float64{}
	for _, lanes := range []int{1, all} {
		h := newHarness(b, lanes, &shared{}, func(o *Options) { o.MaxAliases = 1 << 21 })
		round[lanes] = func() float64 {
			runtime.GOMAXPROCS(lanes)
			var wg sync.WaitGroup
			began, used := time.Now(), processorTime(b)
			for i, w := range h.set.workers {
				wg.Go(func() {
					h.do(i, func(t *Taker) {
						for _, c := range chunks {
							t.Lines(c)
							w.commit()
						}
					})
				})
			}
			wg.Wait()
			taken := float64(lanes * lines * len(chunks))
			if c := (processorTime(b) - used).Seconds() / taken; cost[lanes] == 0 || c < cost[lanes] {
				cost[lanes] = c
			}
			return taken / time.Since(began).Seconds()
		}
		round[lanes]() // so that every spelling is known
		clear(cost)
	}
	b.ResetTimer()
	for range b.N {
		for lanes, run := range round {
			best[lanes] = max(best[lanes], run())
		}
	}
	b.ReportMetric(best[1]/1e6, "Mlines/s-1")
	b.ReportMetric(best[all]/1e6, fmt.Sprintf("Mlines/s-%d", all))
	b.ReportMetric(best[all]/best[1], "times")
	b.ReportMetric(float64(all)*cost[1]/cost[all], "cpu-times")
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
