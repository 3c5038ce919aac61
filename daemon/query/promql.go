package query

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// nameLabel is the label that holds a metric's name.
const nameLabel = "__name__"

// EngineVersion is the release of Prometheus whose engine this is.
const EngineVersion = "3.16.0"

// Engine evaluates PromQL over a Reader.
type Engine struct {
	reader *Reader
	engine *promql.Engine
	limits Limits
}

// NewEngine returns an engine whose queries keep to limits. Names with dots
// may stand in an expression as they are sent.
func NewEngine(r *Reader, l Limits, log *slog.Logger) *Engine {
	return &Engine{reader: r, limits: l, engine: promql.NewEngine(promql.EngineOpts{
		Logger: log, MaxSamples: l.MaxSamples, Timeout: l.Timeout, UseStartTimestamps: true,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return r.opts.Resolution },
		Parser:                   newParser(),
	})}
}

// Instant evaluates expr at one time.
func (e *Engine) Instant(ctx context.Context, expr string, at time.Time) (*promql.Result, func(), error) {
	src, err := e.source(expr)
	if err != nil {
		return nil, nil, err
	}
	q, err := e.engine.NewInstantQuery(ctx, src, nil, expr, at)
	return run(ctx, q, err)
}

// Range evaluates expr at every step of [from, to].
func (e *Engine) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) (*promql.Result, func(), error) {
	src, err := e.source(expr)
	if err != nil {
		return nil, nil, err
	}
	q, err := e.engine.NewRangeQuery(ctx, src, nil, expr, from, to, step)
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
	quantiles  bool // the expression takes quantiles: their bound is told

	in       *Range // of what lists series and labels
	allTimes bool   // in was left out of account
}

func (q *querier) Close() error { return nil }

