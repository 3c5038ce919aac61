package admit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
)

// Budgets bound the series of a process: all of them, those of one name, and the
// values of one tag key over all names. 0 is no bound of its own.
type Budgets struct{ Series, NameSeries, TagValues int }

// Limit is which budget a series was beyond. The set is closed.
type Limit string

// The budgets.
const (
	LimitNone   Limit = ""
	LimitSeries Limit = "series"     // of the process
	LimitName   Limit = "name"       // of one name
	LimitTag    Limit = "tag_values" // of one tag key
)

// Bounds of what is remembered about cardinality itself.
const (
	maxOffenders = 1000   // names that were turned into overflow series
	maxConflicts = 1000   // names with several types
	maxTagKeys   = 10_000 // whose values are counted
	maxSources   = 4096   // told apart
	maxTopNames  = 128    // ranked by their series
	keptSources  = 8      // of one offender
	keptDeleted  = 10_000 // deleted series beside which nothing is refused, whatever the budget
	sampledKeys  = 2000   // series of a name that are looked at for its tags
)

// budgeted reports a series that the budgets count: a sender's, and no overflow.
func budgeted(name string, tags []series.Tag) bool {
	if isOwn(name) || name == overflowName {
		return false
	}
	return len(tags) != 1 || tags[0].Key != OverflowTag
}

// entry is what the catalog knows of one name.
type entry struct {
	name     string
	series   []*Series
	first    [1]*Series // where series begins: many names have no more
	counted  int        // of them, those that budgets count
	types    []typeSeen
	one      [1]typeSeen // where types begins
	ranked   bool
	conflict bool
}

func (e *entry) add(s *Series) {
	if e.series == nil {
		e.series = e.first[:0]
	}
	if n := len(e.series); n == cap(e.series) && n >= fewSeries {
		e.series = slices.Grow(e.series, n/8) // append would leave a quarter of them free
	}
	e.series = append(e.series, s)
}

// fewSeries is how many series of a name are worth no care.
const fewSeries = 16

// typeSeen is a type under which a name came, and who brought it first; nil
// where nobody knows, as after a restart.
type typeSeen struct {
	typ  protocol.Type
	n    uint32 // series
	from *Source
}

// tagValues are the values of one tag key.
type tagValues struct {
	hashes  map[uint64]uint32 // of those in admitted series: in how many
	turned  *histogram.Set    // of those that were turned away
	refused uint64            // first sights
	from    sources
}

// offender is a name beyond a budget.
type offender struct {
	name    string
	limit   Limit
	tag     string // the key with most values among those of the last series
	refused uint64
	keys    *histogram.Set // of what was turned away
	from    sources
}

// sources counts first sights by who brought them: the eight that brought most,
// or nearly, for one that comes new takes the place and the count of the least.
type sources []sourceCount

type sourceCount struct {
	*Source
	n uint64
}

func (s *sources) add(from *Source) {
	if from == nil {
		return
	}
	least := 0
	for i := range *s {
		if (*s)[i].Source == from {
			(*s)[i].n++
			return
		}
		if (*s)[i].n < (*s)[least].n {
			least = i
		}
	}
	if len(*s) < keptSources {
		*s = append(*s, sourceCount{from, 1})
		return
	}
	(*s)[least] = sourceCount{from, (*s)[least].n + 1}
}

// census is what the catalog counts to hold senders to budgets and to name those
// that pass them. All of it is under the catalog's lock.
type census struct {
	counted     int // series that budgets count
	deleted     int // series that are not there any more
	tags        map[string]*tagValues
	offenders   map[string]*offender
	unnamed     uint64 // first sights of offenders beyond those that are remembered
	conflicts   []*entry
	conflicting int
	known       map[Source]*Source
	top         []*entry
	floor       int  // series of the least of top, or fewer
	stale       bool // names of top have lost series since they were ranked
}

func newCensus() census {
	return census{tags: map[string]*tagValues{}, offenders: map[string]*offender{}, known: map[Source]*Source{}}
}

// others stands for sources beyond those that are told apart.
var others = &Source{Listener: "others"}

// intern returns one Source for equal ones.
func (c *census) intern(from func() Source) *Source {
	if from == nil {
		return nil
	}
	s := from()
	if known := c.known[s]; known != nil {
		return known
	}
	if len(c.known) >= maxSources {
		return others
	}
	c.known[s] = &s
	return &s
}

// admit counts a series that was added to a name.
func (c *census) admit(e *entry, t protocol.Type, tags []series.Tag, from *Source) {
	e.counted++
	c.counted++
	c.rank(e)
	c.see(e, t, from)
	for _, tag := range tags {
		v := c.tags[tag.Key]
		if v == nil {
			if len(c.tags) >= maxTagKeys {
				continue
			}
			v = &tagValues{hashes: map[uint64]uint32{}}
			c.tags[tag.Key] = v
		}
		v.hashes[xxh3.HashString(tag.Value)]++
	}
}

// freed is where a deletion has made room.
type freed struct {
	names map[string]struct{}
	keys  map[string]struct{} // of tags that have fewer values now
}

