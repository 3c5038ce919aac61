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
// store's id, the Ordered flag and the references, which only grow.
type Series struct {
	Index uint32 // dense in this process, from 0
	Key   string // canonical bytes, as series.Key.Append gives them
	Type  protocol.Type
	Own   bool // one of the daemon's own signals: outside the ledger and the budget

	// Ordered is set once a gauge has seen a delta: from then on its changes
	// go through the log's order over all lanes, not through a lane's table.
	Ordered atomic.Bool

	id   atomic.Int64
	mu   sync.Mutex
	refs []LaneRef
	few  [2]LaneRef // where refs begin: most series have no more
}

// LaneRef is a reference under which one lane knows a series.
type LaneRef struct {
	Lane int32
	Ref  uint32
}

// ID returns the store's id, 0 while the series has none.
func (s *Series) ID() int64 { return s.id.Load() }

// SetID records the store's id.
func (s *Series) SetID(id int64) { s.id.Store(id) }

// Refs returns the references under which the lanes know the series.
func (s *Series) Refs() []LaneRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs[:len(s.refs):len(s.refs)]
}

func (s *Series) addRef(r LaneRef) {
	s.mu.Lock()
	if s.refs == nil {
		s.refs = s.few[:0]
	}
	s.refs = append(s.refs, r)
	s.mu.Unlock()
}

// Catalog holds every series of the process. It is safe for concurrent use;
// the lanes come here on the first sight of a series only.
type Catalog struct {
	budgets atomic.Pointer[Budgets]

	mu     sync.RWMutex
	byKey  map[string]*Series
	byName map[string]*entry
	all    []*Series
	own    []*Series
	census census

	overflowed atomic.Uint64
}

// NewCatalog returns an empty catalog that admits up to budget series; beyond
// it Admit answers with overflow series.
func NewCatalog(budget int) *Catalog {
	c := &Catalog{byKey: map[string]*Series{}, byName: map[string]*entry{}, census: newCensus()}
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
	if s := c.lookup(key); s != nil {
		return s, nil
	}
	k, err := series.Parse(key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(key, k, nil), nil
}

// Admit returns the series for m, whose canonical key is key, or the overflow
// series that takes its place beyond a budget. from says whom m is from; it is
// called where a series is new, and may be nil.
func (c *Catalog) Admit(m *protocol.Metric, key []byte, from func() Source) *Series {
	if s := c.lookup(key); s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.byKey[string(key)]; s != nil {
		return s
	}
	limit, tag := LimitNone, ""
	if !isOwn(string(m.Name)) {
		limit, tag = c.census.beyond(c.Budgets(), c.byName[string(m.Name)], m.Tags)
	}
	source := c.census.intern(from)
	if limit == LimitNone {
		return c.add(key, keyOf(m), source)
	}
	c.overflowed.Add(1)
	c.census.refuse(limit, tag, m, key, source)
	over := series.Key{Name: overflowName, Type: m.Type, Tags: []series.Tag{{Key: OverflowTag, Value: "true"}}}
	if limit != LimitSeries || c.byName[string(m.Name)] != nil {
		over.Name = string(m.Name)
	}
	return c.add(over.Append(nil), over, source)
}

func keyOf(m *protocol.Metric) series.Key {
	k := series.Key{Name: string(m.Name), Type: m.Type}
	for _, t := range m.Tags {
		k.Tags = append(k.Tags, series.Tag{Key: string(t.Key), Value: string(t.Value)})
	}
	return k
}

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

// Lookup returns the series of a canonical key, nil where this process has not
// seen it.
func (c *Catalog) Lookup(key []byte) *Series { return c.lookup(key) }

func (c *Catalog) lookup(key []byte) *Series {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byKey[string(key)]
}

func (c *Catalog) add(key []byte, k series.Key, from *Source) *Series {
	if s := c.byKey[string(key)]; s != nil {
		return s
	}
	s := &Series{Index: uint32(len(c.all)), Key: string(key), Type: k.Type, Own: isOwn(k.Name)}
	if s.Own {
		c.own = append(c.own, s)
	}
	e := c.byName[k.Name]
	if e == nil {
		e = &entry{name: k.Name}
		c.byName[k.Name] = e
	}
	c.byKey[s.Key] = s
	e.series = append(e.series, s)
	c.all = append(c.all, s)
	if budgeted(k.Name, k.Tags) {
		c.census.admit(e, k.Type, k.Tags, from)
	}
	return s
}
