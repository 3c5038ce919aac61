package replay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/daemon/wal/waltest"
)

// history is a log of several generations and one checkpoint, on a disk in
// memory, and what each generation took.
type history struct {
	disk       *waltest.Disk
	ends       []uint64 // of the generations
	units      []uint64 // of the generations
	end        uint64   // of the log
	open       uint64   // units behind the last mark
	checkpoint uint64
}

func (h *history) total() uint64 { return sum(h.units) + h.open }

func sum(list []uint64) (n uint64) {
	for _, u := range list {
		n += u
	}
	return n
}

func newHistory(t *testing.T) *history {
	t.Helper()
	p := newPipeline(t, 2)
	p.workload(2, 6)
	p.send(0, "count.1:1|c\ncount.2:2|c\n") // behind the last mark
	ids := sortedIDs(p.catalog)
	_, checkpoint := replayAll(t, p, ids, nil)
	p.close()
	h := &history{disk: waltest.New(rand.New(rand.NewPCG(1, 1))), checkpoint: checkpoint.Position}
	names, err := wal.OS.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		h.disk.Change(filepath.Join("/log", name), func([]byte) []byte { return b })
	}
	files, err := replay.OpenCheckpointsOn(h.disk, "/log")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Write(checkpoint.Draft()); err != nil {
		t.Fatal(err)
	}
	got := h.refold(t, h.disk.Clone(rand.New(rand.NewPCG(1, 1))), 0)
	h.ends, h.units, h.open, h.end = got.ends[:len(got.ends)-1], got.units[:len(got.units)-1], got.units[len(got.units)-1], got.end
	if h.total() < 1000 || len(h.ends) < 6 {
		t.Fatalf("too little of a history: %+v", h)
	}
	return h
}

// refolded is what a start finds.
type refolded struct {
	ends, units []uint64 // of the generations it stores; the restart mark's is the last
	numbers     []uint64
	end         uint64
	cut         *record.Cut
	counted     uint64
	lost        uint64
}

