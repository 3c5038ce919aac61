package admit

import (
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/scan"
	"example.com/nexusctl/protocol/series"
)

// maxRates bounds the sampling rates that get references of their own in one
// lane. Rates beyond them travel with each sample: a sender that makes up
// rates must not make up references.
const maxRates = 16

// Lane is one worker's view of the catalog: references, numbered from 0, each
// for a series at a sampling rate. It belongs to one goroutine.
type Lane struct {
	number  int
	catalog *Catalog
	aliases *aliases
	series  []uint32 // by reference, the series' index
	refs    refs
	rates   map[float64]struct{}
	key     []byte
	from    func() Source // of what comes now; may be nil
}

// NewLane returns a lane without references. It keeps up to maxAliases raw
// spellings.
func NewLane(number int, c *Catalog, maxAliases int) *Lane {
	return newLane(number, c, newAliases(maxAliases, newSpellings(1, maxAliases), 0))
}

// NewLanes returns lanes numbered from 0 that keep the spellings which several of
// them meet once.
func NewLanes(n int, c *Catalog, maxAliases int) []*Lane {
	var shared *spellings
	lanes := make([]*Lane, n)
	for i := range lanes {
		if i%sharingLanes == 0 {
			shared = newSpellings(min(n-i, sharingLanes), maxAliases)
		}
		lanes[i] = newLane(i, c, newAliases(maxAliases, shared, i%sharingLanes))
	}
	return lanes
}

func newLane(number int, c *Catalog, a *aliases) *Lane {
	return &Lane{number: number, catalog: c, aliases: a, rates: map[float64]struct{}{1: {}}}
}

// Find looks up the spellings of up to scan.GroupSize lines of buf that Remember was
// given, and fills found, one for each line.
func (l *Lane) Find(buf []byte, lines []scan.Line, found []Alias) { l.aliases.find(buf, lines, found) }

// Remember makes later look-ups of the spelling find the reference. Spellings
// that are known already come again where the quick path may not take the line,
// as with a gauge's delta: a second entry would lengthen every later probe.
func (l *Lane) Remember(name, suffix []byte, ref uint32) {
	if _, known := l.aliases.lookup(name, suffix); !known {
		s := l.Series(ref)
		l.aliases.insert(s.Index, name, suffix, Alias{Ref: ref, Type: s.Type})
	}
}

// Forget forgets every spelling, as a change of the limits demands: what they
// allowed once they may not allow now.
func (l *Lane) Forget() { l.aliases.reset() }

// Series returns the series behind a reference of this lane.
func (l *Lane) Series(ref uint32) *Series { return l.catalog.At(l.series[ref]) }

// Index returns the index of that series.
func (l *Lane) Index(ref uint32) uint32 { return l.series[ref] }

// Refs appends the references under which the lane knows a series, by rising
// reference. Unlike everything else here it may be called by anybody.
func (l *Lane) Refs(dst []uint32, s *Series) []uint32 { return l.refs.all(dst, s.Index) }

// NextRef returns the reference that the next definition will get.
func (l *Lane) NextRef() uint32 { return uint32(len(l.series)) }

// From says whom the metrics that follow are from. The function is called where
// one of them makes a series, and may be nil.
func (l *Lane) From(from func() Source) { l.from = from }

// Admission is the answer for one metric.
type Admission struct {
	Ref    uint32
	Series *Series
	// Rate is the rate that samples must carry themselves, because it has no
	// reference of its own; 0 where the reference has it.
	Rate float64
	// New says that Def introduces Ref and must be logged before its use.
	New bool
	Def record.Def
}

// Admit decides on a parsed metric: its series, within the budget, and the
// reference. It may reorder m.Tags.
func (l *Lane) Admit(m *protocol.Metric) Admission {
	l.key = series.AppendMetric(l.key[:0], m)
	s := l.catalog.Admit(m, l.key, l.from)
	rate, own := l.rate(m.Rate)
	return l.refer(s, rate, own)
}

// refer returns the reference of a series at a rate, and makes one where there is
// none.
func (l *Lane) refer(s *Series, rate, own float64) Admission {
	if ref, ok := l.refs.at(s.Index, rate); ok {
		return Admission{Ref: ref, Series: s, Rate: own}
	}
	ref := l.NextRef()
	l.series = append(l.series, s.Index)
	l.refs.add(s.Index, rate, ref)
	return Admission{Ref: ref, Series: s, Rate: own, New: true, Def: record.Def{Rate: rate, Key: s.Bytes()}}
}

// rate splits a sampling rate into what the reference carries and what the
// sample must.
func (l *Lane) rate(rate float64) (ref, own float64) {
	if _, known := l.rates[rate]; known {
		return rate, 0
	}
	if len(l.rates) < maxRates {
		l.rates[rate] = struct{}{}
		return rate, 0
	}
	return 1, rate
}
