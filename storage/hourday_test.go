package storage

import (
	"fmt"
	"slices"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// hoursRig stores points of a few series, flush by flush.
type hoursRig struct {
	*Store
	t   *testing.T
	ids []int64
	seq uint64
}

const firstDay = 20_000

func newHoursRig(t *testing.T) *hoursRig {
	r := &hoursRig{Store: sqliteStore(t), t: t}
	var keys [][]byte
	for i := range 4 {
		keys = append(keys, series.Key{Name: fmt.Sprint("m", i), Type: []protocol.Type{protocol.Counter, protocol.Gauge}[i%2]}.Append(nil))
	}
	var err error
	if r.ids, err = r.Resolve(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.ids)
	return r
}

// put stores one point of each series but the last, at a time, and compacts it.
func (r *hoursRig) put(at int64, v float64) {
	r.t.Helper()
	shards := map[int64][]block.Point{}
	for i, id := range r.ids[:len(r.ids)-1] {
		p := block.Point{Series: id, Time: at, Kind: block.Counter, N: 3, Sum: v, Neg: -1}
		if i%2 == 1 {
			p = block.Point{Series: id, Time: at, Kind: block.Gauge, N: 2, Last: v, LastAt: at + 5, Min: v - 1, Max: v + 1, Sum: 2 * v}
		}
		shards[id/block.ShardSize] = append(shards[id/block.ShardSize], p)
	}
	f := Flush{Writer: "w", From: r.seq, To: r.seq + 1, Seq: r.seq + 1, Hour: at / hourMillis}
	for shard, points := range shards {
		f.Blocks = append(f.Blocks, Block{Shard: shard, Data: block.AppendBlock(nil, shard, at, points)})
	}
	r.seq++
	if _, err := r.Commit(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.Compact(r.t.Context(), at/hourMillis+1); err != nil {
		r.t.Fatal(err)
	}
}

func (r *hoursRig) rollDays() {
	r.t.Helper()
	if _, err := r.RollDays(r.t.Context(), firstDay+2); err != nil {
		r.t.Fatal(err)
	}
}

// hours reads [from, to] by the hour, sorted, and how many points come from days that
// are whole.
func (r *hoursRig) hours(ids []int64, from, to int64) (points []block.Point, whole int) {
	r.t.Helper()
	sel, err := r.Read(r.t.Context(), ReadRequest{IDs: slices.Clone(ids), From: from, To: to, Step: hourMillis})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.SortFunc(sel.Rollups, byPlace)
	err = r.db.Look(r.t.Context(), func(at dialect.Snapshot) error {
		_, err := r.readDays(r.t.Context(), at, ids, Span{From: from, To: to}, func(block.Point) { whole++ })
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return sel.Rollups, whole
}

// TestHoursByTheDay: days that are held by series say what their rows say, and are
// left as soon as a row changes.
func TestHoursByTheDay(t *testing.T) {
	r := newHoursRig(t)
	const from, to = firstDay * dayMillis, (firstDay+2)*dayMillis - 1
	for h := range int64(40) {
		r.put(from+h*hourMillis+10_000, float64(h)/4)
	}
	rows, whole := r.hours(r.ids, from, to)
	if len(rows) != 40*3 || whole != 0 {
		t.Fatalf("%d rows, %d of whole days, before a day was made", len(rows), whole)
	}
	r.rollDays()
	same := func(when string, wholeOnes int, from, to int64) {
		t.Helper()
		want := slices.DeleteFunc(slices.Clone(rows), func(p block.Point) bool { return p.Time < from || p.Time > to })
		got, whole := r.hours(r.ids, from, to)
		if len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) || whole != wholeOnes {
			t.Fatalf("%s: %d of whole days, want %d:\n%+v\nwant\n%+v", when, whole, wholeOnes, got, want)
		}
	}
	same("both days are whole", 40*3, from, to)
	same("a part of a day", 5*3, from+3*hourMillis, from+8*hourMillis-1)
	same("from within an hour", 4*3, from+3*hourMillis+1, from+8*hourMillis-1)

	r.put(from+5*hourMillis+20_000, 1000) // late: the first day is whole no more
	late, whole := r.hours(r.ids, from, to)
	if len(late) != 40*3 || whole != 16*3 || fmt.Sprint(late) == fmt.Sprint(rows) {
		t.Fatalf("%d points, %d of whole days, after late data", len(late), whole)
	}
	rows = late
	r.rollDays()
	same("made again", 40*3, from, to)

	if _, err := r.DeleteSeries(t.Context(), r.ids[:1], to); err != nil {
		t.Fatal(err)
	}
	if _, err := r.purge(t.Context(), runsOf(r.ids[:1])); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.hours(r.ids[:1], from, to); len(got) != 0 {
		t.Errorf("a purged series has %d points", len(got))
	}
	if err := r.deleteDays(t.Context(), from+dayMillis); err != nil {
		t.Fatal(err)
	}
	if _, whole := r.hours(r.ids, from, to); whole != 16*2 {
		t.Errorf("%d points of whole days behind the floor", whole)
	}
}

// TestHoursBehind: a day of which an hour's rows are behind its chunks is not held,
// for nothing would make it again.
func TestHoursBehind(t *testing.T) {
	r := newHoursRig(t)
	const from = firstDay * dayMillis
	r.put(from, 1)
	if _, err := r.db.Write.ExecContext(t.Context(), "UPDATE compaction SET rolled = 0"); err != nil {
		t.Fatal(err)
	}
	r.rollDays()
	if _, whole := r.hours(r.ids, from, from+dayMillis-1); whole != 0 {
		t.Errorf("%d points of a day whose rows are behind", whole)
	}
}
