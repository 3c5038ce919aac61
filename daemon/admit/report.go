package admit

import (
	"cmp"
	"slices"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// Cardinality is how many series there are, whose, and what budgets turned away.
type Cardinality struct {
	Budgets Budgets
	Series  int    // that the budgets count
	Deleted int    // that were deleted, and take memory until the process ends
	Refused uint64 // first sights that became overflow series
	Unnamed uint64 // of those, the ones of names that are not among Offenders
	// Offenders are names beyond a budget, those with most refused first.
	Offenders []Offender
	// Names are those with most series, the most first.
	Names []NameCount
	// Tags are the keys with most values, the most first.
	Tags []TagCount
	// Conflicts are names that came as several types, Conflicting how many there
	// are.
	Conflicts   []Conflict
	Conflicting int
}

// Offender is one name beyond a budget.
type Offender struct {
	Name     string
	Limit    Limit
	Tag      string // the key with most values in what was turned away
	Refused  uint64 // first sights
	Distinct uint64 // series turned away, as estimated
	Sources  []SourceCount
}

// SourceCount is how many first sights a source brought.
type SourceCount struct {
	Source
	Count uint64
}

// NameCount is one name, its series, and the values of its tags among the newest
// of them.
type NameCount struct {
	Name     string
	Series   int
	Types    []protocol.Type
	Conflict bool
	Sampled  int // series that Tags was counted in
	Tags     []TagCount
}

// TagCount is one tag key: values in admitted series, and what was turned away.
type TagCount struct {
	Key      string
	Values   int
	Refused  uint64
	Distinct uint64 // values turned away, as estimated
	Sources  []SourceCount
}

// Conflict is a name with several types.
type Conflict struct {
	Name  string
	Types []TypeSource
}

// TypeSource is a type, and who brought it first; an empty source is unknown.
type TypeSource struct {
	Type   protocol.Type
	Source Source
}

// Cardinality reports with up to limit entries in each list.
func (c *Catalog) Cardinality(limit int) Cardinality {
	c.rerank()
	r, names := c.count(limit)
	for i, list := range names {
		r.Names[i].Sampled, r.Names[i].Tags = tagsOf(list)
	}
	return r
}

// Offenders returns up to limit names beyond a budget, the worst first.
func (c *Catalog) Offenders(limit int) []Offender {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.census.worst(limit)
}

// rerank ranks all names anew where ranked ones have lost series: others may have
// more now. It is left to who asks, for a deletion comes in many parts.
func (c *Catalog) rerank() {
	c.mu.RLock()
	stale := c.census.stale
	c.mu.RUnlock()
	if !stale {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.census
	for _, e := range n.top {
		e.ranked = false
	}
	n.stale, n.top, n.floor = false, n.top[:0], 0
	for _, e := range c.byName {
		if e.counted > 0 {
			n.rank(e)
		}
	}
}

// count reads what the catalog has counted. The series of the names it lists are
// looked at without the lock: they never change.
func (c *Catalog) count(limit int) (r Cardinality, names [][]*Series) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := &c.census
	r = Cardinality{
		Budgets: c.Budgets(), Series: n.counted, Deleted: n.deleted, Refused: c.overflowed.Load(), Unnamed: n.unnamed, Conflicting: n.conflicting,
		Offenders: n.worst(limit), Tags: n.widestTags(limit),
	}
	top := slices.Clone(n.top)
	slices.SortFunc(top, func(a, b *entry) int { return cmp.Or(cmp.Compare(b.counted, a.counted), cmp.Compare(a.name, b.name)) })
	for _, e := range top[:min(len(top), limit)] {
		count := NameCount{Name: e.name, Series: e.counted, Conflict: e.conflict}
		for _, t := range e.types {
			count.Types = append(count.Types, t.typ)
		}
		r.Names = append(r.Names, count)
		names = append(names, e.series[max(len(e.series)-sampledKeys, 0):len(e.series):len(e.series)])
	}
	for _, e := range n.conflicts[:min(len(n.conflicts), limit)] {
		r.Conflicts = append(r.Conflicts, e.conflicts())
	}
	return r, names
}

func (e *entry) conflicts() Conflict {
	c := Conflict{Name: e.name}
	for _, t := range e.types {
		ts := TypeSource{Type: t.typ}
		if t.from != nil {
			ts.Source = *t.from
		}
		c.Types = append(c.Types, ts)
	}
	return c
}

func (c *census) worst(limit int) []Offender {
	var list []Offender
	for _, o := range c.offenders {
		list = append(list, Offender{Name: o.name, Limit: o.limit, Tag: o.tag, Refused: o.refused})
	}
	slices.SortFunc(list, func(a, b Offender) int { return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Name, b.Name)) })
	list = list[:min(len(list), limit)]
	for i := range list {
		o := c.offenders[list[i].Name]
		list[i].Distinct, _ = o.keys.Estimate()
		list[i].Sources = o.from.counts()
	}
	return list
}

func (c *census) widestTags(limit int) []TagCount {
	var list []TagCount
	for key, v := range c.tags {
		list = append(list, TagCount{Key: key, Values: len(v.hashes), Refused: v.refused})
	}
	slices.SortFunc(list, func(a, b TagCount) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(b.Values, a.Values), cmp.Compare(a.Key, b.Key))
	})
	list = list[:min(len(list), limit)]
	for i := range list {
		if v := c.tags[list[i].Key]; v.turned != nil {
			list[i].Distinct, _ = v.turned.Estimate()
			list[i].Sources = v.from.counts()
		}
	}
	return list
}

func (s sources) counts() (list []SourceCount) {
	for _, one := range s {
		list = append(list, SourceCount{*one.Source, one.n})
	}
	slices.SortFunc(list, func(a, b SourceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Address, b.Address))
	})
	return list
}

// tagsOf counts the values of each tag key among some series.
func tagsOf(list []*Series) (sampled int, tags []TagCount) {
	values := map[string]map[string]struct{}{}
	for _, s := range list {
		if s.Gone() {
			continue
		}
		k, err := series.Parse([]byte(s.Key))
		if err != nil {
			continue // the catalog holds none that cannot be parsed
		}
		sampled++
		for _, t := range k.Tags {
			if values[t.Key] == nil {
				values[t.Key] = map[string]struct{}{}
			}
			values[t.Key][t.Value] = struct{}{}
		}
	}
	for key, v := range values {
		tags = append(tags, TagCount{Key: key, Values: len(v)})
	}
	slices.SortFunc(tags, func(a, b TagCount) int { return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Key, b.Key)) })
	return sampled, tags[:min(len(tags), keptTags)]
}

// keptTags bounds the tags that are listed of one name.
const keptTags = 8
