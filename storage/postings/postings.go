// Package postings finds series by tags: an inverted index in memory, from
// every value of every tag to the bitmap of the ids that have it.
//
// The store keeps the series; an index is made from it and may be thrown away
// at any time.
package postings

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"example.com/nexusctl/protocol/series"
)

// ErrID reports an id that does not fit into 32 bits.
var ErrID = errors.New("the series' id does not fit the index")

// Index is an inverted index, safe for concurrent use. No bitmap of its own
// leaves its lock: what Find returns is the caller's.
type Index struct {
	mu   sync.RWMutex // of what follows, bitmaps and maps alike
	all  *roaring.Bitmap
	gone *roaring.Bitmap               // removed ids, which still stand in tags
	tags map[string]map[string]posting // tag, value
	size int64
}

// New returns an empty index.
func New() *Index {
	return &Index{all: roaring.New(), gone: roaring.New(), tags: map[string]map[string]posting{}}
}

// posting is the ids of one value. Most values of a tag that tells single
// things apart have one id, which needs no bitmap.
type posting struct {
	one  uint32
	more *roaring.Bitmap // nil: one alone
}

func (p posting) count() uint64 {
	if p.more == nil {
		return 1
	}
	return p.more.GetCardinality()
}

// What Size reckons with, bytes: the place of a value in its map, a bitmap with
// its first container, and an id in a container that grows by doubling.
const (
	valueBytes  = 80
	bitmapBytes = 160
	idBytes     = 4
)

// Size returns the memory that the index takes, in bytes, reckoned from above.
func (x *Index) Size() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.size
}

// Len returns how many series the index holds.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.all.GetCardinality())
}

// Stale returns how many removed series still take memory.
func (x *Index) Stale() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.gone.GetCardinality())
}

// Entry is a series on its way into the index.
type Entry struct {
	ID  int64
	Key series.Key
}

// addPart bounds the entries that are put in under one hold of the lock: a
// look-up waits for no more, about a millisecond.
const addPart = 500

// Add puts series in; one that is there already, or was removed, changes
// nothing: ids are not given out twice.
func (x *Index) Add(list ...Entry) error {
	for part := range slices.Chunk(list, addPart) {
		if err := x.addPart(part); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) addPart(list []Entry) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range list {
		if e.ID < 0 || e.ID > math.MaxUint32 {
			return ErrID
		}
		id := uint32(e.ID)
		if x.gone.Contains(id) || !x.all.CheckedAdd(id) {
			continue
		}
		x.size += idBytes
		x.put(series.NameTag, e.Key.Name, id)
		x.put(series.TypeTag, e.Key.Type.String(), id)
		for _, t := range e.Key.Tags {
			x.put(t.Key, t.Value, id)
		}
	}
	return nil
}

// Remove takes series out; ids that are not there are kept out. Their places
// in the values of tags stay until the index is made anew: Stale counts them.
func (x *Index) Remove(ids ...int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range ids {
		if id < 0 || id > math.MaxUint32 {
			continue
		}
		x.all.Remove(uint32(id))
		if x.gone.CheckedAdd(uint32(id)) {
			x.size += idBytes
		}
	}
}

// Tags returns the keys of all tags that a series has or had.
func (x *Index) Tags() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	keys := make([]string, 0, len(x.tags))
	for k := range x.tags {
		if k != series.NameTag && k != series.TypeTag {
			keys = append(keys, k)
		}
	}
	return keys
}

func (x *Index) put(tag, value string, id uint32) {
	values := x.tags[tag]
	if values == nil {
		values = map[string]posting{}
		x.tags[string([]byte(tag))] = values // a copy: the key's bytes are the caller's
		x.size += valueBytes + int64(len(tag))
	}
	p, known := values[value]
	switch {
	case !known:
		values[string([]byte(value))] = posting{one: id}
		x.size += valueBytes + int64(len(value))
	case p.more == nil:
		values[value] = posting{more: roaring.BitmapOf(p.one, id)}
		x.size += bitmapBytes
	default:
		p.more.Add(id)
		x.size += idBytes
	}
}

