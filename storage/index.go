package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/postings"
)

const (
	// indexLimit bounds the memory of the index, bytes, as it is reckoned. Beyond
	// it series are found by scans.
	indexLimit = 512 << 20
	// maxQueued bounds the series of this process that wait to be put into the
	// index; beyond it they are read back from the store.
	maxQueued = 100_000
	// indexEvery is how often the index is brought up to what other daemons did,
	// so that no look-up has much of that to do.
	indexEvery = time.Second
	// auditEvery is how often the index is held against the store's count.
	auditEvery = time.Hour
	// maxStale is how many removed series, and what part of all, 1 in so many, the
	// index carries along before it is made anew.
	maxStale, stalePart = 10_000, 4
)

// seriesIndex is the index over the store's series, as of one count of the
// changes to them. It is made in the background; until it is there, and beyond
// its limit, series are found by scans.
type seriesIndex struct {
	log     *slog.Logger
	limit   int64         // bytes
	wanted  chan struct{} // holds one token while there is something to do
	refresh sync.Mutex    // one brings it up to date at a time
	stats   IndexStats

	mu      sync.RWMutex // of what follows
	found   *postings.Index
	changes int64
	over    bool     // the series do not fit
	queue   []change // of this process, oldest first, that the index lacks
	queued  int      // series in it
}

// IndexStats are the index's counters, safe to read at any time.
type IndexStats struct {
	Builds  atomic.Uint64 // how often it was made
	Damaged atomic.Uint64 // how often it was found not to be what the store holds
	Scans   atomic.Uint64 // look-ups that had to do without it
	Dropped atomic.Uint64 // series that did not fit the queue, and were read back
}

func newSeriesIndex(log *slog.Logger) *seriesIndex {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &seriesIndex{log: log, limit: indexLimit, wanted: make(chan struct{}, 1)}
}

// IndexStats returns the index's counters.
func (s *Store) IndexStats() *IndexStats { return &s.index.stats }

// IndexSize returns how many series the index holds and the bytes that it
// takes, both 0 where there is none.
func (s *Store) IndexSize() (count int, bytes int64) {
	found, _, _ := s.index.state()
	if found == nil {
		return 0, 0
	}
	return found.Len(), found.Size()
}

// IndexedTags returns the keys of all tags, and whether the index knows them.
// A key of which no series is left can be among them.
func (s *Store) IndexedTags(ctx context.Context) (keys []string, ok bool, err error) {
	found, _, err := s.currentIndex(ctx)
	if found == nil || err != nil {
		return nil, false, err
	}
	return found.Tags(), true, nil
}

