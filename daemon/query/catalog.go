package query

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/protocol"
)

// Range is a range of time in which series must have had a value, Unix
// milliseconds; nil is all times.
type Range struct{ From, To int64 }

// maxRanged bounds the series whose points are looked at to tell whether they were
// there in a range. Beyond it the answer is for all times, and says so.
const maxRanged = 10_000

// RangeWarning is said where an answer is for all times though a range was asked for.
const RangeWarning = "start and end were left out of account: more than 10000 series match"

// Listing is an answer, whether there is more, and whether it is of the range.
type Listing[T any] struct {
	List     []T
	More     bool
	AllTimes bool // a range was asked for, and too many series matched
}

// Series returns the label sets of the series that any of the selectors means,
// sorted, up to limit (0: no limit), and whether there are more.
func (e *Engine) Series(ctx context.Context, selectors [][]*labels.Matcher, in *Range, limit int) (out Listing[labels.Labels], err error) {
	seen := map[uint64]struct{}{}
	q := &querier{reader: e.reader, in: in}
	var list []labels.Labels
	for _, ms := range selectors {
		err := q.eachLabels(ctx, ms, func(l labels.Labels) {
			if _, twice := seen[l.Hash()]; !twice {
				seen[l.Hash()] = struct{}{}
				list = append(list, l)
			}
		})
		if err != nil {
			return out, err
		}
	}
	slices.SortFunc(list, labels.Compare)
	if out.More = limit > 0 && len(list) > limit; out.More {
		list = list[:limit]
	}
	out.List, out.AllTimes = list, q.allTimes
	return out, nil
}

// LabelNames returns the label names of the series that any of the selectors
// means, of all where there is none.
func (e *Engine) LabelNames(ctx context.Context, selectors [][]*labels.Matcher, in *Range, limit int) (Listing[string], error) {
	return e.gather(ctx, selectors, in, limit, func(q *querier, ms []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelNames(ctx, nil, ms...)
		return list, err
	})
}

// LabelValues returns the values of one label likewise.
func (e *Engine) LabelValues(ctx context.Context, name string, selectors [][]*labels.Matcher, in *Range, limit int) (Listing[string], error) {
	if name == nameLabel && len(selectors) == 0 && in == nil {
		return e.names(ctx, limit)
	}
	return e.gather(ctx, selectors, in, limit, func(q *querier, ms []*labels.Matcher) ([]string, error) {
		list, _, err := q.LabelValues(ctx, name, nil, ms...)
		return list, err
	})
}

func (e *Engine) gather(ctx context.Context, selectors [][]*labels.Matcher, in *Range, limit int, ask func(*querier, []*labels.Matcher) ([]string, error)) (out Listing[string], err error) {
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	seen := map[string]struct{}{}
	q := &querier{reader: e.reader, in: in}
	for _, ms := range selectors {
		list, err := ask(q, ms)
		if err != nil {
			return out, err
		}
		for _, v := range list {
			seen[v] = struct{}{}
		}
	}
	out.List, out.More = cutNames(sortedKeys(seen), limit)
	out.AllTimes = q.allTimes
	return out, nil
}

// names lists all metric names without looking at a single series.
func (e *Engine) names(ctx context.Context, limit int) (out Listing[string], err error) {
	all, err := e.Metrics(ctx)
	if err != nil {
		return out, err
	}
	list := make([]string, 0, len(all))
	for _, m := range all {
		list = append(list, m.Name)
	}
	slices.Sort(list)
	out.List, out.More = cutNames(slices.Compact(list), limit)
	return out, nil
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
