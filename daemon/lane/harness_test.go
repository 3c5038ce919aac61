package lane

import (
	"context"
	"errors"
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
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const startTime = 1_700_000_000_000

// memory is a log that keeps records in memory, and refuses them on demand.
type memory struct {
	mu      sync.Mutex
	end     wal.Position
	records [][]byte
	refuse  error
}

func (m *memory) Append(build func(at wal.Position) []byte) (wal.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return wal.Span{}, m.refuse
	}
	b := build(m.end)
	if len(b) == 0 || len(b) > wal.MaxFrame {
		return wal.Span{}, wal.ErrFrame
	}
	m.records = append(m.records, append([]byte(nil), b...))
	from := m.end
	m.end += wal.Position(len(b) + 8)
	return wal.Span{From: from, To: m.end}, nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = err
}

// harness is a set of lanes with a clock turned by hand.
type harness struct {
	t       testing.TB
	set     *Set
	catalog *admit.Catalog
	page    *ledger.Page
	now     atomic.Int64
	closed  bool
}

func newHarness(t testing.TB, lanes int, log Log, change func(o *Options)) *harness {
	t.Helper()
	h := &harness{t: t, catalog: admit.NewCatalog(1 << 20)}
	h.now.Store(startTime)
	var err error
	if h.page, err = ledger.OpenPage(filepath.Join(t.TempDir(), "received")); err != nil {
		t.Fatal(err)
	}
	h.page.Start(0)
	m := record.Mark{Generation: 1, Bucket: startTime, At: startTime, Restart: true}
	span, err := log.Append(func(wal.Position) []byte { return record.AppendMark(nil, m) })
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Lanes: lanes, Log: log, Catalog: h.catalog, Page: h.page, Limits: protocol.DefaultLimits(),
		Fold:       aggregate.Options{Resolution: 10_000, Schema: 5},
		MaxAliases: 1 << 16, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.UnixMilli(h.now.Load()) },
	}
	if change != nil {
		change(&o)
	}
	h.set = New(o, Start{Mark: m, Position: uint64(span.To), State: aggregate.NewState()})
	t.Cleanup(h.close)
	return h
}

func realLog(t testing.TB) *wal.Log {
	t.Helper()
	log, err := wal.Open(t.TempDir(), wal.Options{SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

func (h *harness) close() {
	h.set.Close()
	if !h.closed {
		h.closed = true
		if err := h.page.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *harness) mark() {
	h.t.Helper()
	h.now.Add(10_000)
	if err := h.set.Mark(); err != nil {
		h.t.Error(err)
	}
}

// job runs a function on a lane and waits for its end.
type job struct {
	take func(t *Taker)
	log  wal.Position
	err  error
	done chan struct{}
}

func (j *job) Take(t *Taker) { j.take(t) }

func (j *job) Done(log wal.Position, err error) {
	j.log, j.err = log, err
	close(j.done)
}

func (h *harness) do(lane int, take func(t *Taker)) *job {
	j := &job{take: take, done: make(chan struct{})}
	h.set.Submit(lane, j)
	<-j.done
	return j
}

func takeLines(t *Taker, lines string) {
	for line := range strings.Lines(lines) {
		line, _ := protocol.NextLine([]byte(line))
		t.Line(line)
	}
}

func (h *harness) send(lane int, lines string) *job {
	h.t.Helper()
	j := h.do(lane, func(t *Taker) { takeLines(t, lines) })
	if j.err != nil {
		h.t.Error(j.err)
	}
	return j
}

// settled stands for the store: what the generations that left the collector
// held.
type settled struct {
	stored uint64
	counts ledger.Counts
	// sums are of the counters, by series index, up to each generation.
	sums map[uint64]map[uint32]float64
}

// flushOne takes the oldest complete generation to settled, as a flush does.
func (h *harness) flushOne(ctx context.Context, s *settled) (generation uint64, err error) {
	g, spilled, _, err := h.set.Collector().Next(ctx)
	if err != nil {
		return 0, err
	}
	if spilled {
		return 0, errors.New("the generation's tables were given up")
	}
	sums := map[uint32]float64{}
	stored := uint64(0)
	g.Points(func(i uint32) int64 { return int64(i) }, h.set.Collector().State(), func(_ int64, points []block.Point) {
		for _, p := range points {
			stored += p.N
			if p.Kind == block.Counter {
				sums[uint32(p.Series)] += p.Sum
			}
		}
	})
	counts := g.Counts()
	h.set.Collector().Done(g.Number, func(*aggregate.State) {
		s.stored += stored
		s.counts.Add(&counts)
		if s.sums != nil {
			s.sums[g.Number] = sums
		}
	})
	return g.Number, nil
}

// checkLaw asks for the terms and holds them to the law.
func (h *harness) checkLaw(s *settled) (Terms, uint64) {
	h.t.Helper()
	var stored uint64
	var counts ledger.Counts
	terms, err := h.set.Terms(context.Background(), func() { stored, counts = s.stored, s.counts })
	if err != nil {
		h.t.Error(err)
		return terms, 0
	}
	counts.Add(&terms.Counts)
	if accounted := stored + terms.Pending + counts.Refused(); accounted != terms.Received {
		h.t.Errorf("received %d, accounted for %d: stored %d, pending %d, refused %d",
			terms.Received, accounted, stored, terms.Pending, counts.Refused())
	}
	return terms, stored
}