// refold does what the start of a daemon does whose store is at a position.
func (h *history) refold(t *testing.T, disk *waltest.Disk, stored uint64) (r refolded) {
	t.Helper()
	log, err := wal.Open("/log", wal.Options{SegmentSize: 1 << 20, FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	r.end = uint64(log.End())
	files, err := replay.OpenCheckpointsOn(disk, "/log")
	if err != nil {
		t.Fatal(err)
	}
	source := &replay.Source{Log: log, Checkpoints: files, Catalog: admit.NewCatalog(1 << 20), Options: foldOptions}
	emit := func(g *aggregate.Generation, _ *aggregate.State) error {
		counts := g.Counts()
		r.ends, r.units, r.numbers = append(r.ends, g.To), append(r.units, g.Values()+counts.Refused()), append(r.numbers, g.Number)
		r.lost += counts.Lost
		return nil
	}
	folder, err := source.Generations(context.Background(), wal.Position(stored), wal.Position(1<<62), emit)
	if err != nil {
		t.Fatal(err)
	}
	r.cut, r.counted = folder.Cut()
	m := folder.Mark()
	g, err := folder.Record(record.AppendMark(nil, record.Mark{Generation: m.Generation + 1, Bucket: m.Bucket, Restart: true}), wal.Span{From: log.End(), To: log.End() + 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(emit(g, nil), log.Close()); err != nil {
		t.Fatal(err)
	}
	if cut, _ := folder.Cut(); cut != nil {
		t.Error("a start behind the cut leaves it unsettled")
	}
	return r
}

// TestRepairKeepsTheLaw damages the log anywhere, with the store anywhere, and
// starts on what a repair makes of it: what was stored is not stored again, what
// stood before the damage is, and the rest is lost, of which the repair knows
// all that could be read.
func TestRepairKeepsTheLaw(t *testing.T) {
	h := newHistory(t)
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 21))
		disk := h.disk.Clone(r)
		flushed := r.IntN(len(h.ends) + 1)
		stored := uint64(0)
		if flushed > 0 {
			stored = h.ends[flushed-1]
		}
		at := 40 + r.IntN(int(h.end))
		disk.Change("/log/00000000000000000000.seg", func(b []byte) []byte { b[at] ^= 1 << r.IntN(8); return b })
		what := fmt.Sprintf("seed %d: byte %d of %d, the store at %d, the checkpoint at %d", seed, at, h.end, stored, h.checkpoint)
		asked := stored < h.checkpoint || r.IntN(4) > 0
		plan := h.repair(t, disk, replay.Stored{Known: asked, Position: stored})
		got := h.refold(t, disk, stored)
		if err := h.judge(plan, got, flushed, uint64(at-40), asked); err != nil {
			t.Fatalf("%s: %v\n%+v\n%+v\n%+v", what, err, plan.Repair, got, h)
		}
		again := h.refold(t, disk, stored)
		if !slices.Equal(again.units, got.units) {
			t.Fatalf("%s: a second start stores %v, the first %v", what, again.units, got.units)
		}
	}
}

func (h *history) repair(t *testing.T, disk *waltest.Disk, stored replay.Stored) *replay.Repair {
	t.Helper()
	if !stored.Known {
		stored = replay.Stored{}
	}
	plan, err := replay.PlanRepair(disk, "/log", stored)
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Needed() {
		t.Fatal("damage is not found")
	}
	if err := plan.Apply(time.UnixMilli(start)); err != nil {
		t.Fatal(err)
	}
	again, err := replay.PlanRepair(disk, "/log", stored)
	if err != nil || again.Needed() {
		t.Fatalf("still to do: %+v, %v", again, err)
	}
	return plan
}

func (h *history) judge(plan *replay.Repair, got refolded, flushed int, damaged uint64, asked bool) error {
	if (got.cut != nil) != plan.Cut() {
		return fmt.Errorf("the start finds the cut %v", got.cut)
	}
	if damaged < h.checkpoint && flushed > 3 && plan.Cut() {
		return errors.New("it cuts what a checkpoint makes needless")
	}
	known := sum(h.units[:flushed]) + sum(got.units)
	if known > h.total() {
		return fmt.Errorf("%d units of %d: some are stored twice", known, h.total())
	}
	if !plan.Cut() {
		if known != h.total() {
			return fmt.Errorf("%d units of %d, and nothing was cut", known, h.total())
		}
		return nil
	}
	lost := h.total() - known
	if plan.Units > lost && asked || plan.Exact || got.cut.Units != plan.Units {
		return fmt.Errorf("%d units are lost, the repair says %d (exact %v), the log %d", lost, plan.Units, plan.Exact, got.cut.Units)
	}
	if got.ends[0] <= uint64(plan.From) && flushed < len(h.units) && got.units[0] != h.units[flushed] && got.ends[0] == h.ends[flushed] {
		return errors.New("a generation before the cut is another")
	}
	last := uint64(0)
	for _, n := range got.numbers {
		if n <= last || n > h.end && n < uint64(plan.To)/8 {
			return fmt.Errorf("generations are numbered %v", got.numbers)
		}
		last = n
	}
	return nil
}

// TestLostIsCountedOnce counts a cut's loss in the log, and finds it settled at
// every later start, however the first of them was killed.
func TestLostIsCountedOnce(t *testing.T) {
	h := newHistory(t)
	disk := h.disk.Clone(rand.New(rand.NewPCG(1, 1)))
	disk.Change("/log/00000000000000000000.seg", func(b []byte) []byte { b[40+h.end/2] ^= 1; return b })
	plan := h.repair(t, disk, replay.Stored{Known: true})
	appendTo := func(records ...[]byte) {
		t.Helper()
		log, err := wal.Open("/log", wal.Options{SegmentSize: 1 << 20, FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range records {
			if _, err := log.Append(func(wal.Position) []byte { return b }); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.refold(t, disk, 0); got.cut == nil || got.counted != 0 || got.cut.Units != plan.Units {
		t.Fatalf("before anything is counted: %+v", got)
	}
	appendTo(record.AppendBatch(nil, &record.Batch{Lost: 1234}))
	got := h.refold(t, disk, 0)
	if got.cut == nil || got.counted != 1234 || got.lost != 1234 {
		t.Fatalf("killed behind the count: %+v", got)
	}
	next := got.numbers[len(got.numbers)-1] + 1
	appendTo(record.AppendMark(nil, record.Mark{Generation: next, Bucket: start, Restart: true}))
	if got := h.refold(t, disk, 0); got.cut != nil || got.lost != 1234 {
		t.Fatalf("at the next start: %+v", got)
	}
}

// TestLossWithoutANumber cuts a log at its end, where the high-water mark says that
// it came farther: there is nothing to read, and no number.
func TestLossWithoutANumber(t *testing.T) {
	h := newHistory(t)
	disk := h.disk.Clone(rand.New(rand.NewPCG(1, 1)))
	disk.Change("/log/00000000000000000000.seg", func(b []byte) []byte { clear(b[40+h.ends[5]:]); return b })
	plan := h.repair(t, disk, replay.Stored{Known: true, Position: h.ends[5]})
	if !plan.Cut() || uint64(plan.From) != h.ends[5] || uint64(plan.Reached) != h.end || plan.Units != 0 || plan.Exact {
		t.Errorf("%+v", plan)
	}
}

// TestNothingIsLeft gives up a log of which no segment and no checkpoint can be
// read, in the name that the store knows.
func TestNothingIsLeft(t *testing.T) {
	h := newHistory(t)
	disk := h.disk.Clone(rand.New(rand.NewPCG(1, 1)))
	survey, err := wal.Look("/log", disk)
	if err != nil {
		t.Fatal(err)
	}
	disk.Change("/log/00000000000000000000.seg", func(b []byte) []byte { clear(b[:100]); return b })
	disk.Change(fmt.Sprintf("/log/checkpoint-%020d", h.checkpoint), func(b []byte) []byte { b[9] ^= 1; return b })
	if _, err := replay.PlanRepair(disk, "/log", replay.Stored{}); !errors.Is(err, wal.ErrNameless) {
		t.Fatalf("a log without a name: %v", err)
	}
	stored := replay.Stored{Known: true, Log: survey.ID(), Position: h.ends[3]}
	plan := h.repair(t, disk, stored)
	if !plan.Cut() || plan.From != 0 || uint64(plan.To) <= h.end || len(plan.Checkpoints) != 1 {
		t.Errorf("%+v", plan)
	}
	got := h.refold(t, disk, h.ends[3])
	if got.cut == nil || sum(got.units) != 0 {
		t.Errorf("%+v", got)
	}
	again, err := wal.Look("/log", disk)
	if err != nil || again.ID() != survey.ID() {
		t.Errorf("the log's name was %s, and is %s, %v", survey.ID(), again.ID(), err)
	}
}

// TestCensus counts what a log holds, and agrees with the fold.
func TestCensus(t *testing.T) {
	h := newHistory(t)
	survey, err := wal.Look("/log", h.disk)
	if err != nil {
		t.Fatal(err)
	}
	c := replay.NewCensus()
	if _, err := survey.Walk(c.Record); err != nil {
		t.Fatal(err)
	}
	if c.Units() != h.total() || c.Bytes() != h.end || c.Unknown != 0 || c.Own != 0 || c.Restarts != 1 {
		t.Errorf("%d units of %d, %d bytes of %d, %+v", c.Units(), h.total(), c.Bytes(), h.end, c)
	}
	if c.FirstGeneration != 1 || int(c.LastGeneration) != len(h.ends)+1 || len(c.Lanes()) != 2 || c.Series(0, 0) == nil {
		t.Errorf("%+v", c)
	}
	for _, b := range [][]byte{nil, {9}, {1}, {2, 9}, {3}} {
		if err := c.Record(b, wal.Span{}); !errors.Is(err, record.ErrMalformed) {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// TestCheckpointsAndPowerCuts turns the power off while checkpoints are written
// and dropped: the newest that was promised is there, whole, or a later one.
func TestCheckpointsAndPowerCuts(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 31))
		disk := waltest.New(rand.New(rand.NewPCG(seed, 32)))
		promised, position := uint64(0), uint64(0)
		tried := map[uint64]bool{0: true}
		for range 5 {
			files, err := replay.OpenCheckpointsOn(disk, "/log")
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			c, err := files.At(1 << 40)
			switch {
			case err != nil || promised > 0 && c == nil:
				t.Fatalf("seed %d: %v, %v; promised was %d", seed, c, err, promised)
			case c != nil && (c.Position < promised || !tried[c.Position] || len(c.Gauges) != int(c.Position%50)):
				t.Fatalf("seed %d: %+v; promised was %d of %v", seed, c, promised, slices.Sorted(maps.Keys(tried)))
			}
			disk.CutAfter(r.IntN(40))
			for !disk.Gone() {
				position += uint64(1 + r.IntN(100))
				tried[position] = true
				if files.Write(checkpointAt(position).Draft()) == nil {
					promised = position
				}
				if r.IntN(3) == 0 {
					dropOld(files, promised)
				}
			}
			disk.Restore()
		}
	}
}

func checkpointAt(position uint64) *record.Checkpoint {
	c := &record.Checkpoint{Position: position, Mark: record.Mark{Generation: 1}}
	for i := range position % 50 {
		c.Gauges = append(c.Gauges, record.Gauge{Key: make([]byte, 40), Value: float64(i)})
	}
	return c
}

func dropOld(files *replay.Checkpoints, promised uint64) {
	positions, err := files.Positions()
	if err != nil {
		return
	}
	for _, p := range positions {
		if p < promised {
			_ = files.Remove(p)
		}
	}
}
