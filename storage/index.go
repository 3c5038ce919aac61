package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/postings"
)

// indexLimit bounds the memory of the index, bytes, as it is reckoned. Beyond it
// series are found by scans.
const indexLimit = 512 << 20

// seriesIndex is the index over the store's series, as of one count of
// additions.
type seriesIndex struct {
	log     *slog.Logger
	limit   int64      // bytes
	refresh sync.Mutex // one fills it at a time

	mu      sync.RWMutex // of what follows
	found   *postings.Index
	changes int64
	over    bool // the series do not fit
}

// indexed is what the index needs of a series.
type indexed struct {
	id  int64
	key series.Key
}

// IndexSize returns how many series the index holds and the bytes that it
// takes, both 0 where there is none.
func (s *Store) IndexSize() (count int, bytes int64) {
	x := &s.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.found == nil {
		return 0, 0
	}
	return x.found.Len(), x.found.Size()
}

// IndexSeries fills the index over the series, which the first FindSeries would
// else wait for.
func (s *Store) IndexSeries(ctx context.Context) error {
	_, err := s.followIndex(ctx)
	return err
}

// findIndexed asks the index; ok is false where there is none. What it finds
// was committed before it returns, so that a read begun later sees it all.
func (s *Store) findIndexed(ctx context.Context, ms []series.Matcher, after int64, limit int) (ids []int64, ok bool, err error) {
	if ok, err = s.followIndex(ctx); !ok {
		return nil, false, err
	}
	x := &s.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.found == nil {
		return nil, false, nil
	}
	return x.found.Find(ms, after, limit), true, nil
}

// followIndex brings the index up to what the store holds now, other daemons'
// series too.
func (s *Store) followIndex(ctx context.Context) (ok bool, err error) {
	x := &s.index
	if fresh, over, err := s.indexFresh(ctx); err != nil || fresh || over {
		return !over && err == nil, err
	}
	x.refresh.Lock()
	defer x.refresh.Unlock()
	fresh, over, err := s.indexFresh(ctx) // somebody may have been here meanwhile
	if err != nil || fresh || over {
		return !over && err == nil, err
	}
	x.mu.RLock()
	build := x.found == nil
	x.mu.RUnlock()
	if build {
		err = s.buildIndex(ctx)
	} else {
		err = s.tailIndex(ctx)
	}
	if errors.Is(err, errIndexOver) {
		x.giveUp(err)
		return false, nil
	}
	return err == nil, err
}

// indexFresh tells whether the index holds what the store does.
func (s *Store) indexFresh(ctx context.Context) (fresh, over bool, err error) {
	x := &s.index
	x.mu.RLock()
	seen, over := x.changes, x.over
	x.mu.RUnlock()
	if over {
		return false, true, nil
	}
	var changes int64
	if err := s.queryRow(ctx, "look whether there are new series", &changes, "SELECT changes FROM series_next"); err != nil {
		return false, false, err
	}
	if changes < seen { // it was restored, or another took its place
		x.forget()
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	// More than the store said: a flush of ours committed since it was asked.
	return x.found != nil && x.changes >= changes, false, nil
}

// forget throws the index away: the store gives the ids it holds to others.
func (x *seriesIndex) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found, x.changes = nil, 0
}

var errIndexOver = errors.New("the series do not fit into the index")

// add puts series in and says as of when the index is.
func (x *seriesIndex) add(list []indexed, changes int64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.found == nil { // thrown away meanwhile
		return nil
	}
	if err := x.addAll(x.found, list); err != nil {
		return err
	}
	x.changes = max(x.changes, changes)
	return nil
}

func (x *seriesIndex) addAll(p *postings.Index, list []indexed) error {
	for _, one := range list {
		if err := p.Add(one.id, one.key); err != nil {
			return fmt.Errorf("%w: series %d: %w", errIndexOver, one.id, err)
		}
	}
	if p.Size() > x.limit {
		return errIndexOver
	}
	return nil
}

