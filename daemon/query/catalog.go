package query

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/protocol"
)

// Which series and labels there are is answered for all times: a series is
// known from its first sample on.

// Series returns the label sets of the series that any of the selectors means,
// sorted, up to limit (0: no limit), and whether there are more.
func (e *Engine) Series(ctx context.Context, selectors [][]*labels.Matcher, limit int) (list []labels.Labels, more bool, err error) {
	seen := map[uint64]struct{}{}
	q := &querier{reader: e.reader}
	for _, ms := range selectors {
		err := q.eachLabels(ctx, ms, func(l labels.Labels) {
			if _, twice := seen[l.Hash()]; !twice {
				seen[l.Hash()] = struct{}{}
				list = append(list, l)
			}
		})
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(list, labels.Compare)
	if limit > 0 && len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}

// LabelNames returns the label names of the series that any of the selectors
// means, of all where there is none.
func (e *Engine) LabelNames(ctx context.Context, selectors [][]*labels.Matcher, limit int) ([]string, bool, error) {
	return e.gather(ctx, selectors, limit, func(q *querier, ms []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelNames(ctx, nil, ms...)
		return list, err
	})
}

// LabelValues returns the values of one label likewise.
func (e *Engine) LabelValues(ctx context.Context, name string, selectors [][]*labels.Matcher, limit int) ([]string, bool, error) {
	if name == nameLabel && len(selectors) == 0 {
		return e.names(ctx, limit)
	}
	return e.gather(ctx, selectors, limit, func(q *querier, ms []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelValues(ctx, name, nil, ms...)
		return list, err
	})
}

func (e *Engine) gather(ctx context.Context, selectors [][]*labels.Matcher, limit int, ask func(*querier, []*labels.Matcher) ([]string, error)) ([]string, bool, error) {
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	seen := map[string]struct{}{}
	for _, ms := range selectors {
		list, err := ask(&querier{reader: e.reader}, ms)
		if err != nil {
			return nil, false, err
		}
		for _, v := range list {
			seen[v] = struct{}{}
		}
	}
	list, more := cutNames(sortedKeys(seen), limit)
	return list, more, nil
}

// names lists all metric names without looking at a single series.
func (e *Engine) names(ctx context.Context, limit int) ([]string, bool, error) {
	all, err := e.Metrics(ctx)
	if err != nil {
		return nil, false, err
	}
	list := make([]string, 0, len(all))
	for _, m := range all {
		list = append(list, m.Name)
	}
	slices.Sort(list)
	list, more := cutNames(slices.Compact(list), limit)
	return list, more, nil
}

func cutNames(list []string, limit int) ([]string, bool) {
	if limit > 0 && len(list) > limit {
		return list[:limit], true
	}
	return list, false
}

// Metric is a name as PromQL shows it, and how its values are kept.
type Metric struct {
	Name string
	Sent string // the name as sent
	Type protocol.Type
}

// Metrics lists every metric there is.
func (e *Engine) Metrics(ctx context.Context) ([]Metric, error) {
	r := e.reader
	all, err := r.names.all(ctx, r.store, r.catalog, r.opts.Now())
	if err != nil {
		return nil, err
	}
	list := make([]Metric, 0, len(all))
	for _, n := range all {
		list = append(list, Metric{shownAs(n, "")[0].shown, n.Name, n.Type})
	}
	return list, nil
}
