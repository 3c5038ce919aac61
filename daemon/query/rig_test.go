package query

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/follow"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withPostgres{m}) }

// withPostgres stops the server behind the tests, before leaks are looked for.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Run(w.m) }

const own = "own-log"

// rig is a reader over a real store and a window filled by hand: what this daemon has
// not flushed yet, generation by generation.
type rig struct {
	t       testing.TB
	store   *storage.Store
	catalog *admit.Catalog
	head    *Head
	reader  *Reader
	engine  *Engine
	now     int64

	position map[string]uint64
	seq      map[string]uint64
	waiting  []generation
	between  func() // runs after the window was read and before the store is

	follower *follow.Follower // of the other writers, whose clock is now; nobody runs it
	unseen   bool             // others have stored something since the last look
}

type generation struct {
	seq    uint64
	points []block.Point // Series is the index in the catalog
}

// newRig is a rig over SQLite.
func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	return newRigOn(t, sqliteURL, o)
}

const sqliteURL = "sqlite:nexus.db"

// newFollowed is a rig whose reader goes by what was followed of other writers.
func newFollowed(t testing.TB, url string) *rig {
	t.Helper()
	r := newRigOn(t, url, Options{})
	o := r.reader.opts
	o.Others = r.follower
	r.reader = NewReader(r, r.store, r.catalog, r.head, own, o)
	r.reader.atOnce = 2
	r.engine = NewEngine(r.reader, DefaultLimits(), slog.New(slog.DiscardHandler))
	r.look()
	return r
}

// databases runs a test on each kind of store.
func databases(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteURL) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.DSN(t)) })
}

