// Package live is the live window: the last minutes second by second, of the
// daemon's own signals, of what somebody looks at and of the busiest series.
//
// It adds to the buckets and never replaces them. Once a second it asks the lanes
// how far the followed series have come in the open bucket, and keeps that; where
// a bucket ends, its own point says. So whatever is read through the window ends
// every bucket on the very value that is read without it, and a second that was
// missed, or a series that was not followed, costs detail and nothing else.
//
// A bucket that is over is packed: its values to the bits they need, its distributions
// by zstd.
//
// The window is bounded by bytes: as many series are followed as half of them
// hold for Keep, the daemon's own first, then what is looked at, then the
// busiest; distributions have the rest, and go first where it is too little.
package live

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
)

const (
	// Step is the window's own resolution, Keep how far back it goes,
	// milliseconds.
	Step = int64(1000)
	Keep = int64(15 * 60 * 1000)

	// MaxBusiest bounds the series that are followed because they are busy,
	// MaxWatched those that are looked at.
	MaxBusiest = 10_000
	MaxWatched = 2_000

	// MaxWide is the most series of one question that are followed for it.
	MaxWide = 500
	// watchFor is how long a question counts as looking, milliseconds.
	watchFor = int64(5 * 60 * 1000)
	// passTimeout bounds what one pass waits for the lanes.
	passTimeout = 900 * time.Millisecond
)

// Lanes tell how far series have come: lane.Set.
type Lanes interface {
	Progress(ctx context.Context, list []*admit.Series, bucket int64) (lane.Progress, error)
}

// Options are what the window works with.
type Options struct {
	Lanes      Lanes
	Own        func() []*admit.Series // the daemon's own signals
	Resolution int64                  // bucket width, milliseconds
	Bytes      int64                  // 0 turns the window off
	Now        func() time.Time
}

// Window keeps the last minutes by the second. It is safe for concurrent use.
type Window struct {
	opts    Options
	inner   int // seconds within a bucket
	budget  atomic.Int64
	missed  atomic.Uint64
	refused atomic.Uint64
	pass    atomic.Int64
	passes  atomic.Int64

	mu      sync.RWMutex
	kept    []*packed // buckets that are over, oldest first
	frame   *frame    // the open one, nil before the first pass
	held    int       // by the lanes, bytes
	spare   int       // the packer's room, bytes
	evicted [numEvictions]uint64

	choosing sync.Mutex
	busiest  busiest
	watched  watched

	// members are followed in the open frame, and in tells them from others. Both
	// are the passes' own to change.
	members []*admit.Series
	in      map[*admit.Series]bool
	packer  *packer
	unpacker
}

// New returns an empty window.
func New(o Options) *Window {
	w := &Window{opts: o, inner: int(o.Resolution/Step) - 1, busiest: busiest{still: map[*admit.Series]int{}}, watched: watched{}, packer: newPacker(), unpacker: newUnpacker()}
	w.SetBytes(o.Bytes)
	return w
}

// SetBytes changes how much memory the window may take; 0 turns it off. It takes
// effect at the next second.
func (w *Window) SetBytes(n int64) { w.budget.Store(n) }

// on reports a window that can add something: a bucket of one second has nothing
// within.
func (w *Window) on() bool { return w.budget.Load() > 0 && w.inner > 0 }

// Run makes a pass at every turn of the second until ctx ends.
func (w *Window) Run(ctx context.Context) {
	for {
		now := w.opts.Now()
		select {
		case <-ctx.Done():
			return
		case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
		}
		w.Pass(ctx, w.opts.Now().UnixMilli())
	}
}

// Pass notes how far the followed series have come by the last whole second before
// now. It is for one goroutine.
func (w *Window) Pass(ctx context.Context, now int64) {
	if !w.on() {
		w.clear(ctx)
		return
	}
	at := floor(now, Step)
	bucket := floor(at, w.opts.Resolution)
	f := w.open(bucket)
	if f == nil || at == bucket { // its end is told by the bucket's own point
		return
	}
	began := time.Now()
	w.join()
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	p, err := w.opts.Lanes.Progress(ctx, w.members, bucket)
	if err != nil || !p.Settled {
		w.missed.Add(1)
		return
	}
	w.take(f, int((at-bucket)/Step)-1, p)
	took := int64(time.Since(began))
	w.pass.Store(took)
	w.passes.Add(took)
}

// clear empties the window once it is off, and has the lanes forget.
func (w *Window) clear(ctx context.Context) {
	w.mu.Lock()
	had := len(w.kept) > 0 || w.frame != nil
	for _, p := range w.kept {
		w.evicted[byBytes] += uint64(p.points)
	}
	if w.frame != nil {
		w.evicted[byBytes] += uint64(w.frame.points)
	}
	w.kept, w.frame, w.held, w.spare, w.members, w.in = nil, nil, 0, 0, nil, nil
	w.mu.Unlock()
	if had {
		w.packer = newPacker()                    // the old one's room is given up too
		_, _ = w.opts.Lanes.Progress(ctx, nil, 0) // lanes that are closing have forgotten
	}
}

