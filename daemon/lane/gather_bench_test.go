package lane

import (
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/daemon/wal"
)

// small is a write of a few lines, as one of many connections makes it.
type small struct {
	lines []byte
	done  chan struct{}
}

func (s *small) Take(t *Taker)            { t.Lines(s.lines) }
func (s *small) Done(wal.Position, error) { s.done <- struct{}{} }
func (s *small) Share() (Share, bool)     { return Share{Bytes: len(s.lines)}, true }

// BenchmarkSmallWrites keeps a lane's queue full of writes of five lines, with and
// without records that they share. An operation is a write.
func BenchmarkSmallWrites(b *testing.B) {
	for name, batching := range map[string]Batching{"shared": {}, "alone": {Interval: time.Nanosecond}} {
		b.Run(name, func(b *testing.B) {
			h := newHarness(b, 1, realLog(b), func(o *Options) { o.Batching = batching })
			h.send(0, "n:1|c\n")
			var senders sync.WaitGroup
			b.ResetTimer()
			for range 64 {
				senders.Go(func() {
					s := &small{lines: []byte(countLines(5)), done: make(chan struct{}, 1)}
					for range b.N/64 + 1 {
						h.set.Submit(0, s)
						<-s.done
					}
				})
			}
			senders.Wait()
			b.ReportMetric(float64(h.set.Stats().Shared.Load())/float64(b.N), "shared/op")
		})
	}
}
