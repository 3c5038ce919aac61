package objective

import (
	"fmt"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/slo"
	"example.com/nexusctl/storage/block"
)

// term is one selector of an indicator and what its points add to a tally.
type term struct {
	matchers []series.Matcher
	add      func(t *tally, p *block.Point) error
}

// terms reads an objective's indicator, and the daemon's own record of when it
// was there to count.
func terms(o slo.Objective) ([]term, error) {
	up, err := query.ParseSelector(telemetry.UpSignal, protocol.Counter)
	if err != nil {
		return nil, err
	}
	list := []term{{up, func(t *tally, p *block.Point) error { t.up.add(p.Sum); return nil }}}
	if o.Threshold != nil {
		one, err := threshold(o.Threshold)
		return append(list, one), err
	}
	for _, group := range []struct {
		selectors slo.Selectors
		add       func(t *tally, p *block.Point) error
	}{
		{o.Ratio.Good, func(t *tally, p *block.Point) error { t.good.add(p.Sum); return nil }},
		{o.Ratio.Bad, func(t *tally, p *block.Point) error { t.bad.add(p.Sum); return nil }},
		{o.Ratio.Total, func(t *tally, p *block.Point) error { t.total.add(p.Sum); return nil }},
	} {
		for _, s := range group.selectors {
			ms, err := query.ParseSelector(s, protocol.Counter)
			if err != nil {
				return nil, fmt.Errorf("objective %s: %w", o.Name, err)
			}
			list = append(list, term{ms, group.add})
		}
	}
	return list, nil
}

// threshold counts a distribution's observations. Those in the bucket that
// holds the limit are on either side of it, and count as bad unless all that
// was observed in the point lies within: an objective is never met by the
// width of a bucket.
func threshold(l *slo.Limit) (term, error) {
	ms, err := query.ParseSelector(l.Metric, protocol.Histogram, protocol.Timer, protocol.Distribution)
	return term{ms, func(t *tally, p *block.Point) error {
		t.total.add(p.Count)
		if p.Max <= l.AtMost {
			t.good.add(p.Count)
			return nil
		}
		h, err := histogram.Decode(p.Sketch)
		if err != nil {
			return fmt.Errorf("distribution of series %d at %d: %w", p.Series, p.Time, err)
		}
		h.Buckets(func(_, high, count float64) bool {
			if high > l.AtMost {
				return false
			}
			t.good.add(count)
			return true
		})
		return nil
	}}, err
}
