package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// pile gathers the points of one series by bucket, and by who wrote them:
// within one writer the later write of a gauge wins, between writers the later
// sample does, so writers are reduced one by one first.
type pile struct {
	chunks  []block.Point // by generation, then time
	writers map[string][]block.Point
}

func newPile() *pile { return &pile{writers: map[string][]block.Point{}} }

// piles gathers what was read of the store, by id. This daemon's blocks behind what
// the window says is flushed are left out: they are in the window.
func (r *Reader) piles(ctx context.Context, list []*Series, win lane.Window, sel storage.Selection) (map[int64]*pile, error) {
	piles := make(map[int64]*pile, len(list))
	for _, s := range list {
		if s.ID != 0 {
			piles[s.ID] = newPile()
		}
	}
	if err := r.addChunks(ctx, piles, sel.Chunks); err != nil {
		return nil, err
	}
	for _, row := range sel.Rollups {
		if p := piles[row.Series]; p != nil {
			p.chunks = append(p.chunks, row)
		}
	}
	return piles, r.addBlocks(ctx, piles, sel.Blocks, win.Flushed)
}

// decoders is how many chunks are decoded at once, of reads with many: a read is
// one of several, beside the lanes.
const decoders = 2

// manyChunks is from where on decoding them takes longer than handing them out.
const manyChunks = 64

