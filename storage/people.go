package storage

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// Chosen says which series have rows by the minute, for people with psql or
// sqlite3: up to Max of those whose names are listed, where a * at the end
// stands for anything, or of all but the daemon's own, the oldest first, where
// none is.
type Chosen struct {
	Max   int
	Names []string
}

// ownPrefix begins the names of a daemon's own signals.
const ownPrefix = "nexus."

// RollMinutes computes the rows by the minute of the chosen series from `from`
// on, Unix milliseconds, out of everything that is stored, and returns how many
// rows. What arrives late behind it is taken up when its hour is compacted.
func (s *Store) RollMinutes(ctx context.Context, from int64, c Chosen) (rows int, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	var ids []int64
	err = s.read(ctx, "choose series", func(ctx context.Context, tx *sql.Tx) (err error) {
		ids, err = s.choose(ctx, tx, c)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.people.Store(&ids)
	if len(ids) == 0 {
		return 0, nil
	}
	from = block.Floor(from, minuteMillis)
	var next passed
	err = s.rewrite(ctx, "roll up minutes", func(ctx context.Context, tx *sql.Tx) error {
		next = s.passed.from(from, shardsOf(ids))
		found, err := s.currentPoints(ctx, tx, ids, from, &next)
		if err != nil {
			return err
		}
		minutes := foldEach(found, minuteMillis)
		rows = len(minutes)
		return s.putRollups(ctx, tx, tierSQLMinutes, minutes)
	})
	if err == nil {
		s.passed = next
	}
	return rows, err
}

// passed says which blocks hold nothing from a time on, so that they need not be read
// again for it: of an hour that is open that is all but the last few. Blocks never
// change but by losing points.
type passed struct {
	since  int64             // Unix milliseconds
	shards []int64           // whose blocks were looked through
	seqs   map[string]uint64 // by writer: those up to this sequence have been passed
}

// maxPassed bounds the writers that are told apart. Blocks of others are read anew.
const maxPassed = 16

// from returns what is known to be passed where everything from a later time on is
// wanted of the same shards, else nothing.
func (p *passed) from(since int64, shards []int64) passed {
	next := passed{since: since, shards: shards, seqs: map[string]uint64{}}
	if since >= p.since && slices.Equal(shards, p.shards) {
		maps.Copy(next.seqs, p.seqs)
	}
	return next
}

// where returns the condition of what is not passed, whose arguments follow n others.
func (p *passed) where(n int) (condition string, args []any) {
	for writer, seq := range p.seqs {
		condition += " AND NOT (writer = " + parameter(n+len(args)+1) + " AND seq <= " + parameter(n+len(args)+2) + ")"
		args = append(args, writer, int64(seq))
	}
	return condition, args
}

// choose returns the ids of the chosen series, in order.
func (s *Store) choose(ctx context.Context, tx *sql.Tx, c Chosen) (ids []int64, err error) {
	if c.Max <= 0 {
		return nil, nil
	}
	where, args := []string{"NOT (name >= $2 AND name < $3)"}, []any{c.Max, ownPrefix, ownPrefix + maxRune}
	if len(c.Names) > 0 {
		where, args = nil, args[:1]
	}
	for _, name := range c.Names {
		n := len(args)
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			where, args = append(where, "name >= "+parameter(n+1)+" AND name < "+parameter(n+2)), append(args, prefix, prefix+maxRune)
			continue
		}
		where, args = append(where, "name = "+parameter(n+1)), append(args, name)
	}
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM series WHERE "+strings.Join(where, " OR ")+" ORDER BY id LIMIT $1", args...)
	return ids, err
}

// rewrite runs f in a transaction that sees one snapshot and writes; what it
// read and another has changed meanwhile makes it run again.
func (s *Store) rewrite(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) error {
	var o *sql.TxOptions
	if s.db.Name == dialect.Postgres {
		o = &sql.TxOptions{Isolation: sql.LevelRepeatableRead}
	}
	return s.retry(ctx, what, func() error { return s.transact(ctx, s.db.Write, o, f) })
}

// currentPoints returns the points of series, plain or not, from `from` on,
// merged over chunks, blocks and writers. Blocks that are passed it does not read, and
// it notes further ones that need not be read again. Who keeps its transaction's promise
// by this must see one snapshot.
func (s *Store) currentPoints(ctx context.Context, tx *sql.Tx, ids []int64, from int64, behind *passed) ([][]block.Point, error) {
	wanted := func(p block.Point) bool {
		_, ok := slices.BinarySearch(ids, p.Series)
		return ok && p.Time >= from
	}
	m := blockMerge{from: from, wanted: wanted, points: map[string][]block.Point{}, empty: map[string]uint64{}, held: map[string]bool{}}
	left, args := behind.where(2)
	err := s.each(ctx, tx, m.scan, "SELECT writer, seq, data FROM flush_block WHERE shard "+s.db.InInts(1)+" AND arrival_hour >= $2"+left+" ORDER BY writer, seq, shard",
		append([]any{s.db.IntsArg(shardsOf(ids)), floorHour(from)}, args...)...)
	if err != nil {
		return nil, err
	}
	m.pass(behind)
	all := m.merged()
	last := int64(0)
	for _, p := range all {
		last = max(last, p.Time)
	}
	span := Span{From: from, To: max(from, last)}
	want := generations{}
	if err := dialect.InTx(s.db.Dialect, tx).Ask(ctx, false, s.generationsQuery(shardsOf(ids), span, heldBy[0], want)); err != nil {
		return nil, err
	}
	var chunked []block.Point
	for _, t := range sketchTiers {
		list, err := s.chunks(ctx, tx, t, ids, want)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(list, func(a, b Chunk) int { return cmp.Compare(a.Gen, b.Gen) })
		for _, c := range list {
			points, err := block.DecodeChunk(c.Data, c.Start, nil)
			if err != nil {
				return nil, err
			}
			for _, p := range points {
				if p.Series = c.Series; wanted(p) {
					chunked = append(chunked, p)
				}
			}
		}
	}
	if len(chunked) > 0 {
		all = mergePoints(append(chunked, all...), block.MergeWriters)
	}
	return bySeries(all), nil
}

// blockMerge merges the points of blocks that are wanted. Blocks come by writer and
// sequence, and are let go of one by one: an hour of them may be many times what is
// wanted of it.
type blockMerge struct {
	from    int64 // nothing before is wanted, Unix milliseconds
	wanted  func(block.Point) bool
	points  map[string][]block.Point // by writer
	writers []string                 // in the order in which they came
	empty   map[string]uint64        // by writer: blocks up to this sequence hold nothing from `from` on
	held    map[string]bool          // by writer: one came that does
	scratch []block.Point
}

func (m *blockMerge) scan(rows *sql.Rows) error {
	var writer string
	var seq uint64
	var data []byte
	if err := rows.Scan(&writer, &seq, &data); err != nil {
		return err
	}
	return m.add(writer, seq, data)
}

func (m *blockMerge) add(writer string, seq uint64, data []byte) (err error) {
	if m.scratch, err = block.DecodeSince(data, m.from, m.scratch[:0]); err != nil {
		return err
	}
	switch {
	case m.held[writer]:
	case len(m.scratch) == 0:
		m.empty[writer] = seq
	default:
		m.held[writer] = true
		if m.empty[writer] == seq { // of another shard
			m.empty[writer]--
		}
	}
	list, known := m.points[writer]
	for _, p := range m.scratch {
		if m.wanted(p) {
			list = append(list, p)
		}
	}
	// A writer whose first blocks hold nothing that is wanted is still one writer:
	// merging it with itself would count its points twice.
	if !known && len(list) > 0 {
		m.writers = append(m.writers, writer)
	}
	if len(list) > 0 {
		m.points[writer] = list
	}
	return nil
}

// pass notes the blocks that hold nothing from `from` on, up to the first one that does.
func (m *blockMerge) pass(p *passed) {
	for writer, seq := range m.empty {
		if _, known := p.seqs[writer]; seq > 0 && (known || len(p.seqs) < maxPassed) {
			p.seqs[writer] = seq
		}
	}
}

func (m *blockMerge) merged() (all []block.Point) {
	if len(m.writers) == 1 { // as mostly: no second copy of its points
		return mergePoints(m.points[m.writers[0]], block.Merge)
	}
	for _, w := range m.writers {
		all = append(all, mergePoints(m.points[w], block.Merge)...)
	}
	return mergePoints(all, block.MergeWriters)
}

// bySeries cuts points, sorted by series and kind, into those of each.
func bySeries(points []block.Point) (out [][]block.Point) {
	for len(points) > 0 {
		n := 1
		for n < len(points) && points[n].Series == points[0].Series && points[n].Kind == points[0].Kind {
			n++
		}
		out = append(out, points[:n])
		points = points[n:]
	}
	return out
}
