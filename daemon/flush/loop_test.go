package flush_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage"
)

var usual = wal.Options{SegmentSize: 1 << 20}

// TestStoreThatIsAway fails a few tries of each operation: all is stored once.
func TestStoreThatIsAway(t *testing.T) {
	busy := errors.Join(storage.ErrBusy)
	for name, c := range map[string]struct{ before, after func(string) error }{
		"naming":                              {failing("resolve", 2, errAway), nil},
		"naming was done and not answered":    {nil, failing("resolve", 2, errAway)},
		"storing":                             {failing("commit", 2, errAway), nil},
		"storing was done and not answered":   {nil, failing("commit", 2, errAway)},
		"storing is in the way of others":     {failing("commit", 1, busy), failing("commit", 1, busy)},
		"nothing of it is answered at first":  {failing("resolve", 1, errAway), failing("commit", 1, errAway)},
		"naming is refused for being in use":  {failing("resolve", 1, busy), nil},
		"each half of what the store promise": {failing("commit", 1, errAway), failing("commit", 1, errAway)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t, usual)
			p.faulty.set(c.before, c.after)
			stop := p.run()
			p.generation(0)
			p.eventually("the store is seen to be away", p.loop.Flusher.Stats().Away.Load)
			p.generation(1)
			p.drained()
			if err := stop(); err != nil {
				t.Error(err)
			}
			p.checkStored(p.store, 2)
			p.checkBook(2)
			st := p.loop.Flusher.Stats()
			if st.Away.Load() || st.Retries.Load() < 1 || st.Flushes.Load() != 2 || st.Bytes.Load() == 0 || st.Points.Load() == 0 || st.LastNanos.Load() == 0 {
				t.Errorf("away %v, %d retries, %d flushes", st.Away.Load(), st.Retries.Load(), st.Flushes.Load())
			}
		})
	}
}

// TestStoreThatRefusesItsOwnPosition must not go on: what is refused there is
// not the data, and no dead letter would help.
func TestStoreThatRefusesItsOwnPosition(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.refuse = func(storage.Flush) bool { return true }
	p.generation(0)
	p.generation(1)
	if err := p.runToItsEnd(); !errors.Is(err, storage.ErrRefused) {
		t.Error(err)
	}
	if w, err := p.store.Writer(t.Context(), p.log.ID()); err != nil || w.Position != 0 {
		t.Errorf("%+v, %v: something was stored behind it", w, err)
	}
	if waiting, _ := p.set.Collector().Backlog(); waiting != 2 {
		t.Errorf("%d generations wait", waiting)
	}
}

// TestStopWhileAway ends the loop in the middle of its tries: what is not
// stored waits, and a later loop stores it.
func TestStopWhileAway(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.set(failing("commit", 1<<40, errAway), nil)
	stop := p.run()
	p.generation(0)
	p.eventually("the store is away", p.loop.Flusher.Stats().Away.Load)
	if err := stop(); err != nil {
		t.Errorf("a loop that was stopped says %v", err)
	}
	if waiting, _ := p.set.Collector().Backlog(); waiting != 1 {
		t.Errorf("%d generations wait", waiting)
	}
	if err := p.loop.LastCheckpoint(); err != nil {
		t.Error(err)
	}
	if at, err := p.files.Positions(); err != nil || len(at) != 0 {
		t.Errorf("checkpoints %v, %v: one before anything is stored", at, err)
	}
	p.faulty.set(nil, nil)
	stop = p.run()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	p.checkStored(p.store, 1)
	p.checkBook(1)
}

// TestEmptyGenerationsMoveThePosition flushes where nothing happened, so that
// the log before it can be dropped.
func TestEmptyGenerationsMoveThePosition(t *testing.T) {
	p := newPipeline(t, usual)
	p.mark()
	p.mark()
	stop := p.run()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	w, err := p.store.Writer(t.Context(), p.log.ID())
	if err != nil || wal.Position(w.Position) != p.log.End() || w.Seq != 2 || p.loop.Flusher.Position() != w.Position {
		t.Errorf("%+v, %v; the log ends at %d", w, err, p.log.End())
	}
	if len(p.stored) != 2 || len(p.stored[0].Flush.Blocks) != 0 {
		t.Errorf("%d flushes were told of, want two without blocks", len(p.stored))
	}
}

// TestLogIsDurableBeforeTheStore asks, at each commit, how far the log is
// synced: a store ahead of its log could never be brought together with it.
// The log syncs by itself once an hour here.
func TestLogIsDurableBeforeTheStore(t *testing.T) {
	lazy := wal.Options{SegmentSize: 1 << 20, Interval: time.Hour}
	check := func(p *pipeline) {
		p.faulty.check = func(f storage.Flush) {
			if synced := p.log.Synced(); synced < wal.Position(f.To) {
				t.Errorf("generation %d, up to %d, is committed while the log is durable up to %d", f.Seq, f.To, synced)
			}
		}
	}
	t.Run("from memory", func(t *testing.T) {
		p := newPipeline(t, lazy)
		check(p)
		stop := p.run()
		for i := range 3 {
			p.generation(i)
		}
		p.drained()
		if err := stop(); err != nil {
			t.Error(err)
		}
		p.checkStored(p.store, 3)
	})
	t.Run("from the log", func(t *testing.T) {
		p := newPipeline(t, lazy)
		check(p)
		for i := range 14 {
			p.generation(i)
		}
		stop := p.run()
		p.drained()
		if err := stop(); err != nil {
			t.Error(err)
		}
		p.checkStored(p.store, 14)
	})
	t.Run("a log that cannot be synced", func(t *testing.T) {
		disk := &brokenDisk{FS: wal.OS}
		p := newPipeline(t, wal.Options{SegmentSize: 1 << 20, Interval: time.Hour, FS: disk})
		p.generation(0)
		disk.broken.Store(true)
		if err := p.runToItsEnd(); !errors.Is(err, errBroken) {
			t.Errorf("the loop on it: %v", err)
		}
		if len(p.faulty.commits) != 0 {
			t.Error("something was stored that the log does not have")
		}
	})
}

