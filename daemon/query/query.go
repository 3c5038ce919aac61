// Package query is the one read path: what the lanes and the collector still
// hold, what the store holds as blocks, what it holds as chunks, merged into
// one list of points a series. Point and recent-window reads use it as it is;
// the PromQL engine reads through the same path.
//
// Every point is counted once. The window is read first and says which
// generation of this daemon is the last in the store; blocks of later ones are
// left out, so a flush between the two reads cannot double anything. Blocks
// and chunks come from one snapshot of the store, so a compaction cannot
// either.
package query

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Window is the read path's first source: lane.Set.
type Window interface {
	Window(ctx context.Context, list []*admit.Series, d aggregate.Detail) (lane.Window, error)
}

// Store is its second: storage.Store.
type Store interface {
	FindSeries(ctx context.Context, ms []series.Matcher, after int64, limit int) ([]storage.Series, error)
	// Lookup returns the ids of canonical keys, 0 for those it does not have.
	Lookup(ctx context.Context, keys [][]byte) ([]int64, error)
	Names(ctx context.Context) ([]storage.Name, error)
	Read(ctx context.Context, r storage.ReadRequest) (storage.Selection, error)
}

// ErrTooMany reports a query that touches more series than it may.
var ErrTooMany = errors.New("the query touches too many series: narrow the name or the tags")

// Options are the settings of the read path.
type Options struct {
	Resolution int64 // bucket width, milliseconds
	Idle       int64 // how long a silent series goes on with its last value, milliseconds
	MaxSeries  int   // that one query may touch
	Live       Live  // nil: nothing is known by the second
	// Alone says that no other process writes to the store: what was read of it can
	// be kept, and brought up to date by this daemon's own flushes.
	Alone bool
	// Others tells how far those are followed that write too; nil: they are not, and
	// each read asks the store.
	Others Others
	Now    func() time.Time
}

// Reader reads series and points.
type Reader struct {
	window  Window
	store   Store
	catalog *admit.Catalog
	head    *Head
	writer  string // this daemon's log
	opts    Options
	idle    atomic.Int64
	names   names
	founds  founds
	tails   *tails
	origins origins
	atOnce  int    // see manySeries
	process uint64 // tells this process's catalog from that of another
}

// NewReader returns a reader for the daemon whose log is named writer.
func NewReader(w Window, s Store, c *admit.Catalog, h *Head, writer string, o Options) *Reader {
	if o.Live == nil {
		o.Live = noLive{}
	}
	r := &Reader{window: w, store: s, catalog: c, head: h, writer: writer, opts: o, tails: newTails(tailBudget), atOnce: manySeries, process: rand.Uint64() | 1}
	r.names.alone = o.Alone
	r.SetIdle(o.Idle)
	return r
}

// Tails tells how the memory of recent points does.
func (r *Reader) Tails() TailStats { return r.tails.now() }

// SetIdle changes how long a silent series goes on with its last value,
// milliseconds.
func (r *Reader) SetIdle(idle int64) { r.idle.Store(idle) }

// Series is one series found, and its points in the asked range.
type Series struct {
	ID                int64 // 0 while the store has none
	Key               series.Key
	Description, Unit string
	Points            []block.Point // by time; one a bucket, but for raw samples
	// Base is the counter's total, and the total of its negative increments,
	// before the first point.
	Base storage.Base
	// Spans tell how wide the points' buckets are, where they are not as wide
	// as samples are gathered.
	Spans []storage.Span
	// Held is from when on each second is known by itself, Unix milliseconds, where
	// Recent or Replay read the points.
	Held int64

	local *admit.Series
	live  []live.Row // by the second, where that was asked for
}

// Find returns the series that match, stored ones by id first. It fails with
// ErrTooMany beyond the limit.
func (r *Reader) Find(ctx context.Context, ms []series.Matcher) ([]Series, error) {
	name, text, named := lookUp(ms)
	_, changes, known := r.followed() // before the store is asked
	if !named || !known {
		return r.find(ctx, ms)
	}
	if list, ok := r.remembered(ms, name, text, changes); ok && len(list) <= r.opts.MaxSeries {
		return list, nil
	}
	if list, ok := r.findOwn(ms, name); ok {
		return list, nil
	}
	f := &found{era: r.founds.now(), changes: changes} // before the store is asked: what comes meanwhile is looked at again
	deletions, returned := r.catalog.Returned()
	f.deletions, f.returned = deletions, len(returned)
	all := r.catalog.ByName(name)
	list, err := r.find(ctx, ms)
	if err == nil {
		r.remember(text, f, all, list)
	}
	return list, err
}

