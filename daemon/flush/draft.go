package flush

import (
	"bytes"
	"cmp"
	"iter"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// draft is one generation on its way into the store, and the dead letters that
// it takes along.
type draft struct {
	g       *aggregate.Generation
	writer  string
	from    uint64
	all     []*admit.Series
	unnamed map[uint32]int64 // ids of this flush alone, of series that the store refuses
	reason  map[int64]error  // why, by such an id
	shards  []*shard         // by rising number
	top     busiest
	named   []*admit.Series
	scratch []byte         // of the block being made
	turn    pace.Turn      // between two blocks
	own     map[int64]bool // ids of the daemon's own signals, which the ledger does not count

	letter   []deadletter.Claimed // to settle
	replayed []replayed
	happened []aggregate.Event // events of dead letters on their way back
	revived  uint64            // units of all claimed letters
	dropped  uint64            // of them, units that go
}

// replayed is a point of a dead letter on its way back.
type replayed struct {
	series uint32
	point  block.Point
}

// shard is one shard's share: what is stored of it, and what is refused.
type shard struct {
	number int64
	data   []byte      // nil where nothing of it is stored
	events []happening // of the one shard deadletter.Events, which has no data
	points uint64
	units  uint64 // of data
	dead   *deadletter.Letter
}

// begin gathers what the generation's flush consists of: the generation, and
// the dead letters that were claimed for it.
func (f *Flusher) begin(g *aggregate.Generation) (*draft, error) {
	d := &draft{g: g, writer: f.writer, from: f.position.Load(), unnamed: map[uint32]int64{}, reason: map[int64]error{}, top: busiest{most: f.busiest}}
	claimed, err := f.letters.Claimed(g.Number)
	if err != nil {
		f.log.Error("a dead letter cannot be read; it waits on", "error", err)
	}
	for _, c := range claimed {
		if err := f.revive(d, c); err != nil {
			return nil, err
		}
	}
	d.letter, d.all = claimed, f.catalog.Snapshot()
	return d, nil
}

// revive takes a letter's units out of the dead ones, and its points along
// where they are to be stored.
func (f *Flusher) revive(d *draft, c deadletter.Claimed) error {
	d.revived += c.Letter.Units
	if c.Action == deadletter.Drop {
		d.dropped += c.Letter.Units
		return nil
	}
	if c.Letter.Shard == deadletter.Events {
		return d.reviveEvents(c.Letter)
	}
	var failed error
	err := c.Letter.Points(func(key []byte, p block.Point) {
		s, err := f.catalog.Intern(key)
		if err != nil {
			failed = err
			return
		}
		delete(f.refused, s.Index) // the store may have been mended meanwhile
		d.replayed = append(d.replayed, replayed{s.Index, p})
	})
	if err != nil {
		return err
	}
	return failed
}

// id returns the id of a series: the store's, or one of this flush alone.
func (d *draft) id(i uint32) int64 {
	if id := d.all[i].ID(); id != 0 {
		return id
	}
	return d.unnamed[i]
}

// encode turns the generation into shards. Every series has its id; those that
// the store gives none are dead already.
func (f *Flusher) encode(d *draft, state *aggregate.State) error {
	d.own = map[int64]bool{}
	for _, s := range f.catalog.Own() {
		if int(s.Index) < len(d.all) { // later ones are in later generations
			d.own[d.id(s.Index)] = true
		}
	}
	back := d.comingBack()
	d.g.Points(d.id, state, func(number int64, points []block.Point) {
		for i := range points {
			if p := &points[i]; p.Time == d.g.Bucket && !d.own[p.Series] && number < deadletter.Unnamed {
				d.top.offer(p.Series, p.N)
			}
		}
		d.add(number, join(back[number], points))
		delete(back, number)
	})
	for number, points := range back {
		d.add(number, points)
	}
	if err := d.addEvents(); err != nil {
		return err
	}
	slices.SortFunc(d.shards, func(a, b *shard) int { return cmp.Compare(a.number, b.number) })
	d.named = f.named
	return nil
}

// comingBack returns the replayed points by shard, each shard's in order and
// without twins.
func (d *draft) comingBack() map[int64][]block.Point {
	back := map[int64][]block.Point{}
	for _, r := range d.replayed {
		r.point.Series = d.id(r.series)
		number := r.point.Series / block.ShardSize
		back[number] = append(back[number], r.point)
	}
	for number, points := range back {
		back[number] = join(points, nil)
	}
	return back
}

// join merges points that come back with those of the generation, which are
// the later ones. It makes one slice of both, by series and time.
func join(back, points []block.Point) []block.Point {
	if len(back) == 0 {
		return points
	}
	both := append(slices.Clone(back), points...)
	slices.SortStableFunc(both, comparePoints)
	out := both[:0]
	for _, p := range both {
		if n := len(out); n > 0 && comparePoints(out[n-1], p) == 0 && p.Kind != block.Raw {
			out[n-1] = block.Merge(out[n-1], p)
			continue
		}
		out = append(out, p)
	}
	return out
}

func comparePoints(a, b block.Point) int {
	return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Time, b.Time))
}

