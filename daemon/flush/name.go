package flush

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

const (
	// resolveBatch bounds the keys of one call to the store.
	resolveBatch = 20_000
	// askAgain is how long a series that the store gave no id goes without
	// another question: a sender that goes on with it must not cost a search
	// every few seconds.
	askAgain = 10 * time.Minute
)

// refusal is why a series has no id.
type refusal struct {
	reason error
	until  time.Time // not to be asked for again before
}

// name gives an id to every series of the draft that has none. Keys go to the
// store sorted, so that ids do not depend on the order of arrival. A series
// that the store refuses gets an id of this flush alone.
func (f *Flusher) name(ctx context.Context, d *draft) error {
	missing := f.missing(d)
	var asked []*admit.Series
	now := time.Now()
	for _, s := range missing {
		if r := f.refused[s.Index]; r == nil || now.After(r.until) {
			asked = append(asked, s)
		}
	}
	if len(asked) > resolveBatch && f.pack != nil {
		f.pack(d.g)
	}
	for part := range slices.Chunk(asked, resolveBatch) {
		if err := f.ask(ctx, part); err != nil {
			return err
		}
	}
	for _, s := range missing {
		if s.ID() != 0 {
			continue
		}
		id := deadletter.Unnamed*block.ShardSize + int64(len(d.unnamed))
		d.unnamed[s.Index], d.reason[id] = id, f.refused[s.Index].reason
	}
	return nil
}

// missing returns the draft's series without an id, by key.
func (f *Flusher) missing(d *draft) []*admit.Series {
	// Mostly there is none, and to see that takes a fiftieth of going through what
	// the lanes hold.
	if !slices.ContainsFunc(d.all, func(s *admit.Series) bool { return s.ID() == 0 }) {
		return nil
	}
	var found []*admit.Series
	seen := make([]bool, len(d.all))
	add := func(i uint32) {
		if s := d.all[i]; !seen[i] && s.ID() == 0 {
			seen[i] = true
			found = append(found, s)
		}
	}
	d.g.Series(add)
	for _, r := range d.replayed {
		add(r.series)
	}
	slices.SortFunc(found, func(a, b *admit.Series) int { return strings.Compare(a.Key, b.Key) })
	return found
}

// ask has the store name series, and finds those that it refuses.
func (f *Flusher) ask(ctx context.Context, part []*admit.Series) error {
	search := bisection[*admit.Series]{tries: maxTries, try: func(_, some []*admit.Series) error { return f.resolve(ctx, some) }}
	if err := search.add(part); err != nil {
		return err
	}
	for _, r := range search.refused {
		f.refused[r.item.Index] = &refusal{r.reason, time.Now().Add(askAgain)}
	}
	for _, s := range search.taken {
		delete(f.refused, s.Index)
	}
	return nil
}

func (f *Flusher) resolve(ctx context.Context, part []*admit.Series) error {
	keys := make([][]byte, len(part))
	for i, s := range part {
		keys[i] = s.Bytes()
	}
	var ids []int64
	err := f.retry(ctx, "name new series", func() (err error) {
		ids, err = f.store.Resolve(ctx, keys)
		return err
	})
	if err != nil {
		return err
	}
	for i, s := range part {
		f.catalog.Store(s, ids[i])
	}
	f.named = append(f.named, part...)
	return nil
}

// maxTries bounds the search for what the store refuses, in calls to it. What
// is not told apart by then is taken for refused: it is kept all the same.
const maxTries = 4096

// bisection finds which items of a set the store refuses, by halves.
type bisection[T any] struct {
	// try asks for some more items beside those that are taken already. It
	// fails with storage.ErrRefused where the store does not want them.
	try     func(taken, some []T) error
	tries   int // that are left
	taken   []T
	refused []refusedItem[T]
}

type refusedItem[T any] struct {
	item   T
	reason error
}

func (b *bisection[T]) add(items []T) error {
	if len(items) == 0 {
		return nil
	}
	b.tries--
	err := b.try(b.taken, items)
	switch {
	case err == nil:
		b.taken = append(b.taken, items...)
		return nil
	case !errors.Is(err, storage.ErrRefused):
		return err
	case len(items) == 1 || b.tries <= 0:
		for _, item := range items {
			b.refused = append(b.refused, refusedItem[T]{item, err})
		}
		return nil
	}
	half := len(items) / 2
	if err := b.add(items[:half]); err != nil {
		return err
	}
	return b.add(items[half:])
}
