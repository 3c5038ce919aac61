// Package storagetest is the one suite that every database must pass: each
// promise of package storage as a test, and random operations against a plain
// model in memory.
package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Open returns a fresh, migrated store, and a function that opens another
// handle on the same one, as a second daemon would.
type Open func(t *testing.T) (s *storage.Store, again func() *storage.Store)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"resolve gives each key one id":           testResolve,
		"resolvers side by side agree":            testResolveConcurrently,
		"a commit applies once":                   testCommitOnce,
		"a commit from elsewhere is refused":      testCommitPosition,
		"one writer through two stores":           testCommitBehind,
		"writers do not disturb each other":       testTwoWriters,
		"writers are followed":                    testFollow,
		"compaction moves and keeps every point":  testCompact,
		"late blocks become a further generation": testLate,
		"find matches names, types and tags":      testFind,
		"random operations agree with a map":      testModel,
		"a store is told from the one before it":  testIdentity,
		"a canceled operation leaves no trace":    testCanceled,
		"a probe answers and keeps nothing":       testProbe,
		"names are looked up at the commit":       testRenamed,
		"dead units are revived":                  testRevived,
		"events are kept, listed and dropped":     testEvents,
		"every tier agrees with a list":           testTiers,
		"raw samples are kept one by one":         testRaw,
		"what is deleted is gone":                 testDelete,
		"deletions beside writers":                testDeleteBesideWriters,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

const (
	hour   = int64(472_000) // hours since 1970
	millis = int64(3_600_000)
)

func key(name string, tags ...series.Tag) []byte {
	return series.Key{Name: name, Type: protocol.Counter, Tags: tags}.Append(nil)
}

func keys(n int, name string) (list [][]byte) {
	for i := range n {
		list = append(list, key(name, series.Tag{Key: "i", Value: fmt.Sprint(i)}))
	}
	return list
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func testResolve(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	first := must[[]int64](t)(s.Resolve(ctx, keys(100, "a")))
	if slices.Max(first)-slices.Min(first) > 200 {
		t.Errorf("100 series of a name lie %d ids apart", slices.Max(first)-slices.Min(first))
	}
	mixed := append(keys(150, "a"), keys(3, "b")...)
	mixed = append(mixed, mixed[0])
	second := must[[]int64](t)(s.Resolve(ctx, mixed))
	if !slices.Equal(second[:100], first) || second[len(second)-1] != second[0] {
		t.Error("a known key got another id")
	}
	seen := map[int64]bool{}
	for _, id := range second[:len(second)-1] {
		if id <= 0 || seen[id] {
			t.Fatalf("id %d is given twice, or none", id)
		}
		seen[id] = true
	}
	many := must[[]int64](t)(s.Resolve(ctx, manyNames(3000)))
	if top := slices.Max(many); top > 3000*2 {
		t.Errorf("3,000 names with one series each reach id %d: the ids are not dense", top)
	}
	if _, err := s.Resolve(ctx, [][]byte{{0xff}}); !errors.Is(err, storage.ErrRefused) {
		t.Errorf("a malformed key: %v", err)
	}
}

func manyNames(n int) (list [][]byte) {
	for i := range n {
		list = append(list, key(fmt.Sprintf("name.%d", i)))
	}
	return list
}

func testResolveConcurrently(t *testing.T, open Open) {
	s, again := open(t)
	stores := []*storage.Store{s, again()}
	got := make([][]int64, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			ids, err := stores[i%2].Resolve(context.Background(), keys(200, "same"))
			if err != nil {
				t.Error(err)
			}
			got[i] = ids
		})
	}
	wg.Wait()
	for i := range got {
		if !slices.Equal(got[i], got[0]) {
			t.Fatal("two resolvers gave one key two ids")
		}
	}
}

// flush builds a flush of one counter point for each id.
func flush(writer string, from, to, seq uint64, at int64, sum float64, ids ...int64) storage.Flush {
	byShard := map[int64][]block.Point{}
	slices.Sort(ids)
	for _, id := range ids {
		byShard[id/block.ShardSize] = append(byShard[id/block.ShardSize], block.Point{Series: id, Time: at, Kind: block.Counter, N: 1, Sum: sum})
	}
	f := storage.Flush{Writer: writer, From: from, To: to, Seq: seq, Hour: hour, Counts: storage.Counts{Stored: uint64(len(ids)), Rejected: map[string]uint64{"syntax": 2}}}
	for shard, points := range byShard {
		f.Blocks = append(f.Blocks, storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, at, points)})
	}
	return f
}

