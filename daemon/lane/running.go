package lane

import (
	"context"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
)

// Running is how far one series has come in the open bucket, over all lanes.
type Running struct {
	Known bool // false: a part of the bucket cannot be told from here
	Any   bool // something came in the bucket
	// Value is what a counter has gathered without its negative increments, or a
	// gauge's last value; Neg is the sum of the negative increments.
	Value, Neg float64
	// Hist is what came into a distribution since it was asked for last, nil
	// where nothing did.
	Hist *histogram.Histogram
}

// Progress is the answer for a list of series.
type Progress struct {
	List []Running
	// Settled is false where the lanes were not all in the bucket that was asked
	// for; nothing else is said then.
	Settled bool
	// Held is the memory by which the lanes tell the next answer from this one.
	Held int
}

// Progress tells how far counters, gauges and distributions have come in the
// bucket, by mail to every lane: a lane answers between two batches, and its way
// of taking lines is not touched. Asked for nothing, the lanes forget what they
// kept for it.
func (s *Set) Progress(ctx context.Context, list []*admit.Series, bucket int64) (Progress, error) {
	p := s.plan(list)
	answers := make([][]aggregate.Running, len(s.workers))
	buckets, held := make([]int64, len(s.workers)), make([]int, len(s.workers))
	err := s.ask(ctx, func(w *worker) {
		answers[w.number], buckets[w.number] = w.fold.Running(p.refs[w.number])
		held[w.number] = w.fold.Following()
	})
	if err != nil {
		return Progress{}, err
	}
	out := Progress{List: make([]Running, len(list)), Settled: true}
	for i := range out.List {
		out.List[i].Known = true
	}
	last := make([]uint64, len(list)) // where the log has a gauge's last value
	for i, b := range buckets {
		out.Settled = out.Settled && b == bucket
		out.Held += held[i]
		for k := range answers[i] {
			row := p.rows[i][k]
			out.List[row].join(list[row].Type, &answers[i][k], &last[row])
		}
	}
	if !out.Settled || len(p.ordered) == 0 {
		return out, nil
	}
	return out, s.ordered(ctx, list, p.ordered, bucket, out.List)
}

// planned is a list of series as the lanes know them.
type planned struct {
	refs    [][]uint32 // by lane
	rows    [][]int32  // and the places in the list
	ordered []int32    // gauges whose changes go through the log's order
}

func (s *Set) plan(list []*admit.Series) planned {
	p := planned{refs: make([][]uint32, len(s.workers)), rows: make([][]int32, len(s.workers))}
	for i, one := range list {
		if one.Type == protocol.Gauge && one.Ordered() {
			p.ordered = append(p.ordered, int32(i))
			continue
		}
		for n, w := range s.workers {
			p.refs[n] = w.admit.Refs(p.refs[n], one)
			for len(p.rows[n]) < len(p.refs[n]) {
				p.rows[n] = append(p.rows[n], int32(i))
			}
		}
	}
	return p
}

// join adds what one lane knows under one reference.
func (r *Running) join(t protocol.Type, a *aggregate.Running, last *uint64) {
	r.Known = r.Known && a.Known
	if a.Hist != nil {
		if r.Hist == nil {
			r.Hist = a.Hist
		} else {
			r.Hist.Merge(a.Hist)
		}
	}
	if a.N == 0 {
		return
	}
	switch {
	case t == protocol.Counter:
		r.Value += a.Sum - a.Neg
		r.Neg += a.Neg
	case t == protocol.Gauge && (!r.Any || a.Pos >= *last):
		r.Value, *last = a.Last, a.Pos
	}
	r.Any = true
}

// ordered fills in the gauges whose changes depend on each other over all lanes,
// as any reader finds them.
func (s *Set) ordered(ctx context.Context, list []*admit.Series, rows []int32, bucket int64, out []Running) error {
	gauges := make([]*admit.Series, len(rows))
	for i, row := range rows {
		gauges[i] = list[row]
	}
	win, err := s.Window(ctx, gauges, aggregate.Totals)
	if err != nil {
		return err
	}
	for _, row := range rows {
		for _, p := range win.Points[list[row].Index] {
			if p.Time == bucket {
				out[row].Any, out[row].Value = true, p.Last
			}
		}
	}
	return nil
}
