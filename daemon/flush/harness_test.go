package flush_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const startTime = 1_700_000_000_000

var foldOptions = aggregate.Options{Resolution: 10_000, Schema: 5}

// openStore returns a fresh SQLite store.
func openStore(t testing.TB) *storage.Store {
	t.Helper()
	dir := t.TempDir()
	m, err := migrate.Open(t.Context(), "sqlite:nexus.db", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Up(t.Context())
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(t.Context(), storage.Options{URL: "sqlite:nexus.db", DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// faulty is a real store behind faults. A fault of before keeps the operation
// from happening; one of after hides that it has.
type faulty struct {
	mu            sync.Mutex
	store         flush.Store
	before, after func(op string) error
	commits       []storage.Flush // that the store was asked for
	keys          [][][]byte
	check         func(f storage.Flush)
	refuse        func(f storage.Flush) bool // what no try makes better
}

func (f *faulty) set(before, after func(op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *faulty) faults() (before, after func(op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before, f.after
}

func call(fault func(op string) error, op string) error {
	if fault == nil {
		return nil
	}
	return fault(op)
}

func (f *faulty) Resolve(ctx context.Context, keys [][]byte) ([]int64, error) {
	before, after := f.faults()
	if err := call(before, "resolve"); err != nil {
		return nil, err
	}
	ids, err := f.store.Resolve(ctx, keys)
	f.mu.Lock()
	f.keys = append(f.keys, keys)
	f.mu.Unlock()
	return ids, errors.Join(err, call(after, "resolve"))
}

func (f *faulty) GoneSince(ctx context.Context, since int64) (storage.Goings, error) {
	f.mu.Lock()
	store := f.store
	f.mu.Unlock()
	return store.GoneSince(ctx, since)
}

func (f *faulty) Probe(ctx context.Context, c storage.Flush) error {
	before, after := f.faults()
	if err := call(before, "probe"); err != nil {
		return err
	}
	f.mu.Lock()
	store, refuse := f.store, f.refuse
	f.mu.Unlock()
	if refuse != nil && refuse(c) {
		return errRefused
	}
	return errors.Join(store.Probe(ctx, c), call(after, "probe"))
}

func (f *faulty) Commit(ctx context.Context, c storage.Flush) (bool, error) {
	before, after := f.faults()
	if err := call(before, "commit"); err != nil {
		return false, err
	}
	f.mu.Lock()
	f.commits = append(f.commits, c)
	store, refuse := f.store, f.refuse
	f.mu.Unlock()
	if refuse != nil && refuse(c) {
		return false, errRefused
	}
	if f.check != nil {
		f.check(c)
	}
	applied, err := store.Commit(ctx, c)
	return applied, errors.Join(err, call(after, "commit"))
}

// failing fails an operation n times.
func failing(op string, n int, err error) func(string) error {
	var left atomic.Int64
	left.Store(int64(n))
	return func(o string) error {
		if o == op && left.Add(-1) >= 0 {
			return err
		}
		return nil
	}
}

// pipeline is everything from lanes to store.
type pipeline struct {
	t       *testing.T
	store   *storage.Store
	faulty  *faulty
	dir     string
	log     *wal.Log
	catalog *admit.Catalog
	set     *lane.Set
	files   *replay.Checkpoints
	letters *deadletter.Directory
	book    ledger.Book
	loop    *flush.Loop
	now     atomic.Int64 // of the data
	clock   atomic.Int64 // of the checkpoints, an offset
	// stored are the flushes that the loop told of.
	mu     sync.Mutex
	stored []flush.Committed
}

func newPipeline(t *testing.T, o wal.Options) *pipeline {
	t.Helper()
	p := &pipeline{t: t, store: openStore(t), catalog: admit.NewCatalog(1 << 20)}
	p.now.Store(startTime)
	p.faulty = &faulty{store: p.store}
	p.dir = t.TempDir()
	var err error
	if p.log, err = wal.Open(p.dir, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.log.Close() }) // some tests break it
	page, err := ledger.OpenPage(filepath.Join(p.dir, "received"))
	if err != nil {
		t.Fatal(err)
	}
	page.Start(0)
	m := record.Mark{Generation: 1, Bucket: startTime, At: startTime, Restart: true}
	span, err := p.log.Append(func(wal.Position) []byte { return record.AppendMark(nil, m) })
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	p.set = lane.New(lane.Options{
		Lanes: 2, Log: p.log, Catalog: p.catalog, Page: page, Limits: protocol.DefaultLimits(), Fold: foldOptions,
		MaxAliases: 1 << 16, Logger: logger, Now: func() time.Time { return time.UnixMilli(p.now.Load()) },
	}, lane.Start{Mark: m, Position: uint64(span.To), State: aggregate.NewState()})
	t.Cleanup(func() {
		p.set.Close()
		if err := page.Close(); err != nil {
			t.Error(err)
		}
	})
	if p.files, err = replay.OpenCheckpoints(p.dir); err != nil {
		t.Fatal(err)
	}
	if p.letters, err = deadletter.Open(p.dir, p.log.ID()); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return time.Now().Add(time.Duration(p.clock.Load())) }
	p.loop = &flush.Loop{
		Flusher: flush.New(p.faulty, p.catalog, p.log.ID(), 0, p.letters, logger), Queue: p.set.Collector(),
		Source:  &replay.Source{Log: p.log, Checkpoints: p.files, Catalog: p.catalog, Options: foldOptions},
		Catalog: p.catalog, Book: &p.book, Logger: logger,
		Checkpoints: flush.NewCheckpointer(p.files, p.log, p.catalog, p.letters, logger, clock),
		Stored: func(c flush.Committed) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stored = append(p.stored, c)
		},
	}
	return p
}

// run flushes until the returned function is called, which gives Run's error.
func (p *pipeline) run() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.loop.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}

// runToItsEnd flushes until the loop ends by itself, and returns its error.
func (p *pipeline) runToItsEnd() error {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := p.loop.Run(ctx)
	if ctx.Err() != nil {
		p.t.Fatal("the loop goes on where it has to end")
	}
	return err
}

type chunk struct {
	lines string
	done  chan error
}

func (c *chunk) Take(t *lane.Taker) {
	for line := range strings.Lines(c.lines) {
		line, _ := protocol.NextLine([]byte(line))
		t.Line(line)
	}
}
func (c *chunk) Done(_ wal.Position, err error) { c.done <- err }

func (p *pipeline) send(number int, lines string) {
	p.t.Helper()
	c := &chunk{lines: lines, done: make(chan error, 1)}
	p.set.Submit(number, c)
	if err := <-c.done; err != nil {
		p.t.Error(err)
	}
}

func (p *pipeline) mark() {
	p.t.Helper()
	p.now.Add(10_000)
	if err := p.set.Mark(); err != nil {
		p.t.Fatal(err)
	}
}

// generation sends what one generation holds, and ends it: five values and a
// line that is refused.
func (p *pipeline) generation(i int) {
	p.t.Helper()
	p.send(i%2, "hits:1|c\nhits:2|c|#k:v\nlevel:+1|g\nno line\n")
	p.send((i+1)%2, fmt.Sprintf("hits:4|c\nplain:%d|g\n", i))
	p.mark()
}

// Values and refused lines of one generation, and the sum of its counters.
const values, refused, sum = 5, 1, 7

func (p *pipeline) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("in vain waited for: %s", what)
		}
	}
}

