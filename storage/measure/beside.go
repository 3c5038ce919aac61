package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// warmUps are the reads that are not timed: the first ones open connections and have
// their statements prepared, once in a process.
const warmUps = 10

// beside times reads of the last hour while one flush follows the other, from the
// store and with blocks that are held in memory, as a daemon holds them.
func (r *run) beside(ctx context.Context) ([]Result, error) {
	head := &head{blocks: map[storage.BlockKey][]byte{}}
	reads, stop := context.WithCancel(ctx)
	defer stop()
	type timed struct {
		took [2][]float64 // from the store, from memory
		err  error
	}
	done := make(chan timed, 1)
	first := r.now
	go func() {
		var t timed
		random := rand.New(rand.NewPCG(5, 6))
		for i := 0; reads.Err() == nil; i++ {
			req := storage.ReadRequest{IDs: []int64{r.set.ids[random.IntN(len(r.set.ids))]}, From: first, To: first + hour, BaseBefore: first / day * day}
			if i%2 == 1 {
				req.Held = head.held
			}
			began := time.Now()
			if _, t.err = r.points(reads, req); t.err != nil {
				break
			}
			if i >= warmUps {
				t.took[i%2] = append(t.took[i%2], time.Since(began).Seconds()*1000)
			}
			time.Sleep(time.Millisecond)
		}
		done <- t
	}()
	var flushes []float64
	for range r.Flushes {
		f := r.draft()
		took, err := r.commit(ctx, f)
		if err != nil {
			stop()
			<-done
			return nil, err
		}
		head.add(f)
		flushes = append(flushes, took.Seconds()*1000)
	}
	stop()
	t := <-done
	if t.err != nil && ctx.Err() == nil && reads.Err() == nil {
		return nil, t.err
	}
	list := []Result{summary(fmt.Sprintf("flush of %d series beside reads", r.Series), flushes)}
	for i, name := range []string{"from the store", "blocks held in memory"} {
		if len(t.took[i]) > 0 {
			list = append(list, summary("read one series, the last hour, beside flushes, "+name, t.took[i]))
		}
	}
	return list, nil
}

// head holds the blocks that were flushed.
type head struct {
	mu     sync.Mutex
	blocks map[storage.BlockKey][]byte
}

func (h *head) add(f storage.Flush) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range f.Blocks {
		h.blocks[storage.BlockKey{Hour: f.Hour, Writer: f.Writer, Seq: f.Seq, Shard: b.Shard}] = b.Data
	}
}

func (h *head) held(k storage.BlockKey) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.blocks[k]
}

// points reads and decodes.
func (r *run) points(ctx context.Context, req storage.ReadRequest) ([]block.Point, error) {
	sel, err := r.store.Read(ctx, req)
	if err != nil {
		return nil, err
	}
	n := len(sel.Blocks) + len(sel.Rollups)
	for _, c := range sel.Chunks {
		n += block.ChunkPoints(c.Data)
	}
	points := append(make([]block.Point, 0, n), sel.Rollups...)
	for _, c := range sel.Chunks {
		if points, err = block.DecodeChunk(c.Data, c.Start, points); err != nil {
			return nil, err
		}
	}
	for _, b := range sel.Blocks {
		for _, id := range append(req.IDs, req.Sketches...) {
			if points, err = block.FindSeries(b.Data, id, points); err != nil {
				return nil, err
			}
		}
	}
	return points, nil
}

// summary makes a result of how long something took, in milliseconds.
func summary(name string, took []float64) Result {
	return Result{Name: name, Ops: int64(len(took)), P50: quantile(took, 0.5), P95: quantile(took, 0.95), P99: quantile(took, 0.99)}
}
