package wal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/daemon/wal/waltest"
)

// life is a log on a disk that loses power again and again, and what must be
// true of it: frame n of the log's history holds payload(n).
type life struct {
	r       *rand.Rand
	disk    *waltest.Disk
	options wal.Options
	id      string

	starts  []wal.Position // of the frames; the last entry is the end
	durable int            // frames that WaitSynced has promised
	cuts    int
}

func newLife(seed uint64) *life {
	r := rand.New(rand.NewPCG(seed, 7))
	l := &life{r: r, disk: newDisk(seed), starts: []wal.Position{0}}
	l.options = wal.Options{
		SegmentSize: 1024 << r.IntN(3), FS: l.disk, Interval: time.Hour,
		Sync: []wal.SyncPolicy{wal.SyncInterval, wal.SyncInterval, wal.SyncAlways}[r.IntN(3)],
	}
	return l
}

// newDisk draws its faults from numbers of its own: the log's goroutine uses
// them.
func newDisk(seed uint64) *waltest.Disk { return waltest.New(rand.New(rand.NewPCG(seed, 8))) }

func (l *life) frames() int { return len(l.starts) - 1 }

// open opens the log, with the power going now and then while it does.
func (l *life) open() (*wal.Log, error) {
	for {
		if l.r.IntN(3) == 0 {
			l.disk.CutAfter(l.r.IntN(10))
		}
		log, err := wal.Open("/log", l.options)
		if err == nil && !l.disk.Gone() {
			return log, nil
		}
		if err != nil && !l.disk.Gone() {
			return nil, err
		}
		if err == nil {
			_ = log.Close()
		}
		l.cuts++
		l.disk.Restore()
	}
}

// check holds what came back to what was promised.
func (l *life) check(log *wal.Log) error {
	if l.id == "" || l.durable == 0 {
		l.id = log.ID()
	}
	if log.ID() != l.id {
		return errors.New("the log has another name")
	}
	first := -1
	for n, p := range l.starts {
		if p == log.Start() {
			first = n
		}
	}
	if first < 0 || first > l.durable {
		return fmt.Errorf("the log starts at %d, which is frame %d", log.Start(), first)
	}
	n, err := l.read(log, first)
	if err != nil {
		return err
	}
	if n < l.durable || n > l.frames() {
		return fmt.Errorf("%d frames came back; %d were durable, %d written", n, l.durable, l.frames())
	}
	if log.End() != l.starts[n] || log.Synced() != log.End() {
		return fmt.Errorf("the log ends at %d, synced to %d, want %d", log.End(), log.Synced(), l.starts[n])
	}
	l.starts, l.durable = l.starts[:n+1], n // what Open found, it has synced
	return nil
}

func (l *life) read(log *wal.Log, n int) (int, error) {
	r, err := log.NewReader(log.Start())
	if err != nil {
		return n, err
	}
	defer r.Close()
	for ; ; n++ {
		p, s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n >= l.frames() || s.From != l.starts[n] || !bytes.Equal(p, payload(n)) {
			return n, fmt.Errorf("frame %d, at %d, is altered or was never written", n, s.From)
		}
	}
}

// live uses the log until the power goes.
func (l *life) live(log *wal.Log) {
	for {
		s, err := log.Append(func(wal.Position) []byte { return payload(l.frames()) })
		if err != nil {
			return
		}
		l.starts = append(l.starts, s.To)
		n := l.frames()
		switch l.r.IntN(12) {
		case 0, 1, 2:
			if log.WaitSynced(context.Background(), s.To) != nil {
				return
			}
			l.durable = n
		case 3:
			if _, err := log.DropBefore(l.starts[l.r.IntN(l.durable+1)]); err != nil {
				return
			}
		case 4:
			l.disk.FailSyncs(1)
		}
	}
}

// TestPowerCuts turns the power off at a random operation of a log's life,
// recovery and all, again and again on the same disk.
func TestPowerCuts(t *testing.T) {
	cuts, seed := 0, uint64(0)
	frames := 0
	for ; cuts < times(t, "NEXUS_POWER_CUTS", 300); seed++ {
		l := newLife(seed)
		for range 1 + l.r.IntN(6) {
			log, err := l.open()
			if err == nil {
				err = l.check(log)
			}
			if err != nil {
				t.Fatalf("seed %d, after %d cuts: %v", seed, l.cuts, err)
			}
			l.disk.CutAfter(l.r.IntN(120))
			l.live(log)
			l.disk.Cut()
			_ = log.Close()
			l.cuts++
			l.disk.Restore()
		}
		cuts += l.cuts
		frames += l.frames()
	}
	t.Logf("%d cuts over seeds 0 to %d; %d frames were left in the end", cuts, seed-1, frames)
}

// TestFirstStartIsCut turns the power off at each operation of a log's very
// first start: the next start finds nothing to complain of.
func TestFirstStartIsCut(t *testing.T) {
	for seed := range uint64(200) {
		disk := newDisk(seed)
		disk.CutAfter(int(seed) % 12)
		if l, err := wal.Open("/log", wal.Options{SegmentSize: 1024, FS: disk}); err == nil {
			_ = l.Close()
		}
		disk.Cut()
		disk.Restore()
		l, err := wal.Open("/log", wal.Options{SegmentSize: 1024, FS: disk})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := l.Close(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
