package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const start = 1_700_000_000_000

var foldOptions = aggregate.Options{Resolution: 10_000, Schema: 5}

// pipeline is the live half: lanes over a log, a clock turned by hand.
type pipeline struct {
	t       *testing.T
	dir     string
	log     *wal.Log
	catalog *admit.Catalog
	set     *lane.Set
	page    *ledger.Page
	mu      sync.Mutex
	now     int64
	raw     int // 1: raw samples come along
}

func newPipeline(t *testing.T, lanes int) *pipeline {
	t.Helper()
	p := &pipeline{t: t, dir: t.TempDir(), catalog: admit.NewCatalog(1 << 20), now: start}
	var err error
	if p.log, err = wal.Open(p.dir, wal.Options{SegmentSize: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if p.page, err = ledger.OpenPage(filepath.Join(p.dir, "received")); err != nil {
		t.Fatal(err)
	}
	p.page.Start(0)
	m := record.Mark{Generation: 1, Bucket: start, At: start, Restart: true}
	span, err := p.log.Append(func(wal.Position) []byte { return record.AppendMark(nil, m) })
	if err != nil {
		t.Fatal(err)
	}
	p.set = lane.New(lane.Options{
		Lanes: lanes, Log: p.log, Catalog: p.catalog, Page: p.page, Limits: protocol.DefaultLimits(), Fold: foldOptions,
		MaxAliases: 1 << 16, Logger: slog.New(slog.DiscardHandler), Now: p.clock,
	}, lane.Start{Mark: m, Position: uint64(span.To), State: aggregate.NewState()})
	return p
}

func (p *pipeline) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.UnixMilli(p.now)
}

func (p *pipeline) advance(ms int64) {
	p.mu.Lock()
	p.now += ms
	p.mu.Unlock()
}

func (p *pipeline) mark() {
	p.t.Helper()
	p.advance(10_000)
	if err := p.set.Mark(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pipeline) close() {
	p.set.Close()
	if err := p.log.Close(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.page.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// chunk is a job of lines, and of raw samples that all senders send.
type chunk struct {
	lines string
	raw   []record.Raw
	done  chan error
}

func (c *chunk) Take(t *lane.Taker) {
	for i, s := range c.raw {
		var why protocol.Reason
		if s.Ref, why = t.RawSeries(&series.Key{Name: fmt.Sprintf("raw_%d", i%3)}); why == protocol.Accepted {
			t.RawSample(s)
		}
	}
	rest := []byte(c.lines)
	for len(rest) > 0 {
		var line []byte
		line, rest = protocol.NextLine(rest)
		t.Line(line)
	}
}

func (c *chunk) Done(_ wal.Position, err error) { c.done <- err }

func (p *pipeline) send(number int, lines string) {
	c := &chunk{lines: lines, done: make(chan error, 1)}
	for i := range len(lines) % 7 * p.raw {
		s := record.Raw{Time: start + int64(len(lines)%50)*1000 + int64(i), Value: math.NaN()}
		if i%2 == 1 {
			s.Hist = (&histogram.Native{Count: float64(i)}).AppendBinary(nil)
		}
		c.raw = append(c.raw, s)
	}
	p.set.Submit(number, c)
	if err := <-c.done; err != nil {
		p.t.Error(err)
	}
}

// blocks is what a generation comes to, as the store would get it. Series are
// numbered by their place in a sorted list, as a store numbers them once.
type blocks map[uint64][][]byte

func encode(g *aggregate.Generation, state *aggregate.State, ids map[string]int64, all []*admit.Series) (out [][]byte) {
	g.Points(func(i uint32) int64 { return ids[all[i].Key] }, state, func(shard int64, points []block.Point) {
		out = append(out, block.AppendBlock(nil, shard, g.Bucket, points))
	})
	out = append(out, fmt.Appendf(nil, "%d values, %+v", g.Values(), g.Counts())) // one verdict, live and on replay
	for _, e := range g.Events() {
		out = append(out, fmt.Appendf(nil, "event %d of lane %d at %d: %x", e.Number, e.Lane, e.At, e.Body))
	}
	return out
}

// drain takes n complete generations off the live pipeline.
func (p *pipeline) drain(n int, ids map[string]int64) blocks {
	p.t.Helper()
	out := blocks{}
	for range n {
		g, spilled, _, err := p.set.Collector().Next(context.Background())
		if err != nil || spilled {
			p.t.Fatal(spilled, err)
		}
		out[g.Number] = encode(g, p.set.Collector().State(), ids, p.catalog.Snapshot())
		p.set.Collector().Done(g.Number, func(*aggregate.State) {})
	}
	return out
}

// workload sends from several goroutines to several lanes at once: counters
// with fractions, rates, shared gauges with absolute values and deltas, gauges
// that turn to deltas in the middle, timed and late samples, histograms, sets,
// and lines that are refused.
func (p *pipeline) workload(lanes, generations int) {
	for g := range generations {
		var wg sync.WaitGroup
		for l := range lanes {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), uint64(l)))
				for range 20 {
					var b []byte
					for range 1 + r.IntN(40) {
						b = appendRandomLine(b, r, g, l)
					}
					p.advance(int64(r.IntN(30)))
					p.send(l, string(b))
				}
			})
		}
		if g%3 == 1 { // a mark in the middle of it, with lanes on both sides
			p.mark()
		}
		wg.Wait()
		p.mark()
	}
}