func (d *draft) add(number int64, points []block.Point) {
	s := &shard{number: number}
	if number >= deadletter.Unnamed {
		s.dead = d.letterOf(number, points, d.reason[points[0].Series])
	} else {
		d.fill(s, points)
	}
	d.shards = append(d.shards, s)
}

// fill makes the points what is stored of a shard, and lets others go first between
// two shards: the flush comes back from waiting for the store in the place of whoever
// looked after the timers and the network, and nobody else does until the runtime
// steps in, ten milliseconds later. A read of Postgres waits for the server's process
// too, which the system would let wait for four.
func (d *draft) fill(s *shard, points []block.Point) {
	d.turn.Step()
	s.data, s.points, s.units = nil, uint64(len(points)), d.count(points)
	if len(points) > 0 {
		d.scratch = block.AppendBlock(d.scratch[:0], s.number, d.g.Bucket, points)
		s.data = bytes.Clone(d.scratch) // without the room that growing leaves: a flush holds all of its blocks
	}
}

// count returns the ledger's units of points.
func (d *draft) count(points []block.Point) (units uint64) {
	for i := range points {
		if !d.own[points[i].Series] {
			units += points[i].N
		}
	}
	return units
}

// letterOf makes a dead letter of points, which are in order.
func (d *draft) letterOf(number int64, points []block.Point, reason error) *deadletter.Letter {
	l := &deadletter.Letter{
		Writer: d.writer, Generation: d.g.Number, Shard: number, At: markedAt(d.g), Reason: reason.Error(),
		Units: d.count(points), Block: block.AppendBlock(nil, number, d.g.Bucket, points),
	}
	keys := d.keys(points)
	for i := range points {
		id := points[i].Series
		if n := len(l.Series); n == 0 || l.Series[n-1].ID != id {
			l.Series = append(l.Series, deadletter.Series{ID: id, Key: []byte(keys[id])})
		}
	}
	return l
}

// keys returns the canonical keys of the points' series, by id.
func (d *draft) keys(points []block.Point) map[int64]string {
	keys := make(map[int64]string, len(points))
	for i := range points {
		keys[points[i].Series] = ""
	}
	for i, s := range d.all {
		id := d.id(uint32(i))
		if _, ok := keys[id]; ok && id != 0 {
			keys[id] = s.Key
		}
	}
	return keys
}

// units returns what the draft holds, stored and dead.
func (d *draft) units() (n uint64) {
	for _, s := range d.shards {
		n += s.units
		if s.dead != nil {
			n += s.dead.Units
		}
	}
	return n
}

// flush is the draft as it is committed now.
func (d *draft) flush() storage.Flush { return d.with(d.shards) }

// with is the draft with no other blocks than those of the shards.
func (d *draft) with(shards []*shard) storage.Flush {
	const hour = 3_600_000
	f := storage.Flush{Writer: d.writer, From: d.from, To: d.g.To, Seq: d.g.Number, Hour: d.g.Bucket / hour, Counts: d.counts(), Until: d.g.Next.Bucket, Named: d.names()}
	for _, s := range shards {
		if s.data != nil {
			f.Blocks = append(f.Blocks, storage.Block{Shard: s.number, Data: s.data})
		}
		f.Events = rows(f.Events, s.events)
	}
	return f
}

// names goes through the series that were named since the last commit.
func (d *draft) names() iter.Seq[storage.Named] {
	if len(d.named) == 0 {
		return nil
	}
	return func(yield func(storage.Named) bool) {
		for _, s := range d.named {
			if !yield(storage.Named{ID: s.ID(), Key: s.Bytes()}) {
				return
			}
		}
	}
}

// counts are the ledger terms that the flush moves.
func (d *draft) counts() storage.Counts {
	refused := d.g.Counts()
	refused.Shed[protocol.ShedDropped] += d.dropped
	c := storage.Counts{
		Rejected: refused.RejectedByName(), Shed: refused.ShedByName(), Duplicates: refused.Duplicates, Lost: refused.Lost, Revived: d.revived,
	}
	for _, s := range d.shards {
		c.Stored += s.units
		if s.dead != nil {
			c.Dead += s.dead.Units
		}
	}
	return c
}

func (d *draft) letters() (list []*deadletter.Letter) {
	for _, s := range d.shards {
		if s.dead != nil {
			list = append(list, s.dead)
		}
	}
	return list
}