// KeepIndex makes the index, and again where it is found wrong, and keeps it up
// to what others do to the store, until ctx ends. Nobody waits for it.
func (s *Store) KeepIndex(ctx context.Context) {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	audited, pause := time.Now(), indexEvery
	for ctx.Err() == nil {
		err := s.followIndex(ctx)
		if err == nil && time.Since(audited) > auditEvery {
			audited, err = time.Now(), s.auditIndex(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.index.log.Warn("the index of series is not up to date; it will be tried again", "error", err)
			pause = min(2*pause, 30*time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = indexEvery
		select {
		case <-tick.C:
		case <-s.index.wanted:
		case <-ctx.Done():
		}
	}
}

// followIndex makes the index where there is none, and brings it up to date.
func (s *Store) followIndex(ctx context.Context) error {
	x := s.index
	found, _, over := x.state()
	switch {
	case over:
		return nil
	case found == nil || crowded(found):
		return s.BuildIndex(ctx)
	}
	_, _, err := s.currentIndex(ctx)
	return err
}

func crowded(p *postings.Index) bool {
	n := p.Stale()
	return n >= maxStale && n > (p.Len()+n)/stalePart
}

// findIndexed asks the index; ok is false where there is none. What it finds
// was committed before it returns, so that a read begun later sees it all.
// changes is as of when the answer is.
func (s *Store) findIndexed(ctx context.Context, ms []series.Matcher, after int64, limit int) (ids []int64, changes int64, ok bool, err error) {
	found, changes, err := s.currentIndex(ctx)
	if found == nil || err != nil {
		return nil, 0, false, err
	}
	return found.Find(ms, after, limit), changes, true, nil
}

// currentIndex returns the index as of now, with what other daemons did; nil
// where there is none. It never makes one: that is KeepIndex's.
func (s *Store) currentIndex(ctx context.Context) (*postings.Index, int64, error) {
	x := s.index
	found, seen, _ := x.state()
	if found == nil {
		x.want()
		return nil, 0, nil
	}
	changes, err := s.seriesChanges(ctx)
	switch {
	case err != nil:
		return nil, 0, err
	case changes < seen: // it was restored, or another took its place
		x.forget()
		return nil, 0, nil
	case changes == seen:
		return found, seen, nil
	}
	x.refresh.Lock()
	defer x.refresh.Unlock()
	if err := s.catchUp(ctx, changes); err != nil {
		return nil, 0, err
	}
	found, seen, _ = x.state()
	return found, seen, nil
}

func (s *Store) seriesChanges(ctx context.Context) (changes int64, err error) {
	err = s.queryRow(ctx, "look whether series have changed", &changes, "SELECT changes FROM series_next")
	return changes, err
}

// catchUp brings the index to the count of changes: by what this process has
// done, and where others were at work in between, by what the store says. What this
// process did may be of a history that the store has lost since, and lead beyond the
// count: then it is the store that tells too. Callers hold refresh.
func (s *Store) catchUp(ctx context.Context, changes int64) error {
	x := s.index
	for {
		c, ok := x.next()
		if !ok {
			break
		}
		if err := x.apply(c); err != nil {
			x.giveUp(err)
			return nil
		}
	}
	if found, seen, _ := x.state(); found == nil || seen == changes {
		return nil
	}
	return s.tailIndex(ctx)
}

// state returns what there is now.
func (x *seriesIndex) state() (found *postings.Index, changes int64, over bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.found, x.changes, x.over
}

// want has KeepIndex look.
func (x *seriesIndex) want() {
	select {
	case x.wanted <- struct{}{}:
	default:
	}
}

// forget throws the index away, for it is not what the store holds.
func (x *seriesIndex) forget() {
	x.mu.Lock()
	x.found, x.changes, x.queue, x.queued = nil, 0, nil, 0
	x.mu.Unlock()
	x.want()
}

var errIndexOver = errors.New("the series do not fit into the index")

// note takes what this process did to the series, so that it need not be read
// back. Whoever names series does not wait until it is in the index.
func (x *seriesIndex) note(c change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(c.gone) > 0 && x.over { // they may fit now
		x.over = false
		x.want()
	}
	if x.found == nil || c.seq <= x.changes {
		return
	}
	n := len(c.made) + len(c.gone)
	if x.queued+n > maxQueued {
		x.stats.Dropped.Add(uint64(x.queued + n))
		x.queue, x.queued = nil, 0
	} else {
		x.queue, x.queued = append(x.queue, c), x.queued+n
	}
	x.want()
}

// next takes the change that follows the index out of the queue. One behind a
// gap is of no use: what lies between is read from the store, and it as well.
func (x *seriesIndex) next() (c change, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.queue) > 0 && !ok {
		c = x.queue[0]
		ok = c.after == x.changes
		if !ok && c.seq > x.changes {
			break
		}
		x.queue, x.queued = x.queue[1:], x.queued-len(c.made)-len(c.gone)
	}
	return c, ok
}

// apply puts a change into the index, and says as of when this is.
func (x *seriesIndex) apply(c change) error {
	found, _, _ := x.state()
	if found == nil {
		return nil
	}
	found.Remove(c.gone...)
	if err := found.Add(c.made...); err != nil {
		return fmt.Errorf("%w: %w", errIndexOver, err)
	}
	if found.Size() > x.limit {
		return errIndexOver
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.found == found { // not thrown away meanwhile
		x.changes = max(x.changes, c.seq)
	}
	return nil
}

func (x *seriesIndex) giveUp(err error) {
	x.mu.Lock()
	x.found, x.over, x.queue, x.queued = nil, true, nil, 0
	x.mu.Unlock()
	x.log.Warn("series are found by scans from now on, which is slower", "error", err, "limit_bytes", x.limit)
}

// tailIndex reads the runs of ids that grew since the index is as of, and what
// was deleted. An index of another history is thrown away.
func (s *Store) tailIndex(ctx context.Context) error {
	x := s.index
	_, since, _ := x.state()
	var c change
	var known bool
	err := s.read(ctx, "read new series", func(ctx context.Context, tx *sql.Tx) (err error) {
		c = change{after: since}
		if known, err = s.knowsChange(ctx, tx, since); err != nil || !known {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT changes FROM series_next").Scan(&c.seq); err != nil {
			return err
		}
		err = s.each(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			c.gone = append(c.gone, id)
			return err
		}, "SELECT id FROM series_gone WHERE seq > $1", since)
		if err != nil {
			return err
		}
		return s.each(ctx, tx, scanEntries(&c.made),
			"SELECT series.id, series.key FROM series_run JOIN series ON series.id >= series_run.start AND series.id < series_run.start + series_run.used WHERE series_run.changed > $1", since)
	})
	if err != nil {
		return err
	}
	if !known {
		x.forget()
		return nil
	}
	if err := x.apply(c); err != nil {
		x.giveUp(err)
	}
	return nil
}

func scanEntries(list *[]postings.Entry) func(rows *sql.Rows) error {
	return func(rows *sql.Rows) error {
		var e postings.Entry
		var key sql.RawBytes
		if err := rows.Scan(&e.ID, &key); err != nil {
			return err
		}
		var err error
		if e.Key, err = series.Parse(key); err != nil {
			return fmt.Errorf("series %d: %w", e.ID, err)
		}
		*list = append(*list, e)
		return nil
	}
}

// auditIndex holds the index against the store's count of series.
func (s *Store) auditIndex(ctx context.Context) error {
	found, _, err := s.currentIndex(ctx)
	if found == nil || err != nil {
		return err
	}
	var changes, count int64
	err = s.read(ctx, "count series", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT changes, (SELECT COUNT(*) FROM series) FROM series_next").Scan(&changes, &count)
	})
	if err != nil {
		return err
	}
	s.index.refresh.Lock()
	defer s.index.refresh.Unlock()
	now, seen, _ := s.index.state()
	if n := found.Len(); now == found && seen == changes && int64(n) != count {
		s.indexDamaged("indexed", n, "stored", count)
	}
	return nil
}

// indexDamaged throws the index away and has it made anew.
func (s *Store) indexDamaged(what ...any) {
	s.index.stats.Damaged.Add(1)
	s.index.log.Error("the index of series is not what the store holds: it is made anew", what...)
	s.index.forget()
}

// checkFound compares what the index named with the rows there are. Fewer rows
// are no damage where series went meanwhile.
func (s *Store) checkFound(ctx context.Context, ids []int64, list []Series, changes int64) (whole bool, err error) {
	if len(list) == len(ids) {
		return true, nil
	}
	now, err := s.seriesChanges(ctx)
	if err == nil && now == changes {
		s.indexDamaged("named", len(ids), "found", len(list))
	}
	return false, err
}

// seriesByID reads series by their ids.
func (s *Store) seriesByID(ctx context.Context, ids []int64) (list []Series, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	step := s.db.MaxRows(1)
	err = s.read(ctx, "find series", func(ctx context.Context, tx *sql.Tx) error {
		list = make([]Series, 0, len(ids))
		for from := 0; from < len(ids); from += step {
			body, args := s.db.Rows([]dialect.Column{{Name: "wanted", Values: ids[from:min(from+step, len(ids))]}})
			query := "WITH wanted(id) AS (" + body + ") SELECT series.id, series.key, COALESCE(metric.description, ''), COALESCE(metric.unit, '')" +
				" FROM wanted CROSS JOIN series LEFT JOIN metric ON metric.name = series.name WHERE series.id = wanted.id ORDER BY series.id"
			if _, _, err := s.findPage(ctx, tx, query, args, func(one Series) bool {
				list = append(list, one)
				return true
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
