// Package stream tells clients once a second what has changed: the values of the
// series they named, the ledger, and whether the daemon is ready.
//
// There is one producer for all. Whatever is watched, by one client or by
// thousands, is read once a second with one question to the lanes and the store;
// clients with the same question share the bytes they are sent. Nothing here waits
// for a client: each has a queue with a bound, and one whose queue is full is let
// go and counted. It comes back with the id of the last event it had, and gets the
// seconds since as far as they are known one by one; where they are not, it is told
// from when to when.
package stream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
)

// Bounds.
const (
	// MaxSeries is how many series one client may watch, MaxWatched all together.
	MaxSeries  = 500
	MaxWatched = 10_000
	// MaxSelectors is how many selectors one client may name.
	MaxSelectors = 16

	// phase is how long after the turn of a second it does: the live window has
	// noted the second by then.
	phase = 150 * time.Millisecond
	// maxBehind is how many seconds are told one by one after the producer came
	// late. Beyond it there is a gap.
	maxBehind = 5
	// maxReads bounds the questions of clients that come, read at one time.
	maxReads = 4
)

// Errors of Join.
var (
	// ErrFull reports that there are as many clients as there may be.
	ErrFull = errors.New("as many clients as server.stream_clients permits are connected")
	// ErrWatched reports that all clients together watch as many series as they may.
	ErrWatched = errors.New("all clients together watch as many series as they may")
	// ErrTooMany reports a question about more series than one client may watch.
	ErrTooMany = errors.New("more than 500 series match")
	// ErrClosed reports a hub that is stopping.
	ErrClosed = errors.New("the daemon is stopping")
)

// Source reads series and their points: query.Reader.
type Source interface {
	Find(ctx context.Context, ms []series.Matcher) ([]query.Series, error)
	Fill(ctx context.Context, list []query.Series, from, to int64) error
	Recent(ctx context.Context, list []query.Series, from, to int64) error
	Replay(ctx context.Context, list []query.Series, from, to int64) error
}

// Options are what a hub works with.
type Options struct {
	Source     Source
	Ledger     func(context.Context) (ledger.Statement, error)
	Ready      func(context.Context) []api.Reason
	Resolution int64 // bucket width, milliseconds
	Clients    int   // that may be connected
	Now        func() time.Time
	Logger     *slog.Logger
}

// Hub is the one producer and its clients. It is safe for concurrent use.
type Hub struct {
	opts  Options
	limit atomic.Int64
	stats Stats
	reads chan struct{} // a place for each question that is read

	mu      sync.Mutex
	clients map[*Client]struct{}
	coming  int // clients that have a place and are not among them yet
	topics  map[string]*topic
	tails   map[string]*tail // by canonical key
	second  int64            // the last that was told, Unix seconds
	closed  bool
	state   [numKinds]published
}

// New returns a hub without clients.
func New(o Options) *Hub {
	h := &Hub{
		opts: o, reads: make(chan struct{}, maxReads), clients: map[*Client]struct{}{}, topics: map[string]*topic{}, tails: map[string]*tail{},
		second: o.Now().Unix(),
	}
	h.SetClients(o.Clients)
	return h
}

// SetClients changes how many clients may be connected. Those that are stay.
func (h *Hub) SetClients(n int) { h.limit.Store(int64(n)) }

// Run tells clients what changes until ctx ends, and waits for what it started.
func (h *Hub) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { h.eachSecond(ctx, h.Tick) })
	parts.Go(func() { h.eachSecond(ctx, h.Refresh) })
	parts.Go(func() { h.eachSecond(ctx, h.State) })
	parts.Wait()
}

func (h *Hub) eachSecond(ctx context.Context, f func(context.Context)) {
	for {
		now := h.opts.Now()
		select {
		case <-ctx.Done():
			return
		case <-time.After(now.Truncate(time.Second).Add(time.Second + phase).Sub(now)):
		}
		f(ctx)
	}
}

// Close has every client told that the daemon stops, and takes no more. It does not
// wait for them.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for c := range h.clients {
		c.end(Stopping)
	}
}

// readTimeout bounds what one second's reading waits. A second that is not read is
// told with the next one.
const readTimeout = 5 * time.Second

// Tick reads what is watched, as of the last whole second, and gives clients what
// has changed. It is for one goroutine.
func (h *Hub) Tick(ctx context.Context) {
	now := h.opts.Now()
	h.mu.Lock()
	list, tails, from := h.watched()
	if len(tails) == 0 {
		h.second = max(h.second, now.Unix())
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := h.opts.Source.Recent(ctx, list, from, now.UnixMilli()); err != nil {
		h.stats.Failed.Add(1)
		h.opts.Logger.Debug("what clients watch could not be read", "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell(now.Unix(), list, tails)
	took := int64(time.Since(began))
	h.stats.Pass.Store(took)
	h.stats.Passes.Add(took)
}

// watched returns every series that somebody watches, and from when on their points
// are wanted.
func (h *Hub) watched() (list []query.Series, tails []*tail, from int64) {
	list, tails = make([]query.Series, 0, len(h.tails)), make([]*tail, 0, len(h.tails))
	for _, t := range h.tails {
		if len(tails) == 0 || t.anchor < from {
			from = t.anchor
		}
		list, tails = append(list, t.series), append(tails, t)
	}
	return list, tails, from
}

// tell gives clients the seconds up to now. Where that are too many, as after a
// store that was away, they are told of a gap and of the last second.
func (h *Hub) tell(now int64, list []query.Series, tails []*tail) {
	if now <= h.second {
		return // the clock has gone back, or stands
	}
	if now-h.second > maxBehind {
		h.gap(h.second, now-1)
		h.second = now - 1
	}
	for h.second < now {
		h.second++
		for i, t := range tails {
			t.move(list[i].Points, h.second)
		}
		for _, t := range h.topics {
			h.deliver(t)
		}
	}
	anchor := h.anchor(now)
	for i, t := range tails {
		t.series.ID = list[i].ID
		t.settle(list[i].Points, anchor)
	}
}

// lag is how many buckets behind the open one are read again each second: what
// other daemons flush, and what comes late, is in them.
const lag = 6

func (h *Hub) anchor(now int64) int64 {
	ms := now * 1000
	return ms - ms%h.opts.Resolution - lag*h.opts.Resolution
}

func (h *Hub) gap(from, to int64) {
	for _, t := range h.topics {
		h.giveAll(t, &frame{kind: Gap, bytes: gapEvent(from, to, Late)})
		t.fresh = true
	}
	h.stats.Gaps[Late].Add(1)
}

// deliver gives a topic's clients what has changed in the last second.
func (h *Hub) deliver(t *topic) {
	if t.fresh {
		t.fresh = false
		h.giveAll(t, &frame{kind: Sample, bytes: sampleEvent(h.second, true, t.tails)})
		return
	}
	changed := slices.DeleteFunc(slices.Clone(t.tails), func(x *tail) bool { return x.changed != h.second })
	if len(changed) == 0 {
		return
	}
	h.giveAll(t, &frame{kind: Sample, bytes: sampleEvent(h.second, false, changed)})
}

func (h *Hub) giveAll(t *topic, f *frame) {
	for _, c := range t.clients {
		h.give(c, f)
	}
}

// give queues a frame, or lets go of a client that does not read.
func (h *Hub) give(c *Client, f *frame) {
	if c.put(f) {
		h.stats.Events[f.kind].Add(1)
		return
	}
	if c.end(Slow) {
		h.stats.Dropped.Add(1)
		h.stats.Gaps[Slow].Add(1)
	}
}
