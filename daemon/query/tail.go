package query

import (
	"container/list"
	"math"
	"slices"
	"sync"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

const (
	// tailBudget bounds the memory of all tails, bytes.
	tailBudget = 32 << 20
	// maxTail is how far back a tail may begin, milliseconds: what a dashboard of an
	// hour asks, with the time over which values hold.
	maxTail = 90 * 60 * 1000
	// maxMade is how many tails one read makes: a question about more series is not
	// asked again and again.
	maxMade = 1000
	// pointBytes is what a point takes without its sketch, tailOverhead a tail beside
	// its points.
	pointBytes, tailOverhead = 112, 400
)

// tail is what the store holds of one series up to one flush of each daemon, its
// end decoded: the points from one time on, and the newest one before it; what is
// older is in the counter's base. It never changes: what comes later makes another
// one of it, which takes the flushes' blocks from the head.
type tail struct {
	flushed uint64         // the last generation of this daemon that it holds
	reach   *storage.Reach // and of the others; it may be ahead of who follows them
	again   uint64         // Head.Again, as it was before the tail was read
	day     int64          // from when on the store was read; before lies the base of the store
	from    int64          // bucket starts from here on are points, Unix milliseconds
	span    int64          // by how much from lies before now
	base    storage.Base
	chunks  []block.Point            // reduced, by time
	writers map[string][]block.Point // likewise
}

// tailOf makes a tail of the points that were read of a series; t is all else.
func tailOf(p *pile, t tail, from int64) *tail {
	t.from, t.writers = math.MinInt64, map[string][]block.Point{}
	t.chunks = reduce(p.chunks, block.MergeWriters)
	for w, points := range p.writers {
		t.writers[w] = reduce(points, block.Merge)
	}
	t.begin(from)
	t.own()
	return &t
}

// begin puts what lies before a time into the base, but for the newest bucket of
// that: a last value may be as old as it likes.
func (t *tail) begin(from int64) {
	from = max(from, t.from) // and again where something older came late
	t.from = from
	first := t.newestBefore(from)
	t.chunks = gather(t.chunks, first, &t.base)
	for w, points := range t.writers {
		t.writers[w] = gather(points, first, &t.base)
	}
}

// newestBefore returns the time of the newest bucket before a time, the least there is
// where there is none.
func (t *tail) newestBefore(from int64) int64 {
	first := int64(math.MinInt64)
	newest := func(points []block.Point) {
		if i, _ := slices.BinarySearchFunc(points, from, byTime); i > 0 {
			first = max(first, points[i-1].Time)
		}
	}
	newest(t.chunks)
	for _, points := range t.writers {
		newest(points)
	}
	return first
}

// gather puts the points before a time into a base, and returns the others.
func gather(points []block.Point, before int64, base *storage.Base) []block.Point {
	i, _ := slices.BinarySearchFunc(points, before, byTime)
	for k := range points[:i] {
		base.Sum += points[k].Sum
		base.Neg += points[k].Neg
	}
	return points[i:]
}

// own copies the points out of the arrays that they were decoded into, and the
// sketches out of the blocks, which would all stay for a few of them.
func (t *tail) own() {
	t.chunks = ownPoints(t.chunks)
	for w, points := range t.writers {
		if len(points) == 0 {
			delete(t.writers, w)
			continue
		}
		t.writers[w] = ownPoints(points)
	}
}

func ownPoints(points []block.Point) []block.Point {
	out := slices.Clone(points)
	for i := range out {
		out[i].Sketch = slices.Clone(out[i].Sketch)
	}
	return out
}

// covers tells whether the tail has what is wanted one by one from a time on, and
// of the newest value before that what there is from a day on.
func (t *tail) covers(day, from int64) bool { return t.from <= from && t.day <= day }

// next returns the tail with the points of later flushes, up to a moment.
func (t *tail) next(points map[string][]block.Point, m *moment) *tail {
	n := *t
	n.flushed, n.reach = m.win.Flushed, m.reach.Join(t.reach)
	n.writers = make(map[string][]block.Point, len(t.writers)+len(points))
	for w, list := range t.writers {
		n.writers[w] = list
	}
	for w, list := range points {
		n.writers[w] = reduce(slices.Concat(t.writers[w], ownPoints(list)), block.Merge)
	}
	n.begin(m.now - n.span)
	return &n
}

// points returns what the tail holds from the newest bucket before a time on, with what
// this daemon has not stored yet, as one point a bucket, and what a counter had gathered
// before them. They are copies, for what a read returns is the caller's; the sketches are
// shared.
func (t *tail) points(need int64, writer string, fresh []block.Point) ([]block.Point, storage.Base) {
	base, first := t.base, t.newestBefore(need)
	if own := t.writers[writer]; len(t.chunks) == 0 && len(t.writers) <= 1 && (own != nil || len(t.writers) == 0) {
		own = gather(own, first, &base)
		out := make([]block.Point, 0, len(own)+len(fresh))
		return reduce(append(append(out, own...), fresh...), block.Merge), base
	}
	p := &pile{chunks: slices.Clone(gather(t.chunks, first, &base)), writers: make(map[string][]block.Point, len(t.writers)+1)}
	for w, points := range t.writers {
		p.writers[w] = slices.Clone(gather(points, first, &base))
	}
	p.writers[writer] = append(p.writers[writer], fresh...)
	return p.reduce(), base
}

func (t *tail) bytes() (n int64) {
	n = tailOverhead + sizeOf(t.chunks)
	for _, points := range t.writers {
		n += sizeOf(points)
	}
	return n
}

func sizeOf(points []block.Point) (n int64) {
	for i := range points {
		n += pointBytes + int64(len(points[i].Sketch))
	}
	return n
}

// tails holds the tails of the series that were asked for last, by the store's id,
// under a budget of bytes.
type tails struct {
	mu     sync.Mutex
	budget int64
	byID   map[int64]*list.Element
	recent *list.List // of *held, the last asked for first
	stats  TailStats
}

// TailStats tell how the memory of recent points does.
type TailStats struct {
	Bytes   int64  // held now
	Series  int    // of which something is held
	Hits    uint64 // reads of a series without the store
	Misses  uint64 // reads of a series that could have been, and went to the store
	Evicted uint64 // series given up for others
}

type held struct {
	id    int64
	tail  *tail
	bytes int64
}

func newTails(budget int64) *tails {
	return &tails{budget: budget, byID: map[int64]*list.Element{}, recent: list.New()}
}

// get returns a series' tail, nil where there is none.
func (s *tails) get(id int64) *tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil {
		return nil
	}
	s.recent.MoveToFront(e)
	return e.Value.(*held).tail
}

// put holds a tail in the place of an older one, and of one that reaches less far
// back.
func (s *tails) put(id int64, t *tail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[id]
	if e == nil {
		e = s.recent.PushFront(&held{id: id})
		s.byID[id] = e
	}
	h := e.Value.(*held)
	if old := h.tail; old != nil && old.again == t.again && old.flushed >= t.flushed && old.reach.Covers(t.reach) && old.covers(t.day, t.from) {
		return
	}
	s.stats.Bytes -= h.bytes
	h.tail, h.bytes = t, t.bytes()
	s.stats.Bytes += h.bytes
	for s.stats.Bytes > s.budget {
		s.evict(s.recent.Back())
		s.stats.Evicted++
	}
}

func (s *tails) evict(e *list.Element) {
	h := s.recent.Remove(e).(*held)
	delete(s.byID, h.id)
	s.stats.Bytes -= h.bytes
}

// count adds to the counters.
func (s *tails) count(hits, misses int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Hits += uint64(hits)
	s.stats.Misses += uint64(misses)
}

func (s *tails) now() TailStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Series = len(s.byID)
	return out
}
