package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// origin tells which names are new: those that the store had no series of when it was
// looked at. All daemons' flushes since then have every point of such a name, and where
// no other process writes to the store, the catalog has every series of it. So who asks
// for one needs no store, though nobody asked for it before.
type origin struct {
	older  []uint64       // hashes of the store's names, in order: one too many costs a look into the store
	behind uint64         // this daemon's last flush before that
	reach  *storage.Reach // the others'
	again  uint64         // of the head, then
}

// origins is an origin that can be void. Before Learn it is.
type origins struct{ now atomic.Pointer[origin] }

// own returns the origin where a name is this process's own, else nil.
func (o *origins) own(name string) *origin {
	found := o.now.Load()
	if found == nil {
		return nil
	}
	if _, older := slices.BinarySearch(found.older, xxh3.HashString(name)); older {
		return nil
	}
	return found
}

// maxOlder bounds how many of the store's names are looked at, and held as 8 bytes
// each. A store with more is asked each time.
const maxOlder = 2_000_000

// ErrNotFollowed reports that it is not known what other daemons have stored.
var ErrNotFollowed = errors.New("the other daemons of the store are not followed yet")

// Learn looks at the store's names, which takes some seconds for millions. It is for
// once after the start, when the other daemons are followed, else it fails with
// ErrNotFollowed; reads go on meanwhile and ask the store.
func (r *Reader) Learn(ctx context.Context) error {
	o := &origin{again: r.head.Again()}
	var ok bool
	if o.reach, _, ok = r.followed(); !ok {
		return ErrNotFollowed
	}
	win, err := r.window.Window(ctx, nil, aggregate.Totals)
	if err != nil {
		return fmt.Errorf("learn which names the store has: %w", err)
	}
	o.behind = win.Flushed // before the names: what is stored meanwhile is read twice rather than not at all
	names, err := r.store.Names(ctx)
	if err != nil {
		return fmt.Errorf("learn which names the store has: %w", err)
	}
	if len(names) > maxOlder {
		return nil
	}
	o.older = make([]uint64, 0, len(names))
	for _, n := range names {
		o.older = append(o.older, xxh3.HashString(n.Name))
	}
	slices.Sort(o.older)
	o.older = slices.Clip(slices.Compact(o.older))
	r.origins.now.Store(o)
	if len(names) > maxPrimed {
		return nil
	}
	return r.names.prime(ctx, r.store, r.catalog, r.opts.Now())
}

// maxPrimed is up to how many names of the store are known to PromQL before its first
// question: each takes some 300 bytes, for which there may be no use.
const maxPrimed = 20_000

// Moved says that the store went back, or is another one: what was learnt of it is
// void until the next start.
func (r *Reader) Moved() {
	r.origins.now.Store(nil)
	r.Forget()
}

// maxDirect is up to how many series of a name are gone through for each question.
const maxDirect = 64

// findOwn answers a look-up from the catalog alone where the name is this process's
// own, and has few series. Series are listed as find lists them. Another daemon may
// have series of a new name too.
func (r *Reader) findOwn(ms []series.Matcher, name string) (list []Series, ok bool) {
	if !r.opts.Alone || r.origins.own(name) == nil {
		return nil, false
	}
	all := r.catalog.ByName(name)
	if len(all) > maxDirect {
		return nil, false
	}
	list = make([]Series, 0, len(all))
	for _, s := range all {
		id := s.ID()
		if id == 0 && s.Gone() {
			continue
		}
		key, err := series.Parse([]byte(s.Key))
		if err != nil {
			return nil, false
		}
		if series.MatchAll(ms, key) {
			list = append(list, Series{ID: id, Key: key, local: s})
		}
	}
	slices.SortStableFunc(list, byID)
	return list, len(list) <= r.opts.MaxSeries
}

// fromFlushes makes tails of series of this process's own names, whose flushes are
// all held in memory, and reads those. It returns the others.
func (r *Reader) fromFlushes(list []*Series, m *moment, x extent) (missing []*Series, err error) {
	for _, s := range list {
		o := r.origins.own(s.Key.Name)
		if o == nil || o.again != m.again || s.Key.Type == protocol.Raw {
			missing = append(missing, s)
			continue
		}
		points, ok, err := r.since(s.ID, o.behind, o.reach, m)
		if err != nil {
			return nil, err
		}
		if !ok {
			missing = append(missing, s)
			continue
		}
		p := newPile()
		p.writers = points
		t := tailOf(p, tail{flushed: m.win.Flushed, reach: m.reach.Join(o.reach), again: m.again, day: r.widest(x, m.now), span: m.now - x.need}, x.need)
		r.tails.put(s.ID, t)
		r.fromTail(s, t, m.win, x)
	}
	return missing, nil
}
