package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol/series"
)

// Place is where in a walk over series a page begins; the zero Place is the
// beginning.
//
// A walk shows the series that this process knows, in the order in which it first
// saw them, and then those that only the store knows, by id. Neither order ever
// changes, whatever comes and goes meanwhile, and a series of the store is left
// out if, and only if, the first part has shown it: it stands in the catalog below
// Known. Going by the store's ids alone would not do: a series that is stored
// during the walk can get an id that the walk has passed.
type Place struct {
	Process uint64 // whose catalog it is; 0 at the beginning
	Stored  bool   // the first part is over
	Known   uint32 // series of the catalog behind us
	After   int64  // id of the last of the store's series that was looked at
}

// ErrAnotherProcess reports a place in the catalog of a process that has ended.
var ErrAnotherProcess = errors.New("is from before the daemon's last start")

// Filter says which series a walk shows.
type Filter struct {
	Matchers []series.Matcher
	// Since, where it is not 0, leaves out what has no value of this time or
	// later, Unix milliseconds. Values are read from there on.
	Since int64
}

const (
	// maxPassed bounds what one page may look at in vain: series without a value
	// since, and stored ones that the walk has shown already. Beyond it a page is
	// short, and the next one goes on.
	maxPassed = 10_000
	// storedBatch is how many of the store's series are asked for at once.
	storedBatch = 1000
)

// Page returns up to limit matching series with their recent points, and where
// the next page begins, nil where nothing follows. A page can be short and have a
// next one.
func (r *Reader) Page(ctx context.Context, f Filter, from Place, limit int) (list []Series, next *Place, err error) {
	if from.Process == 0 {
		from.Process = r.process
	}
	if from.Process != r.process {
		return nil, nil, ErrAnotherProcess
	}
	w := walk{reader: r, filter: f, place: from}
	for len(list) < limit && !w.over && w.passed < maxPassed {
		some, err := w.some(ctx, limit-len(list))
		if err != nil {
			return nil, nil, err
		}
		list = append(list, some...)
	}
	if !w.over {
		next = &w.place
	}
	return list, next, nil
}

// walk is one page of a walk on its way.
type walk struct {
	reader *Reader
	filter Filter
	place  Place
	passed int
	over   bool
}

// some returns up to n of the next series, with their points.
func (w *walk) some(ctx context.Context, n int) (list []Series, err error) {
	if w.place.Stored {
		list, err = w.stored(ctx, n)
	} else {
		list, err = w.known(ctx, n)
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if err := w.reader.latest(ctx, list, w.filter.Since); err != nil {
		return nil, err
	}
	if w.filter.Since == 0 {
		return list, nil
	}
	count := len(list)
	list = slices.DeleteFunc(list, func(s Series) bool {
		_, at, ok := s.Last()
		return !ok || at < w.filter.Since
	})
	w.passed += count - len(list)
	return list, nil
}

// known takes series of this process's catalog.
func (w *walk) known(ctx context.Context, n int) (list []Series, err error) {
	all := w.reader.candidates(w.filter.Matchers)
	i, _ := slices.BinarySearchFunc(all, w.place.Known, func(s *admit.Series, known uint32) int { return int(s.Index) - int(known) })
	for ; i < len(all) && len(list) < n; i++ {
		s := all[i]
		w.place.Known = s.Index + 1
		key, err := series.Parse([]byte(s.Key))
		if err != nil {
			return nil, fmt.Errorf("walk over series: %w", err)
		}
		if series.MatchAll(w.filter.Matchers, key) {
			list = append(list, Series{ID: s.ID(), Key: key, local: s})
		}
	}
	if i == len(all) {
		w.place.Stored = true
	}
	if err := w.identify(ctx, list); err != nil {
		return nil, err
	}
	// Gone is whatever has not been seen since the start too: only the store tells
	// which of them were deleted.
	return slices.DeleteFunc(list, func(s Series) bool { return s.ID == 0 && s.local.Gone() }), nil
}

// identify asks the store for the ids of series that have none here: those that
// were silent since the start.
func (w *walk) identify(ctx context.Context, list []Series) error {
	var keys [][]byte
	var of []int
	for i := range list {
		if list[i].ID == 0 {
			keys, of = append(keys, []byte(list[i].local.Key)), append(of, i)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	ids, err := w.reader.store.Lookup(ctx, keys)
	if err != nil {
		return fmt.Errorf("walk over series: %w", err)
	}
	for n, i := range of {
		list[i].ID = ids[n]
	}
	return nil
}

// stored takes series of the store that the first part has not shown.
func (w *walk) stored(ctx context.Context, n int) (list []Series, err error) {
	found, err := w.reader.store.FindSeries(ctx, w.filter.Matchers, w.place.After, storedBatch)
	if err != nil {
		return nil, fmt.Errorf("walk over series: %w", err)
	}
	for _, s := range found {
		if len(list) == n {
			return list, nil
		}
		w.place.After = s.ID
		local := w.reader.catalog.Lookup(s.Key.Append(nil))
		if local != nil && local.Index < w.place.Known {
			w.passed++
			continue
		}
		list = append(list, Series{ID: s.ID, Key: s.Key, Description: s.Description, Unit: s.Unit, local: local})
	}
	w.over = len(found) < storedBatch
	return list, nil
}