// find asks store and catalog.
func (r *Reader) find(ctx context.Context, ms []series.Matcher) ([]Series, error) {
	fresh := r.unnamed(ms) // before the store is asked: what has an id now, it knows
	stored, err := r.store.FindSeries(ctx, ms, 0, r.opts.MaxSeries+1)
	if err != nil {
		return nil, fmt.Errorf("find series: %w", err)
	}
	found := make([]Series, 0, len(stored))
	known := make(map[*admit.Series]struct{}, len(fresh))
	work := pace.Of(ctx)
	for _, s := range stored {
		work.Step(ctx)
		one := r.withLocal(s)
		if one.local != nil {
			known[one.local] = struct{}{}
		}
		found = append(found, one)
	}
	for _, s := range fresh {
		if _, ok := known[s]; ok {
			continue
		}
		key, err := series.Parse([]byte(s.Key))
		if err != nil {
			return nil, fmt.Errorf("find series: %w", err)
		}
		if series.MatchAll(ms, key) {
			found = append(found, Series{ID: s.ID(), Key: key, local: s})
		}
	}
	if len(found) > r.opts.MaxSeries {
		return nil, ErrTooMany
	}
	return found, nil
}

// withLocal is a stored series, with this process's of the same key.
func (r *Reader) withLocal(s storage.Series) Series {
	return Series{ID: s.ID, Key: s.Key, Description: s.Description, Unit: s.Unit, local: r.catalog.Lookup(s.Key.Append(nil))}
}

// unnamed returns this process's series that may match and have no id yet. Those
// that were deleted are left out until they come again.
func (r *Reader) unnamed(ms []series.Matcher) (list []*admit.Series) {
	for _, s := range r.candidates(ms) {
		if s.ID() == 0 && !s.Gone() {
			list = append(list, s)
		}
	}
	return list
}

// Unnamed counts the matching series that the store does not know yet.
func (r *Reader) Unnamed(ms []series.Matcher) (n int) {
	for _, s := range r.unnamed(ms) {
		if key, err := series.Parse([]byte(s.Key)); err == nil && series.MatchAll(ms, key) {
			n++
		}
	}
	return n
}

// candidates returns this process's series that may match: of one name where
// the matchers name one, else all.
func (r *Reader) candidates(ms []series.Matcher) []*admit.Series {
	for _, m := range ms {
		if m.Tag == series.NameTag && m.Op == series.Equal {
			return r.catalog.ByName(m.Value)
		}
	}
	return r.catalog.Snapshot()
}

// Steps returns the matching series with the points of an aggregation over steps:
// those in the steps, of seconds where the steps are shorter than a bucket and as wide
// as a tier's where that will do. Nothing is carried into the steps.
func (r *Reader) Steps(ctx context.Context, ms []series.Matcher, s Steps) ([]Series, error) {
	list, err := r.Find(ctx, ms)
	if err != nil || len(list) == 0 {
		return list, err
	}
	short := s.Width > 0 && s.Width < r.opts.Resolution
	r.addLive(list, s.From, s.To, short, short)
	x := exactly(block.Floor(s.From, s.Width), s.To)
	x.step = s.Width
	if err := r.fill(ctx, list, x); err != nil {
		return nil, err
	}
	work := pace.Of(ctx)
	for i := range list {
		list[i].Points = list[i].seconds(r.opts.Resolution)
		work.Step(ctx)
	}
	return list, nil
}

// Fill reads the points of series that Find returned, of buckets that begin in
// [from, to], Unix milliseconds, and of the idle time before, over which values hold.
// Counters have their base.
func (r *Reader) Fill(ctx context.Context, list []Series, from, to int64) error {
	return r.fill(ctx, list, r.held(from, to, 0))
}

// Points returns the matching series with the points whose bucket begins in
// [from, to] and nothing else: no value is carried into the range, and no
// counter has a base. It is for what counts increments.
func (r *Reader) Points(ctx context.Context, ms []series.Matcher, from, to int64) ([]Series, error) {
	list, err := r.Find(ctx, ms)
	if err != nil || len(list) == 0 {
		return list, err
	}
	return list, r.fill(ctx, list, exactly(from, to))
}

func locals(list []Series) []*admit.Series {
	var l []*admit.Series
	for i := range list {
		if list[i].local != nil {
			l = append(l, list[i].local)
		}
	}
	return l
}

// ids looks the store's ids up once more. A series may have got its id since it
// was found: its points were then in the window, which was read later than Find, or
// in the store, where only the id leads to them.
func ids(list []Series) {
	for i := range list {
		if list[i].ID == 0 && list[i].local != nil {
			list[i].ID = list[i].local.ID()
		}
	}
}

// sketched tells whether the series' points hold sketches.
func (s *Series) sketched() bool {
	return s.Key.Type != protocol.Counter && s.Key.Type != protocol.Gauge
}

const dayMillis = 24 * 60 * 60 * 1000

func startOfDay(t int64) int64 {
	d := t / dayMillis * dayMillis
	if d > t {
		d -= dayMillis
	}
	return d
}
