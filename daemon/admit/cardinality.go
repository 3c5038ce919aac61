package admit

import (
	"cmp"
	"slices"

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
	from *Source
}

// tagValues are the values of one tag key.
type tagValues struct {
	hashes  map[uint64]struct{} // of those in admitted series
	turned  *histogram.Set      // of those that were turned away
	refused uint64              // first sights
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
	tags        map[string]*tagValues
	offenders   map[string]*offender
	unnamed     uint64 // first sights of offenders beyond those that are remembered
	conflicts   []*entry
	conflicting int
	known       map[Source]*Source
	top         []*entry
	floor       int // series of the least of top, or fewer
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
			v = &tagValues{hashes: map[uint64]struct{}{}}
			c.tags[tag.Key] = v
		}
		v.hashes[xxh3.HashString(tag.Value)] = struct{}{}
	}
}

// see notes the types of a name; more than one is a conflict.
func (c *census) see(e *entry, t protocol.Type, from *Source) {
	if slices.ContainsFunc(e.types, func(s typeSeen) bool { return s.typ == t }) {
		return
	}
	if e.types == nil {
		e.types = e.one[:0]
	}
	e.types = append(e.types, typeSeen{t, from})
	if len(e.types) != 2 {
		return
	}
	c.conflicting++
	e.conflict = true
	if len(c.conflicts) < maxConflicts {
		c.conflicts = append(c.conflicts, e)
	}
}

// rank keeps the names with most series. Counts only grow, so the floor is never
// above the least of them, and most names never pass it.
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
func (c *census) beyond(b Budgets, e *entry, tags []protocol.Tag) (Limit, string) {
	switch {
	case b.Series > 0 && c.counted >= b.Series:
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