func testCommitOnce(t *testing.T, open Open) {
	s, again := open(t)
	ctx := t.Context()
	ids := must[[]int64](t)(s.Resolve(ctx, keys(3, "a")))
	f := flush("w", 0, 10, 1, hour*millis, 5, ids...)
	if !must[bool](t)(s.Commit(ctx, f)) {
		t.Error("the first commit was not applied")
	}
	for _, handle := range []*storage.Store{s, again()} {
		if must[bool](t)(handle.Commit(ctx, f)) {
			t.Error("the same flush was applied again")
		}
	}
	w := must[storage.Writer](t)(s.Writer(ctx, "w"))
	if w.Position != 10 || w.Seq != 1 || w.Counts.Stored != 3 || w.Counts.Rejected["syntax"] != 2 {
		t.Errorf("%+v", w)
	}
	must[bool](t)(s.Commit(ctx, flush("w", 10, 20, 2, hour*millis, 5, ids...)))
	if w := must[storage.Writer](t)(s.Writer(ctx, "w")); w.Counts.Stored != 6 || w.Counts.Rejected["syntax"] != 4 || w.Position != 20 {
		t.Errorf("%+v", w)
	}
	if got := sums(t, s, ids, 0, 1<<60); got[ids[0]] != 10 {
		t.Errorf("stored %v, committed 5 twice", got[ids[0]])
	}
}

func testCommitPosition(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	ids := must[[]int64](t)(s.Resolve(ctx, keys(1, "a")))
	must[bool](t)(s.Commit(ctx, flush("w", 0, 10, 1, hour*millis, 1, ids...)))
	for _, f := range []storage.Flush{flush("w", 0, 20, 2, hour*millis, 1, ids...), flush("w", 15, 30, 3, hour*millis, 1, ids...), flush("new", 5, 9, 1, hour*millis, 1, ids...)} {
		_, err := s.Commit(ctx, f)
		var p *storage.PositionError
		if !errors.As(err, &p) || p.From != f.From || p.To != f.To {
			t.Errorf("%d to %d: %v", f.From, f.To, err)
		}
	}
	if got := sums(t, s, ids, 0, 1<<60); got[ids[0]] != 1 {
		t.Errorf("a refused flush left %v", got[ids[0]])
	}
}

// testCommitBehind commits one writer's flushes through two stores, as after a
// restart: neither goes by what it wrote last where the other has moved on.
func testCommitBehind(t *testing.T, open Open) {
	first, again := open(t)
	second := again()
	ids := must[[]int64](t)(first.Resolve(t.Context(), keys(3, "a")))
	for i, c := range []struct {
		store   *storage.Store
		n       uint64 // flush, from 0
		applied bool
	}{
		{first, 0, true}, {first, 1, true}, {first, 1, false}, {first, 2, true}, {second, 2, false},
		{second, 3, true}, {first, 3, false}, {second, 4, true}, {first, 4, false}, {first, 5, true}, {first, 6, true}, {second, 6, false},
	} {
		f := flush("w", c.n*10, c.n*10+10, c.n+1, hour*millis+int64(c.n)*10_000, 1, ids...)
		if applied := must[bool](t)(c.store.Commit(t.Context(), f)); applied != c.applied {
			t.Errorf("commit %d, of flush %d: applied %v", i, c.n, applied)
		}
	}
	if _, err := second.Commit(t.Context(), flush("w", 50, 60, 6, hour*millis, 1, ids...)); !errors.As(err, new(*storage.PositionError)) {
		t.Errorf("a flush from behind: %v", err)
	}
	w := must[storage.Writer](t)(first.Writer(t.Context(), "w"))
	if w.Position != 70 || w.Seq != 7 || w.Counts.Stored != 21 || w.Counts.Rejected["syntax"] != 14 {
		t.Errorf("%+v", w)
	}
	if got := sums(t, first, ids, 0, 1<<60); got[ids[0]] != 7 {
		t.Errorf("stored %v in 7 flushes of 1", got[ids[0]])
	}
}

