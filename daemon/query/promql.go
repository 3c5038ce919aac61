package query

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// nameLabel is the label that holds a metric's name.
const nameLabel = "__name__"

// maxSamples bounds what one PromQL query may hold in memory at once.
const maxSamples = 50_000_000

// Engine evaluates PromQL over a Reader.
type Engine struct {
	reader *Reader
	engine *promql.Engine
}

// NewEngine returns an engine whose queries end after timeout. Names with dots
// may stand in an expression as they are sent.
func NewEngine(r *Reader, timeout time.Duration, log *slog.Logger) *Engine {
	return &Engine{reader: r, engine: promql.NewEngine(promql.EngineOpts{
		Logger: log, MaxSamples: maxSamples, Timeout: timeout,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return r.opts.Resolution },
		Parser:                   newParser(),
	})}
}

// Instant evaluates expr at one time.
func (e *Engine) Instant(ctx context.Context, expr string, at time.Time) (*promql.Result, func(), error) {
	q, err := e.engine.NewInstantQuery(ctx, e, nil, expr, at)
	return run(ctx, q, err)
}

// Range evaluates expr at every step of [from, to].
func (e *Engine) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (*promql.Result, func(), error) {
	q, err := e.engine.NewRangeQuery(ctx, e, nil, expr, from, to, step)
	return run(ctx, q, err)
}

// ExprError reports an expression that is not PromQL.
type ExprError struct{ Err error }

func (e *ExprError) Error() string { return e.Err.Error() }
func (e *ExprError) Unwrap() error { return e.Err }

func run(ctx context.Context, q promql.Query, err error) (*promql.Result, func(), error) {
	if err != nil {
		return nil, nil, &ExprError{Err: err}
	}
	res := q.Exec(ctx)
	if res.Err != nil {
		q.Close()
		return nil, nil, res.Err
	}
	return res, q.Close, nil
}

// Querier makes Engine the engine's source.
func (e *Engine) Querier(mint, maxt int64) (promstorage.Querier, error) {
	return &querier{reader: e.reader, mint: mint, maxt: maxt}, nil
}

type querier struct {
	reader     *Reader
	mint, maxt int64
}

func (q *querier) Close() error { return nil }

// Select reads every stored name that the matchers may mean. A metric answers
// to its PromQL name and to the name as sent.
func (q *querier) Select(ctx context.Context, sorted bool, hints *promstorage.SelectHints, ms ...*labels.Matcher) promstorage.SeriesSet {
	list, err := q.read(ctx, ms, width(hints))
	if err != nil {
		return promstorage.ErrSeriesSet(err)
	}
	if sorted {
		slices.SortFunc(list, func(a, b promstorage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return &seriesSet{list: list, at: -1}
}

func (q *querier) read(ctx context.Context, ms []*labels.Matcher, step int64) ([]promstorage.Series, error) {
	targets, err := q.reader.targets(ctx, ms)
	if err != nil {
		return nil, err
	}
	now := q.reader.opts.Now().UnixMilli()
	line := timeline{step: q.reader.opts.Resolution, idle: q.reader.idle.Load(), now: now, asked: max(q.maxt, q.mint)}
	var out []promstorage.Series
	for _, t := range targets {
		found, err := q.reader.SelectStep(ctx, t.matchers, q.mint, q.maxt, step)
		if err != nil {
			return nil, err
		}
		for i := range found {
			lset := promLabels(t.shown, found[i].Key)
			if samples := found[i].samples(t.decrements, line); matchAll(ms, lset) && len(samples) > 0 {
				out = append(out, promstorage.NewListSeries(lset, q.cut(samples)))
			}
		}
	}
	return out, nil
}

// cut keeps the samples of the asked range.
func (q *querier) cut(samples []Sample) []chunks.Sample {
	var out []chunks.Sample
	for _, s := range samples {
		if s.Time >= q.mint && s.Time <= q.maxt {
			out = append(out, promSample{s})
		}
	}
	return out
}

// target is one stored metric that a selector means.
type target struct {
	matchers   []series.Matcher
	shown      string // the name the selector knows it by
	decrements bool
}

// targets finds the metrics that a selector's name matchers mean.
func (r *Reader) targets(ctx context.Context, ms []*labels.Matcher) ([]target, error) {
	all, err := r.names.all(ctx, r.store, r.catalog, r.opts.Now())
	if err != nil {
		return nil, err
	}
	exact := ""
	for _, m := range ms {
		if m.Name == nameLabel && m.Type == labels.MatchEqual {
			exact = m.Value
		}
	}
	var out []target
	for _, n := range all {
		for _, c := range shownAs(n, exact) {
			if !matchName(ms, c.shown) {
				continue
			}
			if c.matchers, err = storedMatchers(n); err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// shownAs lists the names a metric answers to. The name as sent counts only
// where it is asked for exactly: otherwise a regular expression would find
// every metric twice.
func shownAs(n storage.Name, exact string) []target {
	list := []target{{shown: PromName(n.Name, n.Type)}}
	if n.Type == protocol.Counter {
		list = append(list, target{shown: decrementsName(n.Name), decrements: true})
	}
	if n.Name == exact && n.Name != list[0].shown {
		list = append(list, target{shown: n.Name})
	}
	return list
}

func matchName(ms []*labels.Matcher, shown string) bool {
	for _, m := range ms {
		if m.Name == nameLabel && !m.Matches(shown) {
			return false
		}
	}
	return true
}

func storedMatchers(n storage.Name) ([]series.Matcher, error) {
	name, err := series.NewMatcher(series.NameTag, series.Equal, n.Name)
	if err != nil {
		return nil, err
	}
	typ, err := series.NewMatcher(series.TypeTag, series.Equal, n.Type.String())
	if err != nil {
		return nil, err
	}
	return []series.Matcher{name, typ}, nil
}

func matchAll(ms []*labels.Matcher, l labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// promLabels renders a key as labels. Two tag keys that become one label keep
// the first value in key order.
func promLabels(name string, k series.Key) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings(nameLabel, name))
	for _, t := range slices.Backward(k.Tags) {
		b.Set(promLabel(t.Key), t.Value)
	}
	return b.Labels()
}

// LabelValues lists the values of one label over all matching series.
func (q *querier) LabelValues(ctx context.Context, name string, _ *promstorage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]struct{}{}
	err := q.eachLabels(ctx, ms, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			seen[v] = struct{}{}
		}
	})
	return sortedKeys(seen), nil, err
}

// LabelNames lists the label names of all matching series.
func (q *querier) LabelNames(ctx context.Context, _ *promstorage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]struct{}{}
	err := q.eachLabels(ctx, ms, func(l labels.Labels) {
		l.Range(func(one labels.Label) { seen[one.Name] = struct{}{} })
	})
	return sortedKeys(seen), nil, err
}

func (q *querier) eachLabels(ctx context.Context, ms []*labels.Matcher, f func(labels.Labels)) error {
	targets, err := q.reader.targets(ctx, ms)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if t.decrements {
			continue
		}
		found, err := q.reader.Find(ctx, t.matchers)
		if err != nil {
			return fmt.Errorf("labels: %w", err)
		}
		for i := range found {
			if l := promLabels(t.shown, found[i].Key); matchAll(ms, l) {
				f(l)
			}
		}
	}
	return nil
}

func sortedKeys(m map[string]struct{}) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type seriesSet struct {
	list []promstorage.Series
	at   int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.list) }
func (s *seriesSet) At() promstorage.Series            { return s.list[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