func (p *pipeline) drained() {
	p.t.Helper()
	p.eventually("everything is stored", p.set.Collector().Empty)
}

// checkStored holds the store to what n generations come to, exactly once: by
// its own ledger, and by the points themselves.
func (p *pipeline) checkStored(s *storage.Store, n int) {
	p.t.Helper()
	w, err := s.Writer(p.t.Context(), p.log.ID())
	if err != nil {
		p.t.Fatal(err)
	}
	if w.Counts.Stored != uint64(values*n) || w.Counts.Rejected["syntax"] != uint64(refused*n) || w.Seq != uint64(n) {
		p.t.Errorf("the store has %+v, want %d values and %d refused", w, values*n, refused*n)
	}
	got, levels := p.read(s)
	if got != float64(sum*n) {
		p.t.Errorf("the counters add up to %v, want %d", got, sum*n)
	}
	for i, level := range levels {
		if level != float64(i+1) {
			p.t.Errorf("generation %d left the gauge at %v", i+1, level)
		}
	}
	if len(levels) != n {
		p.t.Errorf("%d points of the gauge, want %d", len(levels), n)
	}
}

// read returns the sum of all counters' points and the gauge's values by time.
func (p *pipeline) read(s *storage.Store) (total float64, levels []float64) {
	p.t.Helper()
	all, err := s.FindSeries(p.t.Context(), []series.Matcher(nil), 0, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	ids, level := []int64{}, int64(0)
	for _, one := range all {
		ids = append(ids, one.ID)
		if one.Key.Name == "level" {
			level = one.ID
		}
	}
	sel, err := s.Read(p.t.Context(), storage.ReadRequest{IDs: ids, From: startTime - 3600_000, To: startTime + 3600_000})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, b := range sel.Blocks {
		points, err := block.DecodeBlock(b.Data, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, pt := range points {
			if pt.Kind == block.Counter {
				total += pt.Sum
			}
			if pt.Series == level {
				levels = append(levels, pt.Last)
			}
		}
	}
	return total, levels
}

// checkBook holds what the daemon counts as settled to what it flushed, and
// the law over all.
func (p *pipeline) checkBook(n int) {
	p.t.Helper()
	var own ledger.Statement
	terms, err := p.set.Terms(p.t.Context(), func() { own = p.book.Own() })
	if err != nil {
		p.t.Fatal(err)
	}
	if own.Stored != uint64(values*n) || terms.Pending != 0 || terms.Counts.Refused() != 0 || own.Accounted() != terms.Received {
		p.t.Errorf("settled %+v, pending %+v after %d generations", own, terms, n)
	}
}

var errRefused = fmt.Errorf("the test says: %w", storage.ErrRefused)

var errAway = fmt.Errorf("the test says: %w", storage.ErrUnavailable)
