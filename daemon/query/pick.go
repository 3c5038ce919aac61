package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"

	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// picked is one series of a selector, as one of the selector's targets shows it: a
// counter can be there twice, for what it gained and for what it lost.
type picked struct {
	series *Series // without points
	labels labels.Labels
	target int
	shown  *promSeries // nil: nothing in the range
}

// pick finds the targets' series whose labels match, in the targets' order and
// without points: what a selector does not mean is not read. Targets of one metric
// share what was found, so that its series can be told to be the same.
func (q *querier) pick(ctx context.Context, targets []target, ms []*labels.Matcher) (rows []picked, err error) {
	work := pace.Of(ctx)
	found := map[storage.Name][]Series{}
	total := 0
	for i := range targets {
		t := &targets[i]
		metric := storage.Name{Name: t.stored, Type: t.typ}
		list, again := found[metric]
		if !again {
			if list, err = q.reader.Find(ctx, t.matchers); err != nil {
				return nil, err
			}
			found[metric] = list
		}
		before := len(rows)
		for k := range list {
			work.Step(ctx)
			if lset := t.labels(list[k].Key); matchAll(ms, lset) {
				rows = append(rows, picked{series: &list[k], labels: lset, target: i})
			}
		}
		if !again {
			total += len(rows) - before
		}
		if total > q.reader.opts.MaxSeries {
			return nil, ErrTooMany
		}
	}
	return rows, nil
}

// hintBack is how far before the range raw samples are read: whether a
// histogram follows another without a reset, the one before it tells.
const hintBack = 5 * 60 * 1000

// load reads the rows' points and keeps what shows of them. All targets are read
// together, by id: series of many names share the store's blocks, and each part is
// one question to the lanes. A part's points are given up before the next is read.
//
// Raw samples stand for themselves, so no running total from before the range is
// needed for them, and they are read apart.
func (q *querier) load(ctx context.Context, targets []target, rows []picked, exact []precision, hints *promstorage.SelectHints) error {
	var folded, raw []int
	for i := range rows {
		if targets[rows[i].target].typ == protocol.Raw {
			raw = append(raw, i)
		} else {
			folded = append(folded, i)
		}
	}
	l := loader{querier: q, targets: targets, rows: rows, exact: exact}
	l.scalars, l.sketches = finely(hints, q.reader.opts.Resolution)
	if err := l.all(ctx, folded, q.reader.held(q.mint, q.maxt, width(hints))); err != nil {
		return err
	}
	return l.all(ctx, raw, exactly(q.mint-hintBack, q.maxt))
}

// loader is load on its way.
type loader struct {
	*querier
	targets           []target
	rows              []picked
	exact             []precision
	scalars, sketches bool
	part              []Series // of the rows that are read now
	scratch           []Sample
}

// all reads the rows that order names, part by part.
func (l *loader) all(ctx context.Context, order []int, x extent) error {
	slices.SortStableFunc(order, func(a, b int) int { return l.rows[a].series.place(l.rows[b].series) })
	keep := len(order) <= maxMade
	for len(order) > 0 {
		n := l.next(order)
		l.reader.addLive(l.part, l.mint, l.maxt, l.scalars, l.sketches)
		if err := l.reader.fillPart(ctx, l.part, x, keep); err != nil {
			return err
		}
		l.show(ctx, order[:n])
		clear(l.part) // the points are garbage from here on
		order = order[n:]
	}
	return nil
}

// next puts the series of the rows that are read next into part, each once, and
// returns how many rows those are.
func (l *loader) next(order []int) (rows int) {
	l.part = l.part[:0]
	for _, i := range order {
		s := l.rows[i].series
		if n := len(l.part); n > 0 && l.part[n-1].same(s) {
			rows++
			continue
		}
		if n := len(l.part); n >= l.reader.atOnce && !l.part[n-1].beside(s) {
			break
		}
		l.part = append(l.part, *s)
		rows++
	}
	return rows
}

// show turns the points of a part into what the engine reads.
func (l *loader) show(ctx context.Context, order []int) {
	work := pace.Of(ctx)
	at := 0
	for k, i := range order {
		work.Step(ctx)
		row := &l.rows[i]
		if k > 0 && !l.rows[order[k-1]].series.same(row.series) {
			at++
		}
		samples := l.samples(&l.targets[row.target], &l.part[at])
		if len(samples) == 0 {
			continue
		}
		l.exact[row.target].look(samples)
		row.shown = newPromSeries(row.labels, samples, pauses{ctx, work})
	}
}

// samples returns what shows of a series in the range, until it is called again.
func (l *loader) samples(t *target, s *Series) []Sample {
	if t.decrements && !t.exact && !s.decreased() {
		return nil
	}
	all := s.samples(t.decrements, timeline{
		step: l.reader.opts.Resolution, idle: l.reader.idle.Load(), now: l.reader.opts.Now().UnixMilli(), asked: max(l.maxt, l.mint),
		out: l.scratch[:0],
	})
	l.scratch = all[:0]
	return slices.DeleteFunc(all, func(s Sample) bool { return s.Time < l.mint || s.Time > l.maxt })
}

// same reports one series, found at one moment.
func (s *Series) same(o *Series) bool {
	return s.ID == o.ID && (s.ID != 0 || s.local != nil && s.local == o.local)
}

// place orders series by id, then those without, so that the same ones meet.
func (s *Series) place(o *Series) int {
	if c := byID(*s, *o); c != 0 || s.local == nil || o.local == nil {
		return c
	}
	return cmp.Compare(s.local.Index, o.local.Index)
}

// beside reports a series of the same shard of the store.
func (s *Series) beside(o *Series) bool {
	return s.ID != 0 && o.ID != 0 && s.ID/block.ShardSize == o.ID/block.ShardSize
}