func testTwoWriters(t *testing.T, open Open) {
	s, again := open(t)
	ctx := t.Context()
	ids := must[[]int64](t)(s.Resolve(ctx, keys(5, "a")))
	handles := []*storage.Store{s, again()}
	var wg sync.WaitGroup
	for i, h := range handles {
		wg.Go(func() {
			for n := range uint64(10) {
				if _, err := h.Commit(context.Background(), flush(fmt.Sprint("w", i), n*10, n*10+10, n+1, hour*millis+int64(n)*10_000, 1, ids...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if ws := must[[]storage.Writer](t)(s.Writers(ctx)); len(ws) != 2 || ws[0].Position != 100 || ws[1].Position != 100 {
		t.Errorf("%+v", ws)
	}
	if got := sums(t, s, ids, 0, 1<<60); got[ids[4]] != 20 {
		t.Errorf("two writers stored %v, want 20", got[ids[4]])
	}
}

// sums adds up what the store holds of counters in [from, to], over chunks and
// blocks, with the bases from before from's day.
func sums(t *testing.T, s *storage.Store, ids []int64, from, to int64) map[int64]float64 {
	t.Helper()
	sel := must[storage.Selection](t)(s.Read(t.Context(), storage.ReadRequest{IDs: slices.Clone(ids), From: from, To: to, BaseBefore: from}))
	got := map[int64]float64{}
	add := func(id int64, p block.Point) {
		if p.Time >= from && p.Time <= to && slices.Contains(ids, id) {
			got[id] += p.Sum
		}
	}
	for _, c := range sel.Chunks {
		for _, p := range must[[]block.Point](t)(block.DecodeChunk(c.Data, c.Start, nil)) {
			add(c.Series, p)
		}
	}
	for _, b := range sel.Blocks {
		for _, p := range must[[]block.Point](t)(block.DecodeBlock(b.Data, nil)) {
			add(p.Series, p)
		}
	}
	return got
}

func testCompact(t *testing.T, open Open) {
	s, again := open(t)
	ctx := t.Context()
	ids := must[[]int64](t)(s.Resolve(ctx, keys(1500, "a")))
	for n := range uint64(5) {
		must[bool](t)(s.Commit(ctx, flush("w", n*10, n*10+10, n+1, hour*millis+int64(n)*10_000, 2, ids...)))
	}
	if st := must[storage.CompactStats](t)(s.Compact(ctx, hour)); st.Blocks != 0 {
		t.Errorf("an hour that is not over was compacted: %+v", st)
	}
	var wg sync.WaitGroup
	chunks := make([]int, 2)
	for i, h := range []*storage.Store{s, again()} {
		wg.Go(func() {
			st, err := h.Compact(context.Background(), hour+1)
			if err != nil {
				t.Error(err)
			}
			chunks[i] = st.Chunks
		})
	}
	wg.Wait()
	if chunks[0]+chunks[1] != 1500 {
		t.Errorf("two compactions at once made %d and %d chunks of 1,500 series", chunks[0], chunks[1])
	}
	if left := must[[]storage.StoredBlock](t)(s.Blocks(ctx, 0, 1<<40)); len(left) != 0 {
		t.Errorf("%d blocks are left", len(left))
	}
	for id, sum := range sums(t, s, ids, 0, 1<<45) {
		if sum != 10 {
			t.Fatalf("series %d holds %v after compaction, want 10", id, sum)
		}
	}
	sel := must[storage.Selection](t)(s.Read(ctx, storage.ReadRequest{IDs: ids[:1], From: 1 << 44, To: 1 << 45, BaseBefore: (hour/24 + 1) * 24 * millis}))
	if b := sel.Bases[ids[0]]; b.Sum != 10 {
		t.Errorf("the next day's base is %+v, want 10", b)
	}
}

func testLate(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	ids := must[[]int64](t)(s.Resolve(ctx, keys(2, "a")))
	total := 0.0
	for round := range uint64(4) {
		f := flush("w", round*10, round*10+10, round+1, hour*millis+20_000, 3, ids...)
		if round%2 == 1 {
			f.Hour += 5 // arrives hours later
		}
		must[bool](t)(s.Commit(ctx, f))
		must[storage.CompactStats](t)(s.Compact(ctx, hour+10))
		total += 3
		if got := sums(t, s, ids, hour*millis, hour*millis+millis); got[ids[1]] != total {
			t.Fatalf("round %d: %v, want %v", round, got[ids[1]], total)
		}
	}
	day := hour / 24 * 24 * millis
	sel := must[storage.Selection](t)(s.Read(ctx, storage.ReadRequest{IDs: ids, From: day + 24*millis, To: day + 25*millis, BaseBefore: day + 24*millis}))
	if sel.Bases[ids[0]].Sum != total {
		t.Errorf("the base does not hold the late data: %+v", sel.Bases)
	}
}

func testFind(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	var all [][]byte
	for _, name := range []string{"http.requests", "http.errors", "http_x", "db.time"} {
		for _, host := range []string{"web01", "web02", "db01"} {
			all = append(all, key(name, series.Tag{Key: "env", Value: "prod"}, series.Tag{Key: "host", Value: host}))
		}
	}
	must[[]int64](t)(s.Resolve(ctx, all))
	for _, c := range []struct {
		tag   string
		op    series.MatchOp
		value string
		want  int
	}{
		{series.NameTag, series.Equal, "http.requests", 3},
		{series.NameTag, series.Regexp, `http\..*`, 6},
		{series.NameTag, series.Regexp, "http.*|db.*", 12},
		{series.NameTag, series.NotEqual, "db.time", 9},
		{series.TypeTag, series.Equal, "counter", 12},
		{series.TypeTag, series.Equal, "gauge", 0},
		{"host", series.Regexp, "web.*", 8},
		{"host", series.NotRegexp, "web.*", 4},
		{"nope", series.Equal, "", 12},
	} {
		m := must[series.Matcher](t)(series.NewMatcher(c.tag, c.op, c.value))
		if got := must[[]storage.Series](t)(s.FindSeries(ctx, []series.Matcher{m}, 0, 100)); len(got) != c.want {
			t.Errorf("%q %d %q finds %d series, want %d", c.tag, c.op, c.value, len(got), c.want)
		}
	}
	two := must[[]storage.Series](t)(s.FindSeries(ctx, nil, 0, 2))
	found := must[[]int64](t)(s.Lookup(ctx, [][]byte{two[1].Key.Append(nil), []byte("no such key"), two[0].Key.Append(nil)}))
	if !slices.Equal(found, []int64{two[1].ID, 0, two[0].ID}) {
		t.Errorf("looked up, two series have the ids %v", found)
	}
	var paged []int64
	for after := int64(0); ; {
		page := must[[]storage.Series](t)(s.FindSeries(ctx, nil, after, 5))
		for _, one := range page {
			paged = append(paged, one.ID)
			after = one.ID
		}
		if len(page) < 5 {
			break
		}
	}
	if len(paged) != 12 || !slices.IsSorted(paged) {
		t.Errorf("pages hold %v", paged)
	}
	if err := s.SetMeta(ctx, "db.time", "how long", "ms"); err != nil {
		t.Fatal(err)
	}
	m := must[series.Matcher](t)(series.NewMatcher(series.NameTag, series.Equal, "db.time"))
	if got := must[[]storage.Series](t)(s.FindSeries(ctx, []series.Matcher{m}, 0, 1)); got[0].Unit != "ms" || got[0].Description != "how long" {
		t.Errorf("%+v", got)
	}
	if names := must[[]storage.Name](t)(s.Names(ctx)); len(names) != 4 {
		t.Errorf("%v", names)
	}
}

func testIdentity(t *testing.T, open Open) {
	a, again := open(t)
	b, _ := open(t)
	if a.ID() == "" || a.ID() == b.ID() || a.ID() != again().ID() {
		t.Errorf("identities %q, %q, %q", a.ID(), b.ID(), again().ID())
	}
}

func testCanceled(t *testing.T, open Open) {
	s, _ := open(t)
	ids := must[[]int64](t)(s.Resolve(t.Context(), keys(1, "a")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, flush("w", 0, 10, 1, hour*millis, 1, ids...)); err == nil {
		t.Error("a canceled commit succeeded")
	}
	if w := must[storage.Writer](t)(s.Writer(t.Context(), "w")); w.Position != 0 {
		t.Errorf("%+v", w)
	}
}
