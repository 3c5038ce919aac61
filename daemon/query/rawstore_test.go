package query

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/migrate"
)

// rawStore is Prometheus's storage interface over the daemon's stages: lanes, a
// log in memory, the flusher, an SQLite store, the read path. A third of what
// is appended stands in chunks, a third in blocks, a third in memory.
type rawStore struct {
	t       testing.TB
	dir     string
	store   *storage.Store
	lanes   *lane.Set
	flusher *flush.Flusher
	page    *ledger.Page
	head    *Head
	reader  *Reader
	engine  *Engine // its Querier alone is used
}

// emptyStore is a migrated database without data, made once.
var emptyStore = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "raw")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	m, err := migrate.Open(context.Background(), "sqlite:nexus.db", dir, "")
	if err != nil {
		return nil, err
	}
	_, err = m.Up(context.Background())
	if err := errors.Join(err, m.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "nexus.db"))
})

// memoryDir is a directory that costs no disk, where the system has one.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "nexus-raw")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openRawStore(t testing.TB) *rawStore {
	t.Helper()
	s := &rawStore{t: t, dir: memoryDir(t), head: NewHead(1 << 20)}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	data, err := emptyStore()
	must(err)
	must(os.WriteFile(filepath.Join(s.dir, "nexus.db"), data, 0o600))
	s.store, err = storage.Open(t.Context(), storage.Options{URL: "sqlite:nexus.db", DataDir: s.dir})
	must(err)
	s.page, err = ledger.OpenPage(filepath.Join(s.dir, "received"))
	must(err)
	s.page.Start(0)
	letters, err := deadletter.Open(s.dir, own)
	must(err)
	catalog, quiet := admit.NewCatalog(1<<20), slog.New(slog.DiscardHandler)
	mark := record.Mark{Generation: 1, Bucket: at, At: at, Restart: true}
	limits := protocol.DefaultLimits()
	limits.Past, limits.Future = 1<<50, 1<<50 // the suite's times begin in 1970
	s.lanes = lane.New(lane.Options{
		Lanes: 2, Log: new(memoryLog), Catalog: catalog, Page: s.page, Limits: limits, Fold: aggregate.Options{Resolution: 10_000, Schema: 5},
		MaxAliases: 16, Logger: quiet, Now: func() time.Time { return time.UnixMilli(at) },
	}, lane.Start{Mark: mark, State: aggregate.NewState()})
	s.flusher = flush.New(s.store, catalog, own, 0, letters, quiet)
	s.reader = NewReader(s.lanes, s.store, catalog, s.head, own, Options{
		Resolution: 10_000, Idle: 300_000, MaxSeries: 100_000, Now: func() time.Time { return time.UnixMilli(at) },
	})
	s.engine = &Engine{reader: s.reader}
	return s
}

// memoryLog gives records their place and keeps none of them.
type memoryLog struct {
	mu  sync.Mutex
	end wal.Position
}

func (m *memoryLog) Append(build func(at wal.Position) []byte) (wal.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := m.end
	if b := build(from); len(b) > 0 {
		m.end += wal.Position(len(b) + 8)
	}
	return wal.Span{From: from, To: m.end}, nil
}

func (s *rawStore) Close() error {
	s.lanes.Close()
	return errors.Join(s.store.Close(), s.page.Close())
}

func (s *rawStore) StartTime() (int64, error) { return 0, nil }
func (s *rawStore) ChunkQuerier(int64, int64) (promstorage.ChunkQuerier, error) {
	return nil, errors.New("chunks are not served")
}
func (s *rawStore) Querier(mint, maxt int64) (promstorage.Querier, error) {
	return s.engine.Querier(mint, maxt)
}
func (s *rawStore) Appender(context.Context) promstorage.Appender     { return (*oldAppender)(nil) }
func (s *rawStore) AppenderV2(context.Context) promstorage.AppenderV2 { return &rawAppender{store: s} }

// oldAppender is the interface before AppenderV2, which nobody here uses.
type oldAppender struct{ promstorage.Appender }

// rawAppender gathers samples, and hands them over as requests do.
type rawAppender struct {
	store   *rawStore
	samples []sent
}

type sent struct {
	key    series.Key
	sample record.Raw
}

func (a *rawAppender) SetOptions(*promstorage.AppendOptions) {}
func (a *rawAppender) Rollback() error                       { a.samples = nil; return nil }

func (a *rawAppender) Append(_ promstorage.SeriesRef, l labels.Labels, st, t int64, v float64, h *promhistogram.Histogram, fh *promhistogram.FloatHistogram, _ promstorage.AppendV2Options) (promstorage.SeriesRef, error) {
	one := sent{key: keyOfLabels(l), sample: record.Raw{Time: t, Value: v, Start: st}}
	if h != nil {
		fh = h.ToFloat(nil)
	}
	if fh != nil {
		one.sample.Hist = NativeOf(fh).AppendBinary(nil)
	}
	a.samples = append(a.samples, one)
	return 0, nil
}

func (a *rawAppender) Commit() error {
	third := (len(a.samples) + 2) / 3
	for part, list := range slices.Collect(slices.Chunk(a.samples, max(third, 1))) {
		if err := a.store.append(list); err != nil {
			return err
		}
		if part < 2 {
			a.store.flush(part == 0)
		}
	}
	return nil
}

func keyOfLabels(l labels.Labels) series.Key {
	var k series.Key
	l.Range(func(one labels.Label) {
		if one.Name == nameLabel {
			k.Name = one.Value
		} else {
			k.Tags = append(k.Tags, series.Tag{Key: one.Name, Value: one.Value})
		}
	})
	return k
}

// request is samples on their way through a lane.
type request struct {
	list    []sent
	outcome lane.RawOutcome
	done    chan error
}

func (r *request) Take(t *lane.Taker) {
	t.Tell(&r.outcome)
	for i := range r.list {
		ref, why := t.RawSeries(&r.list[i].key)
		if why != protocol.Accepted {
			t.RejectRaw(why, 1)
			continue
		}
		r.list[i].sample.Ref = ref
		t.RawSample(r.list[i].sample)
	}
}
func (r *request) Done(_ wal.Position, err error) { r.done <- err }

func (s *rawStore) submit(list []sent) (*lane.RawOutcome, error) {
	r := &request{list: list, done: make(chan error, 1)}
	s.lanes.Submit(s.lanes.Assign(), r)
	err := <-r.done
	return &r.outcome, err
}

func (s *rawStore) append(list []sent) error {
	o, err := s.submit(list)
	if n := o.Refused(); err == nil && n > 0 {
		err = errors.New("samples were refused: " + reasons(o))
	}
	return err
}

func reasons(o *lane.RawOutcome) (list string) {
	for i, n := range o.Rejected {
		if n > 0 {
			list += protocol.Reason(i).String() + " "
		}
	}
	return list
}

// flush closes the generation and stores it.
func (s *rawStore) flush(compact bool) {
	s.t.Helper()
	if err := s.lanes.Mark(); err != nil {
		s.t.Fatal(err)
	}
	c := s.lanes.Collector()
	g, _, _, err := c.Next(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	done, err := s.flusher.Flush(context.Background(), g, c.State())
	if err != nil {
		s.t.Fatal(err)
	}
	s.head.Add(done.Flush)
	c.Done(g.Number, func(*aggregate.State) {})
	if compact {
		if _, err := s.store.Compact(context.Background(), 1<<40); err != nil {
			s.t.Fatal(err)
		}
		s.head.DropBefore(1 << 40)
	}
}
