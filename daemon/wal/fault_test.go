package wal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/daemon/wal/waltest"
)

func openOn(t testing.TB, disk *waltest.Disk, o wal.Options) *wal.Log {
	t.Helper()
	o.FS = disk
	return open(t, "/log", o)
}

// reopened turns the power off and on again, and returns what is left.
func reopened(t *testing.T, disk *waltest.Disk, l *wal.Log) [][]byte {
	t.Helper()
	disk.Cut()
	_ = l.Close()
	disk.Restore()
	l = openOn(t, disk, wal.Options{})
	got, err := readAll(t, l, l.Start())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestFailedSyncIsNeverTrusted lets syncs fail, whose pages then count as clean:
// what is acknowledged was written anew, and is there after a power cut.
func TestFailedSyncIsNeverTrusted(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		disk := newDisk(seed)
		l := openOn(t, disk, wal.Options{SegmentSize: 4096, Interval: time.Hour})
		written, durable, failures := 0, 0, 0
		for range 40 {
			if r.IntN(3) == 0 {
				disk.FailSyncs(1)
				failures++
			}
			var s wal.Span
			for range 1 + r.IntN(5) {
				s = add(t, l, payload(written))
				written++
			}
			if r.IntN(4) == 0 {
				continue
			}
			if err := l.WaitSynced(context.Background(), s.To); err != nil {
				t.Fatalf("seed %d, frame %d: %v", seed, written, err)
			}
			durable = written
		}
		if st := l.Stats(); st.Rewrites == 0 && failures > 10 {
			t.Errorf("seed %d: %d failures and no rewrite", seed, failures)
		}
		if got, err := readAll(t, l, 0); err != nil || len(got) < durable {
			t.Fatalf("seed %d: %d of %d frames are read beside the failures: %v", seed, len(got), durable, err)
		}
		checkPrefix(t, reopened(t, disk, l), durable)
	}
}

// TestNoAckWithoutSync refuses what a disk that syncs nothing would lose, and
// ends the log.
func TestNoAckWithoutSync(t *testing.T) {
	disk := newDisk(1)
	l := openOn(t, disk, wal.Options{SegmentSize: 4096, Interval: time.Hour})
	if err := l.WaitSynced(context.Background(), add(t, l, payload(0)).To); err != nil {
		t.Fatal(err)
	}
	disk.FailSyncs(1000)
	if err := l.WaitSynced(context.Background(), add(t, l, payload(1)).To); !errors.Is(err, syscall.EIO) {
		t.Errorf("durable on a disk that syncs nothing: %v", err)
	}
	<-l.Failed()
	if _, err := l.Append(func(wal.Position) []byte { return []byte("x") }); err == nil {
		t.Error("a failed log takes frames")
	}
	checkPrefix(t, reopened(t, disk, l), 1)
}

// TestFullDiskIsWaitedFor fills the disk in different ways. Nothing is
// acknowledged meanwhile, appends stall once memory is full, and all goes on
// within five seconds of the space's return.
func TestFullDiskIsWaitedFor(t *testing.T) {
	for _, full := range []struct {
		name      string
		fill, end func(d *waltest.Disk)
	}{
		{"no space to grow", func(d *waltest.Disk) { d.SetFull(true) }, func(d *waltest.Disk) { d.SetFull(false) }},
		{"no write at all", func(d *waltest.Disk) { d.Refuse(syscall.ENOSPC) }, func(d *waltest.Disk) { d.Refuse(nil) }},
		{"over quota", func(d *waltest.Disk) { d.Refuse(syscall.EDQUOT) }, func(d *waltest.Disk) { d.Refuse(nil) }},
	} {
		t.Run(full.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fullDisk(t, full.fill, full.end) })
		})
	}
}

func fullDisk(t *testing.T, fill, end func(d *waltest.Disk)) {
	disk := newDisk(3)
	l := openOn(t, disk, wal.Options{SegmentSize: 4096, Interval: time.Hour, MaxUnsynced: 16 << 10})
	ctx := context.Background()
	if err := l.WaitSynced(ctx, add(t, l, payload(0)).To); err != nil {
		t.Fatal(err)
	}
	fill(disk)
	const frames = 200 // more than memory may hold
	appended := make(chan error)
	go func() {
		for i := 1; i < frames; i++ {
			if _, err := l.Append(func(wal.Position) []byte { return payload(i) }); err != nil {
				appended <- err
				return
			}
		}
		appended <- nil
	}()
	time.Sleep(time.Minute)
	select {
	case err := <-appended:
		t.Fatalf("appends do not stall on a full disk: %v", err)
	default:
	}
	if !l.Stats().Stalled || l.Stats().UnsyncedBytes < 16<<10 {
		t.Errorf("a full disk does not show: %+v", l.Stats())
	}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := l.WaitSynced(short, l.End()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("durable on a full disk: %v", err)
	}
	end(disk)
	back := time.Now()
	if err := errors.Join(<-appended, l.Sync()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(back); took > 5*time.Second {
		t.Errorf("it took %v to go on", took)
	}
	if l.Stats().Stalled {
		t.Error("still stalled")
	}
	checkPrefix(t, reopened(t, disk, l), frames)
}

// TestFullAndFailing fails syncs on a full disk: the frames wait in memory for
// a segment to be written into.
func TestFullAndFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk(4)
		l := openOn(t, disk, wal.Options{SegmentSize: 4096, Interval: time.Hour})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		disk.SetFull(true)
		disk.FailSyncs(1)
		s := add(t, l, payload(0))
		if err := l.WaitSynced(ctx, s.To); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("durable after a failed sync on a full disk: %v", err)
		}
		disk.SetFull(false)
		if err := l.WaitSynced(context.Background(), s.To); err != nil {
			t.Fatal(err)
		}
		checkPrefix(t, reopened(t, disk, l), 1)
	})
}

// TestReaderFollowsARewrite reads beside failing syncs, whose frames move to
// another file under the reader.
func TestReaderFollowsARewrite(t *testing.T) {
	disk := newDisk(5)
	l := openOn(t, disk, wal.Options{SegmentSize: 2048, Interval: time.Hour})
	reader, err := l.NewReader(0)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for n := range 400 {
		s := add(t, l, payload(n))
		if n%3 == 0 {
			disk.FailSyncs(1)
			if err := l.WaitSynced(context.Background(), s.To); err != nil {
				t.Fatal(err)
			}
		}
		for {
			p, _, err := reader.Next()
			if err != nil && err.Error() == "EOF" {
				break
			}
			if err != nil {
				t.Fatalf("frame %d: %v", read, err)
			}
			if fmt.Sprint(p) != fmt.Sprint(payload(read)) {
				t.Fatalf("frame %d is altered", read)
			}
			read++
		}
	}
	if read < 399 {
		t.Errorf("%d frames were read of 400", read)
	}
	if err := errors.Join(reader.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}
