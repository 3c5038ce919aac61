package flush

import (
	"context"
	"errors"
	"slices"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// commit stores the draft. Dead letters are written before it: their units are
// counted by the same transaction, so a kill at any moment leaves letters that
// are counted, or letters that the next try writes over.
func (f *Flusher) commit(ctx context.Context, d *draft) error {
	for round := 0; ; round++ {
		if err := f.keep(ctx, d); err != nil {
			return err
		}
		out := d.flush()
		err := f.retry(ctx, "store", func() error {
			_, err := f.store.Commit(ctx, out)
			return err
		})
		if err == nil {
			f.tell(d)
			return nil
		}
		if !errors.Is(err, storage.ErrRefused) {
			return err
		}
		if err := f.isolate(ctx, d, round, err); err != nil {
			return err
		}
	}
}

// isolate takes out of the draft what the store refuses: first the series that
// it finds, and where the rest is refused all the same, the whole shards that
// these are of. What then is refused is not the data, and cannot be helped here.
func (f *Flusher) isolate(ctx context.Context, d *draft, round int, refusal error) error {
	if err := f.probe(ctx, d.with(nil)); err != nil {
		return err
	}
	switch round {
	case 0:
		return f.search(ctx, d)
	case 1:
		return d.giveUp(refusal)
	}
	return refusal
}

// search finds the refused shards, and within each the refused series.
func (f *Flusher) search(ctx context.Context, d *draft) error {
	shards := bisection[*shard]{tries: maxTries, try: func(taken, some []*shard) error {
		return f.probe(ctx, d.with(slices.Concat(taken, some)))
	}}
	if err := shards.add(d.shards); err != nil {
		return err
	}
	tries := maxTries
	for _, r := range shards.refused {
		search := f.searchShard
		switch {
		case r.item.events != nil:
			search = f.searchEvents
		case r.item.data == nil:
			continue
		}
		left, err := search(ctx, d, r.item, tries)
		if err != nil {
			return err
		}
		tries = left
	}
	return nil
}

func (f *Flusher) searchShard(ctx context.Context, d *draft, s *shard, tries int) (left int, err error) {
	list, err := bySeries(s.data)
	if err != nil {
		return tries, err
	}
	search := bisection[[]block.Point]{tries: tries, try: func(taken, some [][]block.Point) error {
		part := shard{number: s.number}
		d.fill(&part, ordered(slices.Concat(taken, some)))
		return f.probe(ctx, d.with([]*shard{&part}))
	}}
	if err := search.add(list); err != nil {
		return tries, err
	}
	var dead [][]block.Point
	for _, r := range search.refused {
		dead = append(dead, r.item)
	}
	d.fill(s, ordered(search.taken))
	if len(dead) > 0 {
		s.dead = d.letterOf(s.number, ordered(dead), search.refused[0].reason)
	}
	return max(search.tries, 1), nil
}

// giveUp makes every shard dead as a whole of which a part is.
func (d *draft) giveUp(refusal error) error {
	found := false
	for _, s := range d.shards {
		if s.dead == nil || s.data == nil && s.events == nil {
			continue
		}
		found = true
		if s.events != nil {
			if err := d.giveUpEvents(s, refusal); err != nil {
				return err
			}
			continue
		}
		stored, err := block.DecodeBlock(s.data, nil)
		if err != nil {
			return err
		}
		dead, err := block.DecodeBlock(s.dead.Block, nil)
		if err != nil {
			return err
		}
		s.dead = d.letterOf(s.number, ordered([][]block.Point{stored, dead}), refusal)
		d.fill(s, nil)
	}
	if !found {
		return refusal
	}
	return nil
}

// bySeries takes a block apart into the points of each series.
func bySeries(data []byte) ([][]block.Point, error) {
	points, err := block.DecodeBlock(data, nil)
	if err != nil {
		return nil, err
	}
	points = ordered([][]block.Point{points})
	var list [][]block.Point
	for len(points) > 0 {
		n := 1
		for n < len(points) && points[n].Series == points[0].Series {
			n++
		}
		list = append(list, points[:n:n])
		points = points[n:]
	}
	return list, nil
}

// ordered puts points together in the order that a block wants.
func ordered(list [][]block.Point) []block.Point {
	all := slices.Concat(list...)
	slices.SortStableFunc(all, comparePoints)
	return all
}

func (f *Flusher) probe(ctx context.Context, out storage.Flush) error {
	return f.retry(ctx, "find what the store refuses", func() error { return f.store.Probe(ctx, out) })
}

// tell logs what was refused.
func (f *Flusher) tell(d *draft) {
	list := d.letters()
	if len(list) == 0 {
		return
	}
	units := uint64(0)
	for _, l := range list {
		units += l.Units
	}
	f.log.Error("the store refuses data; it is kept as dead letters: see `nexusctl dead-letter list`",
		"generation", d.g.Number, "letters", len(list), "units", units, "reason", list[0].Reason)
}

// markedAt is when the generation was closed.
func markedAt(g *aggregate.Generation) time.Time { return time.UnixMilli(g.Next.At) }