// open returns the frame of the bucket, nil where the clock has gone back behind
// it.
func (w *Window) open(bucket int64) *frame {
	last := w.frame
	switch {
	case last == nil:
		last = newFrame(w.inner)
	case last.bucket == bucket:
		return last
	case last.bucket > bucket:
		return nil
	}
	members := w.choose(bucket)
	var p *packed
	if w.frame != nil {
		p = w.packer.pack(last) // readers go on meanwhile
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p != nil {
		w.kept = append(w.kept, p)
	}
	last.begin(bucket, len(members))
	w.members, w.frame, w.spare = members, last, w.packer.bytes()
	w.evict(bucket)
	return last
}

// room returns how many series may be followed: as many as half of the bytes hold
// for the whole time.
func (w *Window) room() int {
	frames := Keep/w.opts.Resolution + 1
	return int(w.budget.Load() / 2 / (frames * int64(rowBytes(w.inner))))
}

// choose names the series of a new frame.
func (w *Window) choose(now int64) []*admit.Series {
	own := w.opts.Own()
	w.choosing.Lock()
	defer w.choosing.Unlock()
	if w.frame != nil {
		w.busiest.settle(w.frame)
	}
	w.watched.expire(now)
	list := make([]*admit.Series, 0, len(own)+len(w.watched)+len(w.busiest.list))
	room := w.room()
	w.in = make(map[*admit.Series]bool, cap(list))
	add := func(s *admit.Series) {
		if followed(s.Type) && !w.in[s] && len(list) < room {
			w.in[s] = true
			list = append(list, s)
		}
	}
	for _, s := range own {
		add(s)
	}
	for s := range w.watched {
		add(s)
	}
	for _, b := range w.busiest.list {
		add(b.Series)
	}
	w.busiest.changed = false
	return list
}

// followed reports the types of which a second can be told from running values. A
// set's cannot: how many of its members came in a second is lost in the sketch.
func followed(t protocol.Type) bool {
	return t == protocol.Counter || t == protocol.Gauge || t.IsHistogram()
}

// join has those followed at once that began to be looked at in this bucket, own
// signals that are new, and series that have just become busy.
func (w *Window) join() {
	var fresh []*admit.Series
	add := func(s *admit.Series) {
		if !w.in[s] && followed(s.Type) {
			w.in[s] = true
			fresh = append(fresh, s)
		}
	}
	for _, s := range w.opts.Own() {
		add(s)
	}
	w.choosing.Lock()
	for s := range w.watched {
		add(s)
	}
	if w.busiest.changed {
		w.busiest.changed = false
		for _, b := range w.busiest.list {
			add(b.Series)
		}
	}
	w.choosing.Unlock()
	room := max(w.room()-len(w.members), 0)
	for _, s := range fresh[min(len(fresh), room):] {
		delete(w.in, s)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = append(w.members, fresh[:min(len(fresh), room)]...)
}

func (w *Window) take(f *frame, second int, p lane.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.passes++
	for i, s := range w.members {
		if s.Type.IsHistogram() {
			f.add(s.Index, second, &p.List[i])
		} else {
			f.set(s.Index, second, &p.List[i])
		}
	}
	w.held = p.Held
	w.evict(f.bucket)
}

// Watch notes that somebody looks at the series. A question about very many looks
// at none of them.
func (w *Window) Watch(list []*admit.Series) {
	if !w.on() || len(list) == 0 {
		return
	}
	if len(list) > MaxWide {
		w.refused.Add(1)
		return
	}
	now := w.opts.Now().UnixMilli()
	w.choosing.Lock()
	defer w.choosing.Unlock()
	if w.watched.look(list, now, now+watchFor) {
		w.refused.Add(1)
	}
}

// Offer names the busiest series of a generation, the busiest first. The list is
// the window's from then on.
func (w *Window) Offer(list []Busy) {
	if !w.on() {
		return
	}
	bound := uint64(0) // of whoever is not in the list
	if n := len(list); n >= MaxBusiest {
		bound = list[n-1].Values
	}
	list = slices.DeleteFunc(list, func(b Busy) bool { return !followed(b.Series.Type) })
	w.choosing.Lock()
	defer w.choosing.Unlock()
	w.busiest.list, w.busiest.changed = rank(w.busiest.list, list, bound, MaxBusiest), true
}

// Rows returns a series' rows of the buckets that lie in [from, to], or in part,
// milliseconds, oldest first.
func (w *Window) Rows(s *admit.Series, from, to int64) (rows []Row) {
	kept, open := w.within(s, from, to)
	rows = make([]Row, 0, len(kept)+len(open))
	for _, p := range kept {
		if r, ok := w.row(p, s.Index); ok {
			rows = append(rows, r)
		}
	}
	return append(rows, open...)
}

// within returns the buckets in [from, to], or in part, and the series' row of the
// open one where that is among them.
func (w *Window) within(s *admit.Series, from, to int64) (kept []*packed, open []Row) {
	misses := func(bucket int64) bool { return bucket+w.opts.Resolution <= from || bucket > to }
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, p := range w.kept {
		if !misses(p.bucket) {
			kept = append(kept, p)
		}
	}
	if w.frame == nil || misses(w.frame.bucket) {
		return kept, nil
	}
	if r, ok := w.frame.row(s.Index); ok {
		open = append(open, r)
	}
	return kept, open
}

func floor(t, step int64) int64 {
	f := t / step * step
	if f > t {
		f -= step
	}
	return f
}