func newRigOn(t testing.TB, url string, o Options) *rig {
	t.Helper()
	dir := t.TempDir()
	m, err := migrate.Open(t.Context(), url, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, catalog: admit.NewCatalog(1 << 20), head: NewHead(1 << 20), now: at, position: map[string]uint64{}, seq: map[string]uint64{}}
	if r.store, err = storage.Open(t.Context(), storage.Options{URL: url, DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.MaxSeries == 0 {
		o.MaxSeries = 1000
	}
	r.follower = follow.New(r.store, r.head, own, slog.New(slog.DiscardHandler), func() time.Time { return time.UnixMilli(r.now) })
	o.Resolution, o.Idle, o.Now = 10_000, 300_000, func() time.Time { return time.UnixMilli(r.now) }
	r.reader = NewReader(r, r.store, r.catalog, r.head, own, o)
	r.reader.atOnce = 2 // most questions of tests are about few series: they too are read in parts
	r.engine = NewEngine(r.reader, DefaultLimits(), slog.New(slog.DiscardHandler))
	return r
}

// shown returns the matching series with what shows of them in [from, to].
func (r *rig) shown(ctx context.Context, ms []series.Matcher, from, to int64) ([]Series, error) {
	list, err := r.reader.Find(ctx, ms)
	if err != nil || len(list) == 0 {
		return list, err
	}
	return list, r.reader.Fill(ctx, list, from, to)
}

// Window is what lane.Set answers with.
func (r *rig) Window(_ context.Context, list []*admit.Series, d aggregate.Detail) (lane.Window, error) {
	w := lane.Window{Points: map[uint32][]block.Point{}, Flushed: r.seq[own] - uint64(len(r.waiting))}
	for _, g := range r.waiting {
		for _, p := range g.points {
			i := uint32(p.Series)
			if slices.ContainsFunc(list, func(s *admit.Series) bool { return s.Index == i }) {
				if d == aggregate.Totals && p.Kind == block.Histogram {
					p.Sketch = nil
				}
				w.Points[i] = append(w.Points[i], p)
			}
		}
	}
	if r.between != nil {
		r.between()
	}
	return w, nil
}

// series makes a series known to this process and, where stored is set, to the
// store.
func (r *rig) series(stored bool, name string, typ protocol.Type, tags ...string) *admit.Series {
	r.t.Helper()
	k := series.Key{Name: name, Type: typ}
	for i := 0; i < len(tags); i += 2 {
		k.Tags = append(k.Tags, series.Tag{Key: tags[i], Value: tags[i+1]})
	}
	s, err := r.catalog.Intern(k.Append(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	if stored {
		r.resolve(s)
	}
	return s
}

func (r *rig) resolve(s *admit.Series) {
	r.t.Helper()
	ids, err := r.store.Resolve(context.Background(), [][]byte{[]byte(s.Key)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.catalog.Store(s, ids[0])
}

// of gives points to a series.
func of(s *admit.Series, points ...block.Point) []block.Point {
	for i := range points {
		points[i].Series = int64(s.Index)
	}
	return points
}

// take logs a generation of this daemon, which waits for its flush.
func (r *rig) take(points ...block.Point) {
	r.seq[own]++
	r.waiting = append(r.waiting, generation{r.seq[own], points})
}

// flush stores this daemon's oldest waiting generation.
func (r *rig) flush() {
	r.t.Helper()
	g := r.waiting[0]
	r.waiting = r.waiting[1:]
	r.commit(own, g.seq, g.points)
}

// other has another daemon store points.
func (r *rig) other(writer string, points ...block.Point) {
	r.t.Helper()
	r.seq[writer]++
	r.commit(writer, r.seq[writer], points)
	r.unseen = true
}

// look has the other writers followed.
func (r *rig) look() {
	r.t.Helper()
	if err := r.follower.Look(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.unseen = false
}

// lookAgain has what others have stored seen, where a reader may go by a look from
// before.
func (r *rig) lookAgain() {
	r.t.Helper()
	if _, _, ok := r.follower.Followed(); ok && r.unseen {
		r.look()
	}
}

func (r *rig) commit(writer string, seq uint64, points []block.Point) {
	r.t.Helper()
	shards := map[int64][]block.Point{}
	all := r.catalog.Snapshot()
	for _, p := range points {
		s := all[p.Series]
		if s.ID() == 0 {
			r.resolve(s)
		}
		p.Series = s.ID()
		shards[p.Series/block.ShardSize] = append(shards[p.Series/block.ShardSize], p)
	}
	f := storage.Flush{Writer: writer, From: r.position[writer], To: r.position[writer] + 100, Seq: seq, Hour: r.now / 3_600_000}
	for shard, list := range shards {
		slices.SortStableFunc(list, func(a, b block.Point) int {
			if a.Series != b.Series {
				return int(a.Series - b.Series)
			}
			return int(a.Time - b.Time)
		})
		f.Blocks = append(f.Blocks, storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, list[0].Time, list)})
	}
	if _, err := r.store.Commit(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
	r.position[writer] = f.To
	if writer == own {
		r.head.Add(f)
	}
}

// compact turns what arrived in hours that are over into chunks.
func (r *rig) compact() {
	r.t.Helper()
	before := r.now / 3_600_000
	if _, err := r.store.Compact(context.Background(), before); err != nil {
		r.t.Fatal(err)
	}
	r.head.DropBefore(before)
}

// scalarAt evaluates an expression that has one value, or none.
func (r *rig) scalarAt(expr string, when int64) (v float64, ok bool) {
	r.t.Helper()
	v, n := 0.0, 0
	r.instant(expr, when, func(s promql.Sample) { v = s.F; n++ })
	if n > 1 {
		r.t.Fatalf("%s has %d values", expr, n)
	}
	return v, n == 1
}

func (r *rig) instant(expr string, when int64, each func(promql.Sample)) {
	r.t.Helper()
	res, done, err := r.engine.Instant(context.Background(), expr, time.UnixMilli(when))
	if err != nil {
		r.t.Fatalf("%s: %v", expr, err)
	}
	defer done()
	vector, err := res.Vector()
	if err != nil {
		r.t.Fatalf("%s: %v", expr, err)
	}
	for _, s := range vector {
		each(s)
	}
}
