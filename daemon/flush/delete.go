package flush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/storage"
)

// deletions is what the flusher knows of series that were deleted: by this
// daemon, or by another one on the same store.
type deletions struct {
	since   int64          // the store's count of changes up to which it has learnt; negative: not yet
	pending []storage.Gone // whose series still use their old ids
	opened  int64          // when the generation after the last flushed one was opened, Unix milliseconds; 0: not known
	// forget is told of series that were deleted, before anything is flushed of
	// them again.
	forget func(ctx context.Context, list []*admit.Series) (gauges int, err error)
}

// learn finds out which series other daemons have deleted, before a generation
// is flushed. What was sent before a deletion goes where it belongs, to the old
// id, of which nobody hears again; a generation that was opened after it names
// the series anew.
func (f *Flusher) learn(ctx context.Context, g *aggregate.Generation) error {
	var heard storage.Goings
	err := f.retry(ctx, "read what was deleted", func() (err error) {
		heard, err = f.store.GoneSince(ctx, f.deletion.since)
		return err
	})
	if err != nil {
		return err
	}
	f.deletion.since = heard.Changes
	if !heard.Complete { // longer away than the store remembers: ask for every id again
		f.log.Warn("the store has forgotten deletions of series that this daemon never heard of; every series is named again")
		f.moved(f.position.Load())
		f.deletion.pending = nil
	}
	f.deletion.pending = append(f.deletion.pending, heard.List...)
	if len(f.deletion.pending) == 0 {
		return nil
	}
	opened := f.deletion.opened
	if opened == 0 {
		opened = g.Bucket
	}
	due := map[int64]struct{}{}
	f.deletion.pending = slices.DeleteFunc(f.deletion.pending, func(gone storage.Gone) bool {
		if gone.At <= opened {
			due[gone.ID] = struct{}{}
		}
		return gone.At <= opened
	})
	_, err = f.release(ctx, due)
	return err
}

// release has the series of these ids forgotten, and named anew where they come
// again. It returns how many gauges with a value were among them.
func (f *Flusher) release(ctx context.Context, ids map[int64]struct{}) (gauges int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var list []*admit.Series
	for _, s := range f.catalog.Snapshot() {
		if _, ok := ids[s.ID()]; ok {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return 0, nil
	}
	f.named = slices.DeleteFunc(f.named, func(s *admit.Series) bool {
		_, ok := ids[s.ID()]
		return ok
	})
	if f.deletion.forget == nil { // nothing runs yet that could list them
		for _, s := range list {
			s.SetID(0)
		}
		return 0, nil
	}
	return f.deletion.forget(ctx, list)
}

// ErrNoRoom reports a deletion that waits for too many others.
var ErrNoRoom = errors.New("too many deletions wait: try again")

// maxDeletions bounds the deletions that wait for the flush loop.
const maxDeletions = 16

// Deleter deletes series between two flushes: what was taken before is stored,
// and deleted with them; what comes later is another series.
type Deleter struct {
	// Mark closes the open generation, after it has called f with its number.
	Mark func(f func(closing uint64)) error
	// Delete deletes series of the store: storage.Store.
	Delete func(ctx context.Context, ids []int64, at int64) ([]int64, error)
	// Forget has the catalog, the lanes and the gauges forget series.
	Forget func(ctx context.Context, list []*admit.Series) (gauges int, err error)
	Now    func() time.Time

	loop *Loop
}

// pendingDelete waits for its generation to be stored.
type pendingDelete struct {
	generation uint64
	run        func(ctx context.Context, g *aggregate.Generation) error
	done       chan error // holds one
}

// SetDeleter wires the deleter; it has to be called before Run.
func (l *Loop) SetDeleter(d *Deleter) {
	d.loop, l.deleter = l, d
	l.Flusher.deletion.forget = d.Forget
}

// Series deletes the series that find names once everything taken so far is in
// the store, up to limit of them, and returns how many it deleted and the ids
// that are left. Where ctx ends first, nothing is deleted.
func (d *Deleter) Series(ctx context.Context, limit int, find func(ctx context.Context) ([]int64, error)) (deleted int, left []int64, err error) {
	p := &pendingDelete{done: make(chan error, 1)}
	p.run = func(ctx context.Context, g *aggregate.Generation) error {
		ids, err := find(ctx)
		if err != nil {
			return err
		}
		n := min(limit, len(ids))
		left = ids[n:]
		deleted, err = d.delete(ctx, g, ids[:n])
		return err
	}
	full := false
	if err := d.Mark(func(closing uint64) { full = !d.loop.await(p, closing) }); err != nil {
		d.loop.withdraw(p)
		return 0, nil, err
	}
	if full {
		return 0, nil, ErrNoRoom
	}
	select {
	case err := <-p.done:
		return deleted, left, err
	case <-ctx.Done():
	}
	if d.loop.withdraw(p) {
		return 0, nil, fmt.Errorf("nothing was deleted, for what was sent before could not be stored in time: %w", ctx.Err())
	}
	err = <-p.done // it runs, and ends
	return deleted, left, err
}

// delete runs in the flush loop, between two flushes.
func (d *Deleter) delete(ctx context.Context, g *aggregate.Generation, ids []int64) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	gone, err := d.Delete(ctx, ids, d.Now().UnixMilli())
	due := make(map[int64]struct{}, len(gone))
	for _, id := range gone {
		due[id] = struct{}{}
	}
	return len(gone), errors.Join(err, d.loop.forget(ctx, g, due))
}

// forget makes what was deleted unknown here, and durably so: gauges are part of
// checkpoints, and one from before would have a delta go on from the old value.
func (l *Loop) forget(ctx context.Context, g *aggregate.Generation, ids map[int64]struct{}) error {
	gauges, err := l.Flusher.release(ctx, ids)
	if gauges > 0 {
		if failed := l.Checkpoints.Write(g, l.Queue.State()); failed != nil {
			l.Logger.Error("a checkpoint cannot be written after a deletion; deltas of deleted gauges would go on after a kill", "error", failed)
		}
	}
	return err
}

// await has p run once the generation is stored. It answers false where too many
// wait.
func (l *Loop) await(p *pendingDelete, generation uint64) bool {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	if len(l.deletes) >= maxDeletions {
		return false
	}
	p.generation = generation
	l.deletes = append(l.deletes, p)
	return true
}

func (l *Loop) withdraw(p *pendingDelete) bool {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	i := slices.Index(l.deletes, p)
	if i < 0 {
		return false
	}
	l.deletes = slices.Delete(l.deletes, i, i+1)
	return true
}

// between runs what waited for a generation, which is stored now.
func (l *Loop) between(ctx context.Context, g *aggregate.Generation) {
	for {
		p := l.dueDelete(g.Number)
		if p == nil {
			return
		}
		p.done <- p.run(ctx, g)
	}
}

func (l *Loop) dueDelete(stored uint64) *pendingDelete {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	for i, p := range l.deletes {
		if p.generation <= stored {
			l.deletes = slices.Delete(l.deletes, i, i+1)
			return p
		}
	}
	return nil
}
