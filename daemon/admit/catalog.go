// Package admit is the one decision for every door: whether a parsed metric is
// taken, and under which local reference the log and the tables will know it.
//
// A Catalog names every series this process has seen; a Lane maps what one
// worker reads onto it. Both speak of local references only: the store's ids
// come later, at the flush, so a store that is away blocks nothing.
package admit

import (
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// OverflowTag marks the series that keeps the sums of whatever the cardinality
// budget turned away.
const OverflowTag = "nexus_overflow"

// overflowName stands in for names that are themselves beyond the budget.
const overflowName = "nexus.overflow"

// isOwn reports a name of the daemon's own signals. Overflow series bear a
// name of ours and hold what senders sent, so they are not.
func isOwn(name string) bool {
	return strings.HasPrefix(name, protocol.ReservedPrefix) && name != overflowName
}

// Series is one series of this process. Its fields never change but for the
// store's id, whether it was deleted and whether it is ordered.
//
// It takes 40 bytes: there may be millions, and every byte is a megabyte.
type Series struct {
	Key   string // canonical bytes, as series.Key.Append gives them
	id    atomic.Int64
	Index uint32 // dense in this process, from 0
	marks atomic.Uint32
	Type  protocol.Type
	Own   bool // one of the daemon's own signals: outside the ledger and the budget
}

// What may become of a series.
const (
	gone    = 1 << iota // deleted, and not seen since
	ordered             // a gauge that has seen a delta
)

// Ordered reports a gauge that has seen a delta: from then on its changes go through
// the log's order over all lanes, not through a lane's table.
func (s *Series) Ordered() bool { return s.marks.Load()&ordered != 0 }

// SetOrdered says that the gauge has seen a delta.
func (s *Series) SetOrdered() { s.marks.Or(ordered) }

// Bytes returns the key without a copy of it. It must not be written to.
func (s *Series) Bytes() []byte { return unsafe.Slice(unsafe.StringData(s.Key), len(s.Key)) }

// ID returns the store's id, 0 while the series has none.
func (s *Series) ID() int64 { return s.id.Load() }

// SetID records the store's id. Of a series that may have been deleted
// Catalog.Store has to do it.
func (s *Series) SetID(id int64) { s.id.Store(id) }

// Gone reports a series that was deleted and not seen since: whoever lists
// series leaves it out.
func (s *Series) Gone() bool { return s.marks.Load()&gone != 0 }

// Catalog holds every series of the process. It is safe for concurrent use;
// the lanes come here on the first sight of a series only.
type Catalog struct {
	budgets atomic.Pointer[Budgets]

	mu     sync.RWMutex
	byKey  index
	byName map[string]*entry
	all    []*Series
	own    []*Series
	census census
	shelf  shelf
	tags   []series.Tag // scratch

	overflowed atomic.Uint64
	deletions  uint64    // how often series were deleted
	returned   []*Series // that came again since the last time
}

// NewCatalog returns an empty catalog that admits up to budget series; beyond
// it Admit answers with overflow series.
func NewCatalog(budget int) *Catalog {
	c := &Catalog{byKey: newIndex(), byName: map[string]*entry{}, census: newCensus()}
	c.SetBudgets(Budgets{Series: max(budget, 0)})
	return c
}

// SetBudgets changes how many series are admitted. Those that are stay.
func (c *Catalog) SetBudgets(b Budgets) { c.budgets.Store(&b) }

// Budgets returns how many series are admitted.
func (c *Catalog) Budgets() Budgets { return *c.budgets.Load() }

// Intern returns the series of a canonical key and adds it where it is new,
// whatever the budget: the log has admitted it before.
func (c *Catalog) Intern(key []byte) (*Series, error) {
	h := c.byKey.hash(key)
	if s := c.lookup(h, key); s != nil {
		return s, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := series.View(unsafe.String(unsafe.SliceData(key), len(key)), c.tags); err != nil {
		return nil, err
	}
	return c.add(h, key, nil), nil
}

// Admit returns the series for m, whose canonical key is key, or the overflow
// series that takes its place beyond a budget. from says whom m is from; it is
// called where a series is new, and may be nil.
func (c *Catalog) Admit(m *protocol.Metric, key []byte, from func() Source) *Series {
	h := c.byKey.hash(key)
	if s := c.lookup(h, key); s != nil && !s.Gone() {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, limit := c.take(h, m, key, from)
	if limit == LimitNone {
		return s
	}
	over := series.Key{Name: overflowName, Type: m.Type, Tags: []series.Tag{{Key: OverflowTag, Value: "true"}}}
	if limit != LimitSeries || c.byName[string(m.Name)] != nil {
		over.Name = string(m.Name)
	}
	key = over.Append(nil)
	s = c.add(c.byKey.hash(key), key, c.census.intern(from))
	c.comeBack(s, nil)
	return s
}

// take returns the series of a sender's metric where budgets have room for it: one
// that was deleted takes a place again. Callers hold the lock.
func (c *Catalog) take(h uint64, m *protocol.Metric, key []byte, from func() Source) (*Series, Limit) {
	s := c.byKey.find(h, key, c.all)
	if s != nil && !s.Gone() {
		return s, LimitNone // another lane has just brought it
	}
	limit, tag := LimitNone, ""
	if !isOwn(string(m.Name)) {
		limit, tag = c.census.beyond(c.Budgets(), c.byName[string(m.Name)], m.Tags)
	}
	source := c.census.intern(from)
	switch {
	case limit != LimitNone:
		c.overflowed.Add(1)
		c.census.refuse(limit, tag, m, key, source)
		return nil, limit
	case s == nil:
		return c.add(h, key, source), limit
	}
	c.comeBack(s, source)
	return s, limit
}

// Delete marks series as gone, without an id, and frees their places in the
// budgets. A lane must forget all its spellings after this: of those that were
// deleted Admit would not hear when they come again, and those that were turned
// away would go to overflow series for ever.
func (c *Catalog) Delete(list []*Series) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := freed{names: map[string]struct{}{}, keys: map[string]struct{}{}}
	for _, s := range list {
		s.SetID(0)
		if s.marks.Or(gone)&gone != 0 {
			continue
		}
		c.census.deleted++
		k, _ := series.View(s.Key, c.tags)
		if c.tags = k.Tags; budgeted(k.Name, k.Tags) {
			c.census.leave(c.byName[k.Name], k.Type, k.Tags, &f)
		}
	}
	c.census.reconsider(&f)
	c.deletions++
	c.returned = nil
}

// Rest marks every series without an id as gone: what a log brought back and
// what was stored of it has one, so the store knows it, or it was deleted. It is
// for a start, when nothing waits to be stored.
func (c *Catalog) Rest() {
	var list []*Series
	for _, s := range c.Snapshot() {
		if s.ID() == 0 {
			list = append(list, s)
		}
	}
	c.Delete(list)
}

// Return says that a series is there, which may have been deleted, whatever the
// budgets: something was taken of it.
func (c *Catalog) Return(s *Series) {
	if !s.Gone() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.comeBack(s, nil)
}

// Store records the store's id of a series. One that gets an id is there.
func (c *Catalog) Store(s *Series, id int64) {
	if id != 0 {
		c.Return(s)
	}
	s.SetID(id)
}

// comeBack counts a series again that was deleted. Callers hold the lock.
func (c *Catalog) comeBack(s *Series, from *Source) {
	if s.marks.And(^uint32(gone))&gone == 0 {
		return // it was there, or another lane says so
	}
	c.census.deleted--
	c.returned = append(c.returned, s)
	k, _ := series.View(s.Key, c.tags)
	if c.tags = k.Tags; budgeted(k.Name, k.Tags) {
		c.census.admit(c.byName[k.Name], k.Type, k.Tags, from)
	}
}

// Returned returns how often series were deleted, and which of them came again
// since the last time. The slice must not be changed.
func (c *Catalog) Returned() (deletions uint64, list []*Series) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.deletions, c.returned[:len(c.returned):len(c.returned)]
}

// Lookup returns the series of a canonical key, nil where there is none.
func (c *Catalog) Lookup(key []byte) *Series { return c.lookup(c.byKey.hash(key), key) }

// At returns the series with the index.
func (c *Catalog) At(index uint32) *Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[index]
}