// brokenDisk is the real file system, whose syncs fail on demand.
type brokenDisk struct {
	wal.FS
	broken atomic.Bool
}

var errBroken = errors.New("the disk is broken")

func (d *brokenDisk) Open(path string, create bool) (wal.File, error) {
	f, err := d.FS.Open(path, create)
	if err != nil {
		return nil, err
	}
	return brokenFile{f, d}, nil
}

type brokenFile struct {
	wal.File
	disk *brokenDisk
}

func (f brokenFile) Sync() error {
	if f.disk.broken.Load() {
		return errBroken
	}
	return f.File.Sync()
}

// TestSpilledGenerations lets a store be away for longer than memory keeps
// generations: the loop stores the first ones from memory, the later ones from
// the log, and those that follow from memory again.
func TestSpilledGenerations(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.set(failing("commit", 1<<40, errAway), nil)
	stop := p.run()
	const before, after = 17, 3
	for i := range before {
		p.generation(i)
	}
	if waiting, spilled := p.set.Collector().Backlog(); waiting != before || spilled == 0 {
		t.Fatalf("%d wait, %d spilled", waiting, spilled)
	}
	p.faulty.set(nil, nil)
	p.drained()
	for i := range after {
		p.generation(before + i)
	}
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	p.checkStored(p.store, before+after)
	p.checkBook(before + after)
	for i, f := range p.faulty.commits {
		if f.Seq != uint64(i+1) || (i > 0 && f.From != p.faulty.commits[i-1].To) {
			t.Errorf("commit %d is of generation %d, from %d", i, f.Seq, f.From)
		}
	}
	for i, c := range p.stored {
		if c.Generation.Number != uint64(i+1) || c.Named.Before(c.Began) || c.Encoded.Before(c.Named) || c.Done.Before(c.Encoded) {
			t.Errorf("flush %d was told of as %+v", i, c)
		}
	}
	state := p.set.Collector().State()
	for name, want := range map[string]float64{"level": before + after, "plain": before + after - 1} {
		if got := state.Last(p.catalog.ByName(name)[0].Index); got != want {
			t.Errorf("gauge %s goes on from %v, want %v", name, got, want)
		}
	}
}

// TestFailover moves to a copy of the store that lags behind: what it misses is
// stored again from the log, and counted once.
func TestFailover(t *testing.T) {
	p := newPipeline(t, usual)
	stop := p.run()
	const all, lagging = 6, 2
	for i := range all {
		p.generation(i)
	}
	p.drained()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	copied := openStore(t)
	for _, keys := range p.faulty.keys {
		if _, err := copied.Resolve(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range p.faulty.commits[:lagging] {
		if _, err := copied.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	p.faulty.store = copied
	stop = p.run()
	p.generation(all)
	p.generation(all + 1)
	p.drained()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p.checkStored(copied, all+2)
	p.checkBook(all + 2)
}

// TestStoreAhead finds a store further than its log was flushed: nothing can be
// right then, and the loop says so.
func TestStoreAhead(t *testing.T) {
	p := newPipeline(t, usual)
	if _, err := p.store.Commit(t.Context(), storage.Flush{Writer: p.log.ID(), To: 1 << 40, Seq: 99}); err != nil {
		t.Fatal(err)
	}
	p.generation(0)
	var at *storage.PositionError
	if err := p.runToItsEnd(); !errors.As(err, &at) || at.Have != 1<<40 {
		t.Errorf("%v", err)
	}
}

// TestFailoverBeyondTheLog cannot be healed, and is no reason to go on.
func TestFailoverBeyondTheLog(t *testing.T) {
	p := newPipeline(t, wal.Options{SegmentSize: 4096})
	stop := p.run()
	for i := range 3 {
		p.send(0, strings.Repeat("hits:1|c\n", 3000))
		p.generation(i)
	}
	p.drained()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if freed, err := p.log.DropBefore(wal.Position(p.loop.Flusher.Position())); err != nil || freed == 0 {
		t.Fatal(freed, err)
	}
	p.faulty.store = openStore(t)
	p.generation(3)
	if err := p.runToItsEnd(); err == nil || !strings.Contains(err.Error(), "does not reach back") {
		t.Errorf("%v", err)
	}
}

// TestBusiest names the series of a flush with most values, the busiest first,
// and leaves out what was late and what is the daemon's own.
func TestBusiest(t *testing.T) {
	p := newPipeline(t, usual)
	var lines strings.Builder
	for i := range 80 {
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		lines.WriteString(strings.Repeat(name+":1|c\n", 1+(i*37)%80))
	}
	lines.WriteString(strings.Repeat("late:1|c|T1699990000\n", 1000))
	p.send(0, lines.String())
	p.mark()
	g, _, _, err := p.set.Collector().Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.loop.Flusher.Flush(t.Context(), g, aggregate.NewState())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Busiest) != 50 {
		t.Fatalf("%d series are named", len(c.Busiest))
	}
	for i, b := range c.Busiest {
		if b.Values != uint64(80-i) {
			t.Errorf("place %d has %d values: %s", i, b.Values, b.Series.Key)
		}
	}
}