// Find returns up to limit ids behind after, rising, of the series that every
// matcher takes. A series without a tag has the empty value for it, as in
// Prometheus.
func (x *Index) Find(ms []series.Matcher, after int64, limit int) []int64 {
	if after >= math.MaxUint32 || limit <= 0 {
		return nil
	}
	x.mu.RLock() // what match returns may be the index's own, and is read under the lock
	defer x.mu.RUnlock()
	found := x.match(ms)
	it := found.Iterator()
	if after >= 0 {
		it.AdvanceIfNeeded(uint32(after) + 1)
	}
	ids := make([]int64, 0, min(uint64(limit), found.GetCardinality()))
	for it.HasNext() && len(ids) < limit {
		ids = append(ids, int64(it.Next()))
	}
	return ids
}

// match intersects what the matchers take. Those that name their values come
// first, the rarest before the others: where nothing is left, no expression is
// tried. Callers hold the lock for as long as they read the result, and do not
// change it.
func (x *Index) match(ms []series.Matcher) *roaring.Bitmap {
	var left *roaring.Bitmap // nil: all
	for _, m := range x.order(ms) {
		if left != nil && left.IsEmpty() {
			return left
		}
		left = x.narrow(left, m)
	}
	switch {
	case left == nil:
		return x.all
	case !x.gone.IsEmpty():
		return roaring.AndNot(left, x.gone)
	}
	return left
}

func (x *Index) order(ms []series.Matcher) []series.Matcher {
	cost := func(m series.Matcher) uint64 {
		switch {
		case m.Op == series.Equal && m.Value != "":
			if p, ok := x.tags[m.Tag][m.Value]; ok {
				return p.count()
			}
			return 0
		case m.Op == series.NotEqual && m.Value != "":
			return math.MaxUint32 + 1
		}
		return math.MaxUint32 + 2 + uint64(len(x.tags[m.Tag]))
	}
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b series.Matcher) int { return cmp.Compare(cost(a), cost(b)) })
	return ms
}

// narrow returns those of left that a matcher takes; it changes nothing. A
// series without the tag has the empty value, and stands in no posting: a
// matcher that takes it is answered by what it does not take.
func (x *Index) narrow(left *roaring.Bitmap, m series.Matcher) *roaring.Bitmap {
	empty := m.Matches("")
	picked := x.pick(m, !empty)
	switch {
	case empty && left == nil:
		return roaring.AndNot(x.all, picked)
	case empty:
		return roaring.AndNot(left, picked)
	case left == nil:
		return picked
	}
	return roaring.And(left, picked)
}

// pick joins the postings of the values that the matcher takes, or does not
// take. What it returns may be the index's own and must not be changed.
func (x *Index) pick(m series.Matcher, takes bool) *roaring.Bitmap {
	values := x.tags[m.Tag]
	if named, ok := valuesNamed(m, takes); ok {
		return joinNamed(values, named, m, takes)
	}
	prefix := ""
	if (m.Op == series.Regexp) == takes {
		prefix = Prefix(m.Value)
	}
	return joinTried(values, m, prefix, takes)
}

func joinNamed(values map[string]posting, named []string, m series.Matcher, takes bool) *roaring.Bitmap {
	var u union
	for _, v := range named {
		if p, ok := values[v]; ok && m.Matches(v) == takes {
			u.add(p)
		}
	}
	return u.join()
}

func joinTried(values map[string]posting, m series.Matcher, prefix string, takes bool) *roaring.Bitmap {
	var u union
	for v, p := range values {
		if len(v) >= len(prefix) && v[:len(prefix)] == prefix && m.Matches(v) == takes {
			u.add(p)
		}
	}
	return u.join()
}

// union gathers postings to be joined.
type union struct {
	single  []uint32
	bitmaps []*roaring.Bitmap
}

func (u *union) add(p posting) {
	if p.more == nil {
		u.single = append(u.single, p.one)
		return
	}
	u.bitmaps = append(u.bitmaps, p.more)
}

func (u *union) join() *roaring.Bitmap {
	if len(u.single) > 0 {
		slices.Sort(u.single)
		u.bitmaps = append(u.bitmaps, roaring.BitmapOf(u.single...))
	}
	if len(u.bitmaps) == 1 {
		return u.bitmaps[0]
	}
	return roaring.FastOr(u.bitmaps...)
}
