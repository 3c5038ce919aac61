package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

const (
	sumSeries  = 1000 // how many series one sum takes
	sumGroups  = 10   // by how many values of a tag they are put together
	sumTries   = 20   // how often it is taken
	sumWorkers = 2    // who decode at once
)

// totals are the sums of each group by the minute.
type totals [sumGroups][day / minute]float64

// sums times what a sum by a tag over many series, by the minute, takes: reading,
// decoding and adding up.
func (r *run) sums(ctx context.Context) ([]Result, error) {
	n := min(sumSeries, len(r.set.ids))
	var took []float64
	for range sumTries {
		began := time.Now()
		sel, err := r.store.Read(ctx, storage.ReadRequest{
			IDs: append([]int64(nil), r.set.ids[:n]...), From: r.now - day, To: r.now - 1, Step: minute, BaseBefore: (r.now - day) / day * day,
		})
		if err != nil {
			return nil, err
		}
		if _, err := addUp(sel, r.now-day); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	return []Result{summary(fmt.Sprintf("sum by a tag of %d series, the last 24 hours by the minute", n), took)}, nil
}

// addUp adds up the sums of a selection that has chunks alone, of the day that
// begins at from, and decodes nothing else of them.
func addUp(sel storage.Selection, from int64) (*totals, error) {
	if len(sel.Blocks)+len(sel.Rollups) > 0 {
		return nil, fmt.Errorf("%d blocks and %d rows stand among the chunks", len(sel.Blocks), len(sel.Rollups))
	}
	var parts [sumWorkers]totals
	var errs [sumWorkers]error
	var wg sync.WaitGroup
	for w := range sumWorkers {
		wg.Go(func() {
			first, last := w*len(sel.Chunks)/sumWorkers, (w+1)*len(sel.Chunks)/sumWorkers
			errs[w] = parts[w].add(sel.Chunks[first:last], from)
		})
	}
	wg.Wait()
	for g := range parts[0] {
		for _, more := range parts[1:] {
			for i, v := range more[g] {
				parts[0][g][i] += v
			}
		}
	}
	return &parts[0], errors.Join(errs[:]...)
}

func (t *totals) add(chunks []storage.Chunk, from int64) (err error) {
	var times []int64
	var values []float64
	for _, c := range chunks {
		if times, values, err = block.Floats(c.Data, c.Start, block.ColumnSum, times, values); err != nil {
			return err
		}
		group := &t[c.Series%sumGroups]
		for i, at := range times {
			if at >= c.Span.From && at <= c.Span.To {
				group[(at-from)/minute] += values[i]
			}
		}
	}
	return nil
}