func (x *seriesIndex) giveUp(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found, x.over = nil, true
	x.log.Warn("series are found by scans from now on, which is slower", "error", err, "limit_bytes", x.limit)
}

// grew takes what this process added, so that the next look-up need not read
// it. Where additions of others lie between, the next look-up reads them all.
func (x *seriesIndex) grew(changes int64, made []indexed) {
	if len(made) == 0 {
		return
	}
	x.mu.RLock()
	follows := x.found != nil && x.changes == changes-1
	x.mu.RUnlock()
	if !follows {
		return
	}
	if err := x.add(made, changes); err != nil {
		x.giveUp(err)
	}
}

// tailIndex reads the runs of ids that grew since the index was filled.
func (s *Store) tailIndex(ctx context.Context) error {
	x := &s.index
	x.mu.RLock()
	since := x.changes
	x.mu.RUnlock()
	var list []indexed
	var changes int64
	err := s.read(ctx, "read new series", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		if err := tx.QueryRowContext(ctx, "SELECT changes FROM series_next").Scan(&changes); err != nil {
			return err
		}
		return s.each(ctx, tx, scanIndexed(&list),
			"SELECT series.id, series.key FROM series_run JOIN series ON series.id >= series_run.start AND series.id < series_run.start + series_run.used WHERE series_run.changed > $1", since)
	})
	if err != nil {
		return err
	}
	return x.add(list, changes)
}

func scanIndexed(list *[]indexed) func(rows *sql.Rows) error {
	return func(rows *sql.Rows) error {
		var one indexed
		var key []byte
		if err := rows.Scan(&one.id, &key); err != nil {
			return err
		}
		var err error
		if one.key, err = series.Parse(key); err != nil {
			return fmt.Errorf("series %d: %w", one.id, err)
		}
		*list = append(*list, one)
		return nil
	}
}

// indexPart is how many ids one statement of a build covers.
const indexPart = 20_000

// buildIndex reads every series, several parts side by side. What is added
// meanwhile counts as later than the index and is read by the next look-up.
func (s *Store) buildIndex(ctx context.Context) error {
	begin := time.Now()
	var next, changes int64
	if err := s.queryRow(ctx, "count additions", &changes, "SELECT changes FROM series_next"); err != nil {
		return err
	}
	if err := s.queryRow(ctx, "read the next id", &next, "SELECT next FROM series_next"); err != nil {
		return err
	}
	b := indexBuild{store: s, found: postings.New(), told: begin}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(4, runtime.GOMAXPROCS(0)))
	for from := int64(1); from < next; from += indexPart {
		g.Go(func() error { return b.part(ctx, from, min(from+indexPart, next)) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	x := &s.index
	x.mu.Lock()
	x.found, x.changes = b.found, changes
	x.mu.Unlock()
	if n := b.found.Len(); n > 0 {
		x.log.Info("series were indexed", "series", n, "bytes", b.found.Size(), "took", time.Since(begin).Round(time.Millisecond))
	}
	return nil
}

// indexBuild is an index in the making.
type indexBuild struct {
	store *Store
	mu    sync.Mutex
	found *postings.Index
	told  time.Time
}

// tellEvery is how often a long build says how far it is.
const tellEvery = 2 * time.Second

func (b *indexBuild) part(ctx context.Context, from, to int64) error {
	var list []indexed
	err := b.store.read(ctx, "index series", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return b.store.each(ctx, tx, scanIndexed(&list), "SELECT id, key FROM series WHERE id >= $1 AND id < $2", from, to)
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.told) > tellEvery {
		b.told = time.Now()
		b.store.index.log.Info("indexing series", "series", b.found.Len())
	}
	return b.store.index.addAll(b.found, list)
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
				" FROM wanted JOIN series ON series.id = wanted.id LEFT JOIN metric ON metric.name = series.name ORDER BY series.id"
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