// leave takes a series that was deleted out of what admit has counted. A tag key
// that was one too many when the series came may be counted low by it.
func (c *census) leave(e *entry, t protocol.Type, tags []series.Tag, f *freed) {
	e.counted--
	c.counted--
	f.names[e.name] = struct{}{}
	if e.ranked {
		c.stale, c.floor = true, 0
	}
	c.unsee(e, t)
	for _, tag := range tags {
		v, h := c.tags[tag.Key], xxh3.HashString(tag.Value)
		if v == nil || v.hashes[h] == 0 {
			continue
		}
		if v.hashes[h]--; v.hashes[h] > 0 {
			continue
		}
		delete(v.hashes, h)
		f.keys[strings.Clone(tag.Key)] = struct{}{}
	}
}

// reconsider forgets who was beyond a budget in which there is room now: they come
// again, and what is still beyond it is counted anew.
func (c *census) reconsider(f *freed) {
	if len(f.names) == 0 {
		return
	}
	for key := range f.keys {
		v := c.tags[key]
		v.turned, v.refused, v.from = nil, 0, nil
		if len(v.hashes) == 0 {
			delete(c.tags, key)
		}
	}
	for name, o := range c.offenders {
		_, roomForName := f.names[name]
		_, roomForTag := f.keys[o.tag]
		if o.limit == LimitSeries || o.limit == LimitName && roomForName || o.limit == LimitTag && roomForTag {
			c.unnamed += o.refused
			delete(c.offenders, name)
		}
	}
}

// unsee forgets a type of a name with the last series of it.
func (c *census) unsee(e *entry, t protocol.Type) {
	i := slices.IndexFunc(e.types, func(s typeSeen) bool { return s.typ == t })
	if e.types[i].n--; e.types[i].n > 0 {
		return
	}
	e.types = slices.Delete(e.types, i, i+1)
	if len(e.types) != 1 {
		return
	}
	c.conflicting--
	e.conflict = false
	if i := slices.Index(c.conflicts, e); i >= 0 {
		c.conflicts = slices.Delete(c.conflicts, i, i+1)
	}
}

// see notes the types of a name; more than one is a conflict.
func (c *census) see(e *entry, t protocol.Type, from *Source) {
	if i := slices.IndexFunc(e.types, func(s typeSeen) bool { return s.typ == t }); i >= 0 {
		e.types[i].n++
		return
	}
	if e.types == nil {
		e.types = e.one[:0]
	}
	e.types = append(e.types, typeSeen{t, 1, from})
	if len(e.types) != 2 {
		return
	}
	c.conflicting++
	e.conflict = true
	if len(c.conflicts) < maxConflicts {
		c.conflicts = append(c.conflicts, e)
	}
}

// rank keeps the names with most series. Their counts only grow while the floor
// stands, so it is never above the least of them, and most names never pass it.
func (c *census) rank(e *entry) {
	if e.ranked || (len(c.top) == maxTopNames && e.counted <= c.floor) {
		return
	}
	if len(c.top) < maxTopNames {
		c.top = append(c.top, e)
		e.ranked = true
		return
	}
	least := slices.MinFunc(c.top, func(a, b *entry) int { return cmp.Compare(a.counted, b.counted) })
	if c.floor = least.counted; e.counted <= c.floor {
		return
	}
	least.ranked, e.ranked = false, true
	c.top[slices.Index(c.top, least)] = e
}

// beyond says which budget a new series would pass, and the tag key that does.
// Deleted series keep their memory until the process ends. Those beyond as many
// again count, or deleting and naming in turn would pass any bound.
func (c *census) beyond(b Budgets, e *entry, tags []protocol.Tag) (Limit, string) {
	switch {
	case b.Series > 0 && c.counted+max(c.deleted-max(b.Series, keptDeleted), 0) >= b.Series:
		return LimitSeries, ""
	case b.NameSeries > 0 && e != nil && e.counted >= b.NameSeries:
		return LimitName, ""
	case b.TagValues == 0:
		return LimitNone, ""
	}
	for _, t := range tags {
		v := c.tags[string(t.Key)]
		if v == nil || len(v.hashes) < b.TagValues {
			continue
		}
		if _, known := v.hashes[xxh3.Hash(t.Value)]; !known {
			return LimitTag, string(t.Key)
		}
	}
	return LimitNone, ""
}

// refuse counts a first sight that a budget turned away.
func (c *census) refuse(limit Limit, tag string, m *protocol.Metric, key []byte, from *Source) {
	if limit == LimitTag {
		v := c.tags[tag]
		if v.turned == nil {
			v.turned = histogram.NewSet()
		}
		v.refused++
		v.from.add(from)
		i := slices.IndexFunc(m.Tags, func(t protocol.Tag) bool { return string(t.Key) == tag })
		v.turned.AddHash(xxh3.Hash(m.Tags[i].Value))
	} else {
		tag = c.widest(m.Tags)
	}
	o := c.offenders[string(m.Name)]
	if o == nil {
		if len(c.offenders) >= maxOffenders {
			c.unnamed++
			return
		}
		o = &offender{name: string(m.Name), keys: histogram.NewSet()}
		c.offenders[o.name] = o
	}
	o.limit, o.tag = limit, tag
	o.refused++
	o.keys.AddHash(xxh3.Hash(key))
	o.from.add(from)
}

// widest returns the key with most values among some tags.
func (c *census) widest(tags []protocol.Tag) (key string) {
	most := 0
	for _, t := range tags {
		if v := c.tags[string(t.Key)]; v != nil && len(v.hashes) > most {
			key, most = string(t.Key), len(v.hashes)
		}
	}
	return key
}