// Select reads every stored name that the matchers may mean. A metric answers
// to its PromQL name and to the name as sent.
func (q *querier) Select(ctx context.Context, sorted bool, hints *promstorage.SelectHints, ms ...*labels.Matcher) promstorage.SeriesSet {
	list, warnings, err := q.read(ctx, ms, hints)
	if err != nil {
		return promstorage.ErrSeriesSet(err)
	}
	if sorted {
		slices.SortFunc(list, func(a, b promstorage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return &seriesSet{list: list, at: -1, warnings: warnings}
}

func (q *querier) read(ctx context.Context, ms []*labels.Matcher, hints *promstorage.SelectHints) ([]promstorage.Series, annotations.Annotations, error) {
	targets, err := q.reader.targets(ctx, ms)
	if err != nil {
		return nil, nil, err
	}
	rows, err := q.pick(ctx, targets, ms)
	if err != nil {
		return nil, nil, err
	}
	exact := make([]precision, len(targets))
	for i := range exact {
		exact[i].quantiles = q.quantiles
	}
	if err := q.load(ctx, targets, rows, exact, hints); err != nil {
		return nil, nil, err
	}
	claims := claims{taken: make(map[uint64]int32, len(rows))}
	out := make([]promstorage.Series, 0, len(rows))
	for i := range rows {
		if s := rows[i].shown; s != nil && claims.take(s.labels, targets, rows[i].target) {
			out = append(out, s)
		}
	}
	for i := range exact {
		exact[i].tell(&claims.warnings, targets[i].shown)
	}
	return out, claims.warnings, nil
}

// target is one stored metric that a selector means.
type target struct {
	matchers   []series.Matcher
	stored     string // the name as sent
	shown      string // the name the selector knows it by
	typ        protocol.Type
	decrements bool
	exact      bool // the selector names it, and not by a pattern

	builder *labels.Builder // of its series' labels, one after the other
	named   labels.Labels   // what they begin with: the name
}

// labels renders a key as the target's series show it. Raw series keep what
// was sent.
func (t *target) labels(k series.Key) labels.Labels {
	if t.typ == protocol.Raw {
		return rawLabels(k)
	}
	if t.builder == nil {
		t.named = labels.FromStrings(nameLabel, t.shown)
		t.builder = labels.NewBuilder(t.named)
	}
	t.builder.Reset(t.named)
	return promLabels(t.builder, k)
}

// targets finds the metrics that a selector's name matchers mean. Those whose
// own name is the one shown come first: where two would be one series, they
// are it.
func (r *Reader) targets(ctx context.Context, ms []*labels.Matcher) ([]target, error) {
	exact := ""
	for _, m := range ms {
		if m.Name == nameLabel && m.Type == labels.MatchEqual {
			exact = m.Value
		}
	}
	var all []storage.Name
	var err error
	if exact != "" {
		all, err = r.names.of(ctx, r.store, r.catalog, r.opts.Now(), exact)
	} else {
		all, err = r.names.all(ctx, r.store, r.catalog, r.opts.Now())
	}
	if err != nil {
		return nil, err
	}
	var out []target
	for _, n := range all {
		for _, c := range shownAs(n, exact) {
			if !matchName(ms, c.shown) {
				continue
			}
			if c.matchers, err = storedMatchers(n, ms); err != nil {
				return nil, err
			}
			c.stored, c.typ, c.exact = n.Name, n.Type, exact != ""
			out = append(out, c)
		}
	}
	slices.SortFunc(out, compareTargets)
	return out, nil
}

func compareTargets(a, b target) int {
	own := func(t target) int {
		if t.stored == t.shown {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.shown, b.shown), cmp.Compare(own(a), own(b)), cmp.Compare(a.stored, b.stored), -cmp.Compare(a.typ, b.typ))
}

// shownAs lists the names a metric answers to. The name as sent counts only
// where it is asked for exactly: otherwise a regular expression would find
// every metric twice. A raw metric has the one name that was sent.
func shownAs(n storage.Name, exact string) []target {
	if n.Type == protocol.Raw {
		return []target{{shown: n.Name}}
	}
	list := []target{{shown: PromName(n.Name, n.Type)}}
	if n.Type == protocol.Counter {
		list = append(list, target{shown: decrementsName(n.Name), decrements: true})
	}
	if n.Name == exact && n.Name != list[0].shown {
		list = append(list, target{shown: n.Name})
	}
	return list
}

// claims are the label sets that a selector's series have taken: PromQL knows
// two series with one label set as an error.
type claims struct {
	taken    map[uint64]int32 // target by hash
	warnings annotations.Annotations
}

// take reports whether the label set is free for a target, and warns where it is not.
func (c *claims) take(l labels.Labels, targets []target, of int) bool {
	hash := l.Hash()
	first, ok := c.taken[hash]
	if !ok {
		c.taken[hash] = int32(of)
		return true
	}
	t, holder := &targets[of], &targets[first]
	c.warnings.Add(fmt.Errorf("%q, a %s, is left out: %q, a %s, has the same name and labels here; ask for {%q}",
		t.stored, t.typ, holder.stored, holder.typ, t.stored))
	return false
}

func matchName(ms []*labels.Matcher, shown string) bool {
	for _, m := range ms {
		if m.Name == nameLabel && !m.Matches(shown) {
			return false
		}
	}
	return true
}

func matchAll(ms []*labels.Matcher, l labels.Labels) bool {
	for _, m := range ms {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// promLabels renders a key as labels, after what the builder holds. Two tag keys that
// become one label keep the first value in key order.
func promLabels(b *labels.Builder, k series.Key) labels.Labels {
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
		found = slices.DeleteFunc(found, func(s Series) bool { return !matchAll(ms, t.labels(s.Key)) })
		if found, err = q.there(ctx, found); err != nil {
			return fmt.Errorf("labels: %w", err)
		}
		for i := range found {
			f(t.labels(found[i].Key))
		}
	}
	return nil
}

// there returns the series that had a value in the range: a sample, or one that
// still held.
func (q *querier) there(ctx context.Context, list []Series) ([]Series, error) {
	if q.in == nil || len(list) == 0 {
		return list, nil
	}
	if len(list) > maxRanged {
		q.allTimes = true
		return list, nil
	}
	from := q.in.From
	if list[0].Key.Type != protocol.Raw {
		from -= q.reader.idle.Load() + q.reader.opts.Resolution
	}
	if err := q.reader.fill(ctx, list, exactly(from, q.in.To)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(s Series) bool { return len(s.Points) == 0 }), nil
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
	list     []promstorage.Series
	at       int
	warnings annotations.Annotations
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.list) }
func (s *seriesSet) At() promstorage.Series            { return s.list[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return s.warnings }
