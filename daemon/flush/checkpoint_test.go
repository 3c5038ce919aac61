package flush_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

// flushed runs the loop over generations from … to-1.
func (p *pipeline) flushed(from, to int) {
	p.t.Helper()
	stop := p.run()
	for i := from; i < to; i++ {
		p.generation(i)
	}
	p.drained()
	if err := stop(); err != nil {
		p.t.Error(err)
	}
}

func (p *pipeline) checkpoints() []uint64 {
	p.t.Helper()
	at, err := p.files.Positions()
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

// TestCheckpointsAreDue writes one when five minutes have passed, or when the
// log has grown by 256 MiB, and not before.
func TestCheckpointsAreDue(t *testing.T) {
	p := newPipeline(t, usual)
	p.flushed(0, 2)
	if at := p.checkpoints(); len(at) != 0 {
		t.Fatalf("checkpoints %v at once", at)
	}
	p.clock.Store(int64(5*time.Minute - 5*time.Second))
	p.flushed(2, 3)
	if at := p.checkpoints(); len(at) != 0 {
		t.Fatalf("checkpoints %v before they are due", at)
	}
	p.clock.Store(int64(5 * time.Minute))
	p.flushed(3, 6)
	at := p.checkpoints()
	if len(at) != 1 || at[0] != p.faulty.commits[3].To {
		t.Fatalf("checkpoints %v, want one at %d", at, p.faulty.commits[3].To)
	}
	g := &aggregate.Generation{To: at[0] + 256<<20 - 1, Number: 7}
	for i, want := range []int{1, 2} {
		g.To += uint64(i)
		if err := p.loop.Checkpoints.After(g, aggregate.NewState()); err != nil {
			t.Fatal(err)
		}
		if at := p.checkpoints(); len(at) != want {
			t.Errorf("checkpoints %v, want %d", at, want)
		}
	}
}

// TestRecoveryFromACheckpoint folds the log from the last checkpoint of a
// stopped daemon: what follows it goes on from the same gauges and references.
func TestRecoveryFromACheckpoint(t *testing.T) {
	p := newPipeline(t, usual)
	p.flushed(0, 4)
	if err := p.loop.LastCheckpoint(); err != nil {
		t.Fatal(err)
	}
	at := p.checkpoints()
	if len(at) != 1 || at[0] != p.loop.Flusher.Position() {
		t.Fatalf("checkpoints %v, the store is at %d", at, p.loop.Flusher.Position())
	}
	p.flushed(4, 6)
	if err := p.log.Sync(); err != nil {
		t.Fatal(err)
	}
	source := *p.loop.Source
	source.Catalog = p.catalog
	var levels []float64
	_, err := source.Generations(context.Background(), wal.Position(at[0]), p.log.End(), func(g *aggregate.Generation, state *aggregate.State) error {
		levels = append(levels, state.Last(p.catalog.ByName("level")[0].Index))
		if g.Values() != values {
			t.Errorf("generation %d holds %d values", g.Number, g.Values())
		}
		return nil
	})
	if err != nil || fmt.Sprint(levels) != "[4 5]" {
		t.Errorf("the gauge stood at %v before each generation, %v; want 4 and 5", levels, err)
	}
}

// TestOldLogIsDropped keeps an hour of log and checkpoints, and what that hour
// needs to be read: the newest checkpoint before it.
func TestOldLogIsDropped(t *testing.T) {
	p := newPipeline(t, wal.Options{SegmentSize: 4096})
	// write makes one generation and its checkpoint, some minutes later: what is
	// there ages.
	write := func(minutes time.Duration) uint64 {
		t.Helper()
		for _, at := range p.checkpoints() {
			info, err := p.files.Written(at)
			if err != nil {
				t.Fatal(err)
			}
			older := info.ModTime().Add(-minutes * time.Minute)
			if err := os.Chtimes(filepath.Join(p.dir, info.Name()), older, older); err != nil {
				t.Fatal(err)
			}
		}
		p.send(0, strings.Repeat("hits:1.37|c\nlevel:+0|g\n", 1000)) // log for segments of its own
		p.flushed(0, 1)
		if err := p.loop.LastCheckpoint(); err != nil {
			t.Fatal(err)
		}
		return p.loop.Flusher.Position()
	}
	var at []uint64
	check := func(what string, kept ...uint64) {
		t.Helper()
		if got := p.checkpoints(); !slices.Equal(got, kept) {
			t.Errorf("%s: checkpoints %v, want %v of %v", what, got, kept, at)
		}
		if start := p.log.Start(); start > wal.Position(kept[0]) || (start == 0) != (len(at) == 4) {
			t.Errorf("%s: the log starts at %d, the oldest checkpoint is %d", what, start, kept[0])
		}
		if err := p.log.Sync(); err != nil {
			t.Fatal(err)
		}
		n := 0
		_, err := p.loop.Source.Generations(t.Context(), wal.Position(kept[0]), p.log.End(), func(*aggregate.Generation, *aggregate.State) error { n++; return nil })
		if err != nil || n != len(kept)-1 {
			t.Errorf("%s: %d generations are read behind the oldest checkpoint, %v", what, n, err)
		}
	}
	for _, minutes := range []time.Duration{0, 20, 20, 19} {
		at = append(at, write(minutes))
	}
	check("all within the hour", at...)
	at = append(at, write(2)) // the first is 61 minutes old
	check("the oldest is needed to read the hour", at...)
	at = append(at, write(20)) // the second is 61 minutes old
	check("one is older than needed", at[1:]...)
	at = append(at, write(58)) // all but the last of the old ones are needless
	check("a quiet hour", at[4:]...)
	if _, err := p.loop.Source.Generations(t.Context(), wal.Position(at[0]), p.log.End(), nil); !errors.Is(err, replay.ErrGap) {
		t.Errorf("a position whose log is dropped: %v", err)
	}
}

// TestCheckpointThatCannotBeWritten says so: it is no secret that the log will
// not be dropped.
func TestCheckpointThatCannotBeWritten(t *testing.T) {
	p := newPipeline(t, usual)
	p.flushed(0, 1)
	gone, err := replay.OpenCheckpoints(t.TempDir() + "/gone")
	if err != nil {
		t.Fatal(err)
	}
	p.loop.Checkpoints = flush.NewCheckpointer(gone, p.log, p.catalog, nil, slog.New(slog.DiscardHandler), time.Now)
	if err := p.loop.LastCheckpoint(); err == nil {
		t.Error("written into a directory that is not there")
	}
}

// TestFullDiskAtACheckpoint takes the directory away while a checkpoint is due:
// the flushes go on, and the first one after it is back writes it.
func TestFullDiskAtACheckpoint(t *testing.T) {
	p := newPipeline(t, usual)
	dir := filepath.Join(t.TempDir(), "checkpoints")
	files, err := replay.OpenCheckpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	p.loop.Checkpoints = flush.NewCheckpointer(files, p.log, p.catalog, nil, slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(0, p.clock.Load()) })
	p.flushed(0, 1)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p.clock.Store(int64(10 * time.Minute))
	p.flushed(1, 3)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p.flushed(3, 4)
	if at, err := files.Positions(); len(at) != 1 || err != nil {
		t.Errorf("checkpoints %v, %v: want one", at, err)
	}
	p.checkStored(p.store, 4)
}
