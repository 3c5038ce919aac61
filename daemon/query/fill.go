package query

import (
	"context"
	"fmt"
	"slices"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// extent is what is wanted of some series' points: those whose bucket begins in
// [day, to], Unix milliseconds, after what a counter had gathered before day. Of
// the points before need only the newest bucket is wanted by itself; the others may
// be part of what was gathered. One value a step, milliseconds, will do; 0: as
// gathered.
type extent struct {
	day, need, to, step int64
	detail              aggregate.Detail // of what is not stored yet
}

// held is an extent in which values hold for idle: so far before from nothing shows
// in [from, to] but through what was gathered. A sample stands at its bucket's end,
// and a silence ends a step behind it.
func (r *Reader) held(from, to, step int64) extent {
	idle := r.idle.Load()
	return extent{day: startOfDay(from - idle), need: from - idle - 2*r.opts.Resolution, to: to, step: step}
}

// exactly is an extent of points that count by themselves.
func exactly(from, to int64) extent { return extent{day: from, need: from, to: to} }

// manySeries is how many series are read at once, about: up to the end of a shard of
// the store. Lanes look them all up between two jobs, and what comes in waits for that;
// what is sealed is merged for them without a pause.
const manySeries = 512

// fill reads points, of many series part by part. Each series is read whole, as of one
// moment.
func (r *Reader) fill(ctx context.Context, list []Series, x extent) error {
	keep := len(list) <= maxMade
	for len(list) > 0 {
		n := firstPart(list, r.atOnce)
		if err := r.fillPart(ctx, list[:n], x, keep); err != nil {
			return err
		}
		list = list[n:]
		pace.Of(ctx).Step(ctx)
	}
	return nil
}

// firstPart returns how many series are read next: about most, up to where a shard of
// the store ends, so that no block is read twice.
func firstPart(list []Series, most int) int {
	n := min(len(list), most)
	for n < len(list) && n < most+block.ShardSize && list[n].beside(&list[n-1]) {
		n++
	}
	return n
}

// fillPart is fill of what is read at once. keep says that what is read of the store
// may be kept as tails.
func (r *Reader) fillPart(ctx context.Context, list []Series, x extent, keep bool) error {
	m, err := r.moment(ctx, list, x.detail)
	if err != nil {
		return err
	}
	if !m.known || x.need < m.now-maxTail || x.step >= minuteMillis && x.step%minuteMillis == 0 {
		return r.fromStore(ctx, all(list), m.win, x)
	}
	missing, err := r.fromTails(all(list), &m, x)
	if err == nil && keep && len(missing) > 0 {
		missing, err = r.fromFlushes(missing, &m, x)
	}
	if err == nil {
		r.tails.count(len(list)-len(missing), len(missing))
	}
	if err != nil || len(missing) == 0 {
		return err
	}
	if !keep {
		return r.fromStore(ctx, missing, m.win, x)
	}
	return r.makeTails(ctx, missing, &m, x)
}

const minuteMillis = 60 * 1000

func all(list []Series) []*Series {
	out := make([]*Series, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// fromStore reads what the window lacks from the store.
func (r *Reader) fromStore(ctx context.Context, list []*Series, win lane.Window, x extent) error {
	sel, err := r.read(ctx, list, x, "")
	if err != nil {
		return err
	}
	piles, err := r.piles(ctx, list, win, sel)
	if err != nil {
		return err
	}
	release(&sel, list)
	work := pace.Of(ctx)
	for _, s := range list {
		s.Base, s.Spans = sel.Bases[s.ID], s.spansOf(sel)
		r.finish(s, piles[s.ID], win, x)
		work.Step(ctx)
	}
	return nil
}

// read asks the store, and how far writers other than one are, where that is not "".
func (r *Reader) read(ctx context.Context, list []*Series, x extent, except string) (storage.Selection, error) {
	req := storage.ReadRequest{From: x.day, To: x.to, Step: x.step, BaseBefore: x.day, Held: r.head.Get, Except: except}
	for _, s := range list {
		switch {
		case s.ID == 0:
		case s.sketched():
			req.Sketches = append(req.Sketches, s.ID)
		default:
			req.IDs = append(req.IDs, s.ID)
		}
	}
	sel, err := r.store.Read(ctx, req)
	if err != nil {
		return sel, fmt.Errorf("read store: %w", err)
	}
	return sel, nil
}

// release gives the memory of what was read to other reads, where all of it that is
// wanted is in piles: a point of a counter or gauge holds no part of a block.
func release(sel *storage.Selection, list []*Series) {
	if !slices.ContainsFunc(list, (*Series).sketched) {
		sel.Release()
	}
}

func (s *Series) spansOf(sel storage.Selection) []storage.Span {
	if s.sketched() {
		return sel.SketchSpans
	}
	return sel.Spans
}

// finish adds what the window holds of a series to what the store does.
func (r *Reader) finish(s *Series, p *pile, win lane.Window, x extent) {
	if p == nil {
		p = newPile()
	}
	if fresh := s.fresh(win); len(fresh) > 0 {
		p.writers[r.writer] = append(p.writers[r.writer], fresh...)
	}
	s.settle(widen(p.reduce(), s.Spans), x.day, x.to)
}

// fresh is what the window holds of the series.
func (s *Series) fresh(win lane.Window) []block.Point {
	if s.local == nil {
		return nil
	}
	return win.Points[s.local.Index]
}

// noTail is the tail of a series that the store does not know.
var noTail = &tail{}

// fromTail adds what the window holds of a series to what its tail does.
func (r *Reader) fromTail(s *Series, t *tail, win lane.Window, x extent) {
	var points []block.Point
	s.Spans = nil
	points, s.Base = t.points(x.need, r.writer, s.fresh(win))
	s.settle(points, x.day, x.to)
}

// fromTails answers for the series whose tails are long enough, brings these up to
// what the window does not hold any more, and returns the other series.
func (r *Reader) fromTails(list []*Series, m *moment, x extent) (missing []*Series, err error) {
	for _, s := range list {
		var t *tail
		if s.ID != 0 && s.Key.Type != protocol.Raw {
			if t = r.tails.get(s.ID); t != nil {
				if t, err = r.upTo(t, s.ID, m); err != nil {
					return nil, err
				}
			}
		}
		if s.ID != 0 && (t == nil || !t.covers(x.day, x.need)) {
			missing = append(missing, s)
			continue
		}
		if t == nil {
			t = noTail
		}
		r.fromTail(s, t, m.win, x)
	}
	return missing, nil
}

// upTo returns the tail as of a moment, nil where the store has to be asked. A tail
// that is ahead of the window would count twice what the window still holds.
func (r *Reader) upTo(t *tail, id int64, m *moment) (*tail, error) {
	switch {
	case t.again != m.again || t.flushed > m.win.Flushed:
		return nil, nil
	case t.flushed == m.win.Flushed && t.reach.Covers(m.reach):
		return t, nil
	}
	points, ok, err := r.since(id, t.flushed, t.reach, m)
	if err != nil || !ok {
		return nil, err
	}
	t = t.next(points, m)
	r.tails.put(id, t)
	return t, nil
}

// far is behind every bucket that a sender could ask for, Unix milliseconds.
const far = int64(1) << 53

// widest is the day from which on a tail is made: bases are of days, and whoever asks
// for last values next does not have to read again.
func (r *Reader) widest(x extent, now int64) int64 {
	return startOfDay(min(x.day, x.need, now-latestBack-r.idle.Load()))
}

// makeTails reads series from the store as fromStore does, up to the end of what it
// has, and keeps their tails.
func (r *Reader) makeTails(ctx context.Context, list []*Series, m *moment, x extent) error {
	wide := extent{day: r.widest(x, m.now), to: far}
	except := r.writer
	if r.opts.Alone {
		except = ""
	}
	sel, err := r.read(ctx, list, wide, except)
	if err != nil {
		return err
	}
	for _, s := range list {
		for _, span := range s.spansOf(sel) {
			if span.Width != 0 { // so old is nothing but where little is kept
				return r.fromStore(ctx, list, m.win, x)
			}
		}
	}
	piles, err := r.piles(ctx, list, m.win, sel)
	if err != nil {
		return err
	}
	release(&sel, list)
	for _, s := range list {
		p := piles[s.ID]
		s.Base, s.Spans = sel.Bases[s.ID], nil
		if s.Key.Type == protocol.Raw {
			r.finish(s, p, m.win, x)
			continue
		}
		t := tailOf(p, tail{flushed: m.win.Flushed, reach: sel.Reach, again: m.again, day: wide.day, span: m.now - x.need, base: s.Base}, x.need)
		r.tails.put(s.ID, t)
		r.fromTail(s, t, m.win, x)
	}
	return nil
}