func appendRandomLine(b []byte, r *rand.Rand, g, l int) []byte {
	switch k := r.IntN(13); {
	case k < 3:
		return fmt.Appendf(b, "count.%d:%v|c|#lane:%d\n", r.IntN(9), float64(r.IntN(1000))/7, l)
	case k < 4:
		return fmt.Appendf(b, "sampled.%d:%d|c|@0.3\n", r.IntN(3), r.IntN(9))
	case k < 5:
		return fmt.Appendf(b, "odd:1|c|@0.%03d\n", 1+r.IntN(998))
	case k < 6:
		return fmt.Appendf(b, "plain.%d:%v|g\n", r.IntN(5), float64(r.IntN(100))/3)
	case k < 8:
		if g > 1 && r.IntN(3) > 0 {
			return fmt.Appendf(b, "level.%d:%+d|g\n", r.IntN(4), r.IntN(9)-4)
		}
		return fmt.Appendf(b, "level.%d:%d|g\n", r.IntN(4), r.IntN(100))
	case k < 9:
		return fmt.Appendf(b, "timed.%d:%d|g|T%d\n", r.IntN(2), r.IntN(50), start/1000+int64(r.IntN(60)-30))
	case k < 10:
		return fmt.Appendf(b, "took:%v:%v|ms|#lane:%d\n", r.ExpFloat64(), r.ExpFloat64(), l)
	case k < 11:
		return fmt.Appendf(b, "users:u%d|s\n", r.IntN(3000))
	case k < 12:
		if r.IntN(2) == 0 {
			return fmt.Appendf(b, "_sc|check.%d|%d|m:found\\nout|#lane:%d\n", r.IntN(5), r.IntN(4), l)
		}
		return fmt.Appendf(b, "_e{5,2}:title|%02d|d:%d|#lane:%d\n", r.IntN(99), start/1000+int64(r.IntN(60)-30), l)
	}
	bad := []string{"not a line", ":1|c", "a:x|c", "a:1|C", "a:1|c|@0", `{"name":"a"}`, "_sc|a|9", "_e{9,9}:a|b", "nexus.a:1|c", "a:1|c|T1", "a\x00:1|c"}
	return fmt.Appendln(b, bad[r.IntN(len(bad))])
}

// TestReplayGivesTheSameBytes folds a log of several lanes live and from disk:
// from its beginning, and from a checkpoint in the middle.
func TestReplayGivesTheSameBytes(t *testing.T) {
	const lanes, generations = 4, 6
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPipeline(t, lanes)
			p.raw = 1
			p.workload(lanes, generations)
			ids := sortedIDs(p.catalog)
			closed := generations + generations/3
			live := p.drain(closed, ids)
			p.set.Close()
			if err := p.log.Sync(); err != nil {
				t.Fatal(err)
			}
			whole, checkpoint := replayAll(t, p, ids, nil)
			compare(t, live, whole, 1)
			resumed, _ := replayAll(t, p, ids, checkpoint)
			compare(t, live, resumed, checkpoint.Mark.Generation)
			p.close()
		})
	}
}

func sortedIDs(c *admit.Catalog) map[string]int64 {
	var keys []string
	for _, s := range c.Snapshot() {
		keys = append(keys, s.Key)
	}
	slices.Sort(keys)
	ids := map[string]int64{}
	for i, k := range keys {
		ids[k] = int64(i+1) * 17 // over several shards
	}
	return ids
}

