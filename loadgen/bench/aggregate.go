package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

const (
	// foldBatch is the samples of one batch: about what 64 KiB of lines hold.
	foldBatch = 2048
	// foldSamples is how many different samples are folded in turn.
	foldSamples = 1 << 20
)

// Aggregate measures the fold alone: batches of understood samples into one
// lane's tables, series drawn evenly. Of ten series six are counters, two
// gauges, two histograms.
func Aggregate(series ...int) (stages []Stage) {
	for _, n := range series {
		stages = append(stages, Stage{fmt.Sprintf("aggregate/%d", n), func(ctx context.Context, length time.Duration) (Result, error) {
			return fold(ctx, n, length), nil
		}})
	}
	return stages
}

func fold(ctx context.Context, series int, length time.Duration) Result {
	batches := foldBatches(series)
	before := heap()
	lane := aggregate.NewLane(0, aggregate.Options{Resolution: 10_000, Schema: 5}, 1, 0)
	types := [10]protocol.Type{
		protocol.Counter, protocol.Counter, protocol.Counter, protocol.Counter, protocol.Counter, protocol.Counter,
		protocol.Gauge, protocol.Gauge, protocol.Histogram, protocol.Timer,
	}
	every := record.Batch{}
	for i := range series {
		lane.Define(aggregate.Ref{Series: uint32(i), Type: types[i%10], Rate: 1})
		every.Samples = append(every.Samples, record.Sample{Ref: uint32(i), Value: float64(i % 256)})
	}
	lane.Fold(1, &every)
	every.Samples = nil
	pos, next := uint64(2), 0
	r := loop(ctx, length, func(n int) {
		for ; n > 0; n -= foldBatch {
			lane.Fold(pos, &batches[next])
			pos++
			next = (next + 1) % len(batches)
		}
	})
	r.Series, r.BytesPerSeries = series, float64(heap()-before)/float64(series)
	runtime.KeepAlive(lane)
	runtime.KeepAlive(batches)
	return r
}

func foldBatches(series int) []record.Batch {
	random := rand.New(rand.NewPCG(1, 2))
	batches := make([]record.Batch, foldSamples/foldBatch)
	for i := range batches {
		batches[i].At = int64(i)
		for range foldBatch {
			batches[i].Samples = append(batches[i].Samples, record.Sample{Ref: random.Uint32N(uint32(series)), Value: float64(random.IntN(256))})
		}
	}
	return batches
}

// heap returns the bytes in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first only retires what pools hold
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
