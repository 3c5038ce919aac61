package aggregate

import (
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// merger gathers the histograms or sets of one series and bucket. A single one
// is encoded as it is; only several are merged, into a copy.
type merger struct {
	hist *histogram.Histogram
	set  *histogram.Set
	own  bool // hist or set is a copy and may be merged into
	bare bool // hist has totals alone
}

func (m *merger) add(e entry, kind block.Kind) {
	switch {
	case e.totals != nil:
		m.bare = true
		m.addHistogram(e.totals)
	case kind == block.Histogram:
		m.addHistogram(e.table.hists.at(e.slot.pos))
	case kind == block.Set:
		m.addSet(e.table.sets[e.slot.pos-1])
	}
}

func (m *merger) addHistogram(h *histogram.Histogram) {
	switch {
	case m.hist == nil:
		m.hist = h
		return
	case !m.own:
		c := histogram.New(m.hist.Schema())
		c.Merge(m.hist)
		m.hist, m.own = c, true
	}
	m.hist.Merge(h)
}

func (m *merger) addSet(s *histogram.Set) {
	switch {
	case m.set == nil:
		m.set = s
		return
	case !m.own:
		c := histogram.NewSet()
		c.Merge(m.set)
		m.set, m.own = c, true
	}
	m.set.Merge(s)
}

func (m *merger) finish(p *block.Point) {
	switch {
	case m.hist != nil:
		p.Count, p.Sum, p.Min, p.Max = m.hist.Count, m.hist.Sum(), m.hist.Min, m.hist.Max
		if !m.bare {
			p.Sketch = m.hist.AppendBinary(nil)
		}
	case m.set != nil:
		p.Sketch = m.set.AppendBinary(nil)
	}
}