// replayAll folds the log with a catalog of its own, which meets the series in
// another order, and makes a checkpoint on the way.
func replayAll(t *testing.T, p *pipeline, ids map[string]int64, from *record.Checkpoint) (out blocks, made *record.Checkpoint) {
	t.Helper()
	catalog := admit.NewCatalog(1 << 20)
	f, err := replay.NewFolder(from, catalog, foldOptions)
	if err != nil {
		t.Fatal(err)
	}
	at := wal.Position(0)
	if from != nil {
		at = wal.Position(from.Position)
	}
	r, err := p.log.NewReader(at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out = blocks{}
	for {
		payload, span, err := r.Next()
		if err != nil {
			return out, made
		}
		g, err := f.Record(payload, span)
		if err != nil {
			t.Fatal(err)
		}
		if g == nil {
			continue
		}
		out[g.Number] = encode(g, f.State(), ids, catalog.Snapshot())
		g.Advance(f.State())
		if g.Number == 4 {
			made = throughDisk(t, checkpointOf(g, f.State(), catalog))
		}
	}
}

func checkpointOf(g *aggregate.Generation, state *aggregate.State, catalog *admit.Catalog) *record.Checkpoint {
	all := catalog.Snapshot()
	c := &record.Checkpoint{Position: g.To, Mark: g.Next}
	for _, part := range g.Parts {
		d := record.LaneDict{Lane: uint32(part.Lane)}
		for r := range part.EachRef {
			d.Defs = append(d.Defs, record.Def{Rate: r.Rate, Key: []byte(all[r.Series].Key)})
		}
		c.Lanes = append(c.Lanes, d)
	}
	state.Each(func(i uint32, v float64) {
		c.Gauges = append(c.Gauges, record.Gauge{Key: []byte(all[i].Key), Value: v})
	})
	return c
}

func throughDisk(t *testing.T, c *record.Checkpoint) *record.Checkpoint {
	t.Helper()
	files, err := replay.OpenCheckpoints(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Write(c.Draft()); err != nil {
		t.Fatal(err)
	}
	back, err := files.At(c.Position)
	if err != nil || back == nil {
		t.Fatal(back, err)
	}
	return back
}

func compare(t *testing.T, live, replayed blocks, first uint64) {
	t.Helper()
	compared := 0
	for number, want := range live {
		if number < first {
			continue
		}
		got := replayed[number]
		if len(got) != len(want) {
			t.Fatalf("generation %d: %d blocks live, %d replayed", number, len(want), len(got))
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				a, _ := block.DecodeBlock(want[i], nil)
				b, _ := block.DecodeBlock(got[i], nil)
				t.Fatalf("generation %d, block %d differs:\nlive   %+v\nreplay %+v", number, i, a, b)
			}
		}
		compared++
	}
	if compared < 3 {
		t.Fatalf("only %d generations compared", compared)
	}
}

// TestSharedGaugeIsExact lets lanes set and move one gauge at once; the log's
// own order, followed value by value, says what it must end at.
func TestSharedGaugeIsExact(t *testing.T) {
	for seed := range 20 {
		p := newPipeline(t, 3)
		var wg sync.WaitGroup
		for l := range 3 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(l)))
				for i := range 60 {
					switch r.IntN(4) {
					case 0:
						p.send(l, fmt.Sprintf("g:%d|g\n", r.IntN(1000)))
					case 1:
						p.send(l, fmt.Sprintf("g:%d|g\ng:+%d|g\ng:-1|g\n", r.IntN(50), i))
					default:
						p.send(l, fmt.Sprintf("g:%+d|g\n", r.IntN(21)-10))
					}
				}
			})
		}
		for range 3 {
			p.mark()
		}
		wg.Wait()
		p.mark()
		p.drain(4, map[string]int64{p.catalog.At(0).Key: 1})
		if got, want := p.set.Collector().State().Last(0), followLog(t, p); got != want {
			t.Fatalf("seed %d: the gauge ends at %v, the log says %v", seed, got, want)
		}
		p.close()
	}
}

// followLog applies every record of the one gauge in log order: the plain
// model that tables, lanes and generations must agree with.
func followLog(t *testing.T, p *pipeline) (v float64) {
	t.Helper()
	if err := p.log.Sync(); err != nil {
		t.Fatal(err)
	}
	r, err := p.log.NewReader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		payload, _, err := r.Next()
		if err != nil {
			return v
		}
		var b record.Batch
		if kind, _ := record.KindOf(payload); kind != record.KindBatch {
			continue
		}
		if err := record.DecodeBatch(payload, &b); err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Samples {
			v = s.Value
		}
		for _, o := range b.Ordered {
			if o.Delta {
				v += o.Value
			} else {
				v = o.Value
			}
		}
	}
}