// Snapshot returns all series seen so far, by index. The slice must not be
// changed.
func (c *Catalog) Snapshot() []*Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[:len(c.all):len(c.all)]
}

// ByName returns the series of one name.
func (c *Catalog) ByName(name string) []*Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := c.byName[name]
	if e == nil {
		return nil
	}
	return e.series[:len(e.series):len(e.series)]
}

// Own returns the daemon's own series. The slice must not be changed.
func (c *Catalog) Own() []*Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.own[:len(c.own):len(c.own)]
}

// Len returns the number of series.
func (c *Catalog) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.all)
}

// Overflowed returns how many first sights the budget has turned away.
func (c *Catalog) Overflowed() uint64 { return c.overflowed.Load() }

func (c *Catalog) lookup(hash uint64, key []byte) *Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKey.find(hash, key, c.all)
}

// add adds a series of a valid key, where there is none yet. hash is the key's.
func (c *Catalog) add(hash uint64, key []byte, from *Source) *Series {
	if s := c.byKey.find(hash, key, c.all); s != nil {
		return s
	}
	s := c.shelf.oneSeries()
	s.Index, s.Key = uint32(len(c.all)), c.shelf.key(key)
	k, _ := series.View(s.Key, c.tags)
	c.tags = k.Tags
	s.Type, s.Own = k.Type, isOwn(k.Name)
	if s.Own {
		c.own = append(c.own, s)
	}
	e := c.named(k.Name)
	e.add(s)
	c.all = append(c.all, s)
	c.byKey.insert(hash, c.all)
	if budgeted(k.Name, k.Tags) {
		c.census.admit(e, k.Type, k.Tags, from)
	}
	return s
}

// named returns the entry of a name, which is a part of a key on the shelf.
func (c *Catalog) named(name string) *entry {
	e := c.byName[name]
	if e == nil {
		e = c.shelf.entry()
		e.name = name
		c.byName[name] = e
	}
	return e
}