func (r *Reader) addChunks(ctx context.Context, piles map[int64]*pile, chunks []storage.Chunk) error {
	slices.SortStableFunc(chunks, func(a, b storage.Chunk) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Gen, b.Gen))
	})
	if work := pace.Of(ctx); len(chunks) < manyChunks || work.Long() {
		return addChunks(ctx, work, piles, chunks)
	}
	var wg sync.WaitGroup
	var errs [decoders]error
	for i := range decoders {
		first, last := seriesFrom(chunks, i*len(chunks)/decoders), seriesFrom(chunks, (i+1)*len(chunks)/decoders)
		wg.Go(func() { errs[i] = addChunks(ctx, nil, piles, chunks[first:last]) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// seriesFrom returns where a series begins, at i or behind it.
func seriesFrom(chunks []storage.Chunk, i int) int {
	for i > 0 && i < len(chunks) && chunks[i].Series == chunks[i-1].Series {
		i++
	}
	return i
}

// addChunks decodes the chunks of each series into room that is made once.
func addChunks(ctx context.Context, work *pace.Work, piles map[int64]*pile, chunks []storage.Chunk) error {
	for len(chunks) > 0 {
		n, points := 0, 0
		for n < len(chunks) && chunks[n].Series == chunks[0].Series {
			points += block.ChunkPoints(chunks[n].Data)
			n++
		}
		if p := piles[chunks[0].Series]; p != nil {
			p.chunks = slices.Grow(p.chunks, points)
			if err := p.decode(chunks[:n]); err != nil {
				return err
			}
		}
		chunks = chunks[n:]
		work.Step(ctx)
	}
	return nil
}

// decode appends the points of one series' chunks.
func (p *pile) decode(chunks []storage.Chunk) error {
	for _, c := range chunks {
		before := len(p.chunks)
		points, err := block.DecodeChunk(c.Data, c.Start, p.chunks)
		if err != nil {
			return fmt.Errorf("chunk of series %d at %d: %w", c.Series, c.Start, err)
		}
		p.chunks = clip(points, before, c.Span)
	}
	return nil
}

// clip leaves out the points from the n-th on, by time, that are not in the span.
func clip(points []block.Point, n int, span storage.Span) []block.Point {
	if n == len(points) || points[n].Time >= span.From && points[len(points)-1].Time <= span.To {
		return points
	}
	kept := points[:n]
	for _, p := range points[n:] {
		if p.Time >= span.From && p.Time <= span.To {
			kept = append(kept, p)
		}
	}
	return kept
}

// mostAhead bounds how many points of a series room is made for before they are there.
const mostAhead = 16

// addBlocks takes the wanted series out of blocks, which come by writer and
// sequence. This daemon's blocks behind flushed are in the window.
func (r *Reader) addBlocks(ctx context.Context, piles map[int64]*pile, blocks []storage.StoredBlock, flushed uint64) error {
	wanted := map[int64][]int64{}
	for id := range piles {
		wanted[id/block.ShardSize] = append(wanted[id/block.ShardSize], id)
	}
	perShard := map[int64]int{}
	for _, b := range blocks {
		perShard[b.Shard]++
	}
	work := pace.Of(ctx)
	var points []block.Point // of one block, in room that all share
	for _, b := range blocks {
		work.Step(ctx)
		if b.Writer == r.writer && b.Seq > flushed {
			continue
		}
		var err error
		if points, err = pick(b.Data, wanted[b.Shard], points[:0]); err != nil {
			return fmt.Errorf("block %s/%d of shard %d: %w", b.Writer, b.Seq, b.Shard, err)
		}
		for _, pt := range points {
			if p := piles[pt.Series]; p != nil {
				list := p.writers[b.Writer]
				if list == nil { // most series have a point in most blocks
					list = make([]block.Point, 0, min(perShard[b.Shard], mostAhead))
				}
				p.writers[b.Writer] = append(list, pt)
			}
		}
	}
	return nil
}

// pick appends what a few series need to points, and the whole block where they are many.
func pick(data []byte, ids []int64, points []block.Point) (_ []block.Point, err error) {
	const few = 8
	if len(ids) > few {
		return block.DecodeBlock(data, points)
	}
	for _, id := range ids {
		if points, err = block.FindSeries(data, id, points); err != nil {
			return nil, err
		}
	}
	return points, nil
}

// reduce merges the pile into one point a bucket, by time.
func (p *pile) reduce() []block.Point {
	if len(p.chunks) == 0 && len(p.writers) == 1 {
		for _, points := range p.writers {
			return reduce(points, block.Merge)
		}
	}
	all := reduce(p.chunks, block.MergeWriters)
	if len(p.writers) == 0 {
		return all
	}
	parts := [][]block.Point{all}
	for _, w := range slices.Sorted(maps.Keys(p.writers)) {
		parts = append(parts, reduce(p.writers[w], block.Merge))
	}
	return reduce(slices.Concat(parts...), block.MergeWriters)
}

// reduce sorts by time, keeping the order of equals, and merges those. Most have
// nothing to be merged, and stay where they are.
func reduce(points []block.Point, merge func(a, b block.Point) block.Point) []block.Point {
	if inOrder(points) {
		return points
	}
	slices.SortStableFunc(points, func(a, b block.Point) int { return cmp.Compare(a.Time, b.Time) })
	out := make([]block.Point, 0, len(points))
	for _, p := range points {
		if n := len(out); n > 0 && out[n-1].Time == p.Time {
			if p.Kind != block.Raw { // of raw samples at one time the first counts
				out[n-1] = merge(out[n-1], p)
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

// inOrder reports points by time, no two at one.
func inOrder(points []block.Point) bool {
	for i := 1; i < len(points); i++ {
		if points[i-1].Time >= points[i].Time {
			return false
		}
	}
	return true
}

// widen merges the points, which come by time, that fall into one bucket of
// their span: what came late stands beside the bucket that it belongs to. Raw
// samples stay each its own, and what is older than the first span stays as it
// is.
func widen(points []block.Point, spans []storage.Span) (out []block.Point) {
	for _, s := range spans {
		if s.Width == 0 {
			continue
		}
		first, _ := slices.BinarySearchFunc(points, s.From, byTime)
		last, _ := slices.BinarySearchFunc(points, s.To+1, byTime)
		if first == last || points[first].Kind == block.Raw {
			continue
		}
		out = append(append(out, points[:first]...), block.Fold(points[first:last], s.Width)...)
		points = points[last:]
	}
	if out == nil {
		return points
	}
	return append(out, points...)
}

func byTime(p block.Point, at int64) int { return cmp.Compare(p.Time, at) }

// settle keeps the points of the range. What lies before it was not compacted
// yet, so the store's base does not hold it.
func (s *Series) settle(points []block.Point, day, to int64) {
	for len(points) > 0 && points[0].Time < day {
		s.Base.Sum += points[0].Sum
		s.Base.Neg += points[0].Neg
		points = points[1:]
	}
	n := len(points)
	for n > 0 && points[n-1].Time > to {
		n--
	}
	if len(s.Points) == 0 && n > 0 {
		s.Points = points[:n:n]
		return
	}
	s.Points = append(s.Points, points[:n]...)
}
