package torture

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// smallSize is what an own small file system holds; maxSmall is what one
	// of the user's may have free, for all of it is written full.
	smallSize = 32 << 20
	maxSmall  = 4 << 30
	// roomWait bounds how long the log may go on in what it has allocated.
	roomWait = 20 * time.Second
	// backWait is how soon acknowledgements go on when there is room again.
	backWait = 5 * time.Second
)

// brisk ends a segment within seconds: the log goes on in one that it has
// while there is no room for another.
var brisk = shape{producers: 4, batch: 150, streams: 4, lines: 100, posters: 2}

func diskFullFits(o *Options) string {
	if o.SmallDir == "" {
		return canMount()
	}
	free, err := freeSpace(o.SmallDir)
	switch {
	case err != nil:
		return fmt.Sprintf("--small-dir: %v", err)
	case free > maxSmall:
		return fmt.Sprintf("--small-dir %s has %d MiB free: all of it would be written full, so name a file system with at most %d MiB free", o.SmallDir, free>>20, maxSmall>>20)
	}
	return ""
}

func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// runDiskFull fills the file system that the daemon's data is on while
// producers send, and in every second cycle kills the daemon meanwhile.
// Nothing may be acknowledged that is not kept, and when there is room again
// it goes on.
func runDiskFull(ctx context.Context, r *rig) (err error) {
	small, release, err := r.smallPlace()
	if err != nil {
		return err
	}
	defer func() { r.close(); err = errors.Join(err, release()) }()
	r.dataDir = filepath.Join(small, "data")
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, brisk)
	if err != nil {
		return err
	}
	defer l.abandon()
	b := ballast{path: filepath.Join(small, "ballast")}
	stalls, kills := 0, 0
	var slowest time.Duration
	for cycle := range r.cycles(ctx) {
		stalled, took, err := r.fillOnce(ctx, l, b, cycle%2 == 1)
		if err != nil {
			return err
		}
		kills += cycle % 2
		if stalled {
			stalls++
		}
		slowest = max(slowest, took)
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("acknowledgements stood still %d times; %d kills while it was full; acknowledged again %s after there was room, at the latest", stalls, kills, slowest.Round(time.Millisecond))
	return r.daemon.stop()
}

// smallPlace is a directory of this experiment's own on a small file system.
func (r *rig) smallPlace() (dir string, release func() error, err error) {
	if r.opts.SmallDir == "" {
		dir = filepath.Join(r.dir, "small")
		return mountSmall(dir, smallSize)
	}
	dir, err = os.MkdirTemp(r.opts.SmallDir, "nexusctl-torture-")
	if err != nil {
		return "", nil, fmt.Errorf("--small-dir: %w", err)
	}
	return dir, func() error {
		if r.opts.Keep {
			return nil // the ballast is gone already
		}
		return os.RemoveAll(dir)
	}, nil
}

// fillOnce fills, waits until nothing more is acknowledged, and makes room.
// took is how long after that the first acknowledgement came.
func (r *rig) fillOnce(ctx context.Context, l *load, b ballast, kill bool) (stalled bool, took time.Duration, err error) {
	defer func() { err = errors.Join(err, b.remove()) }()
	l.connect(ctx)
	if err := r.loadFor(ctx, l, 200*time.Millisecond, time.Second); err != nil {
		return false, 0, err
	}
	if err := b.fill(ctx); err != nil {
		return false, 0, err
	}
	if stalled, err = l.stall(ctx); err != nil {
		return stalled, 0, err
	}
	if err := sleep(ctx, r.between(0, 2*time.Second)); err != nil {
		return stalled, 0, err
	}
	if kill {
		return stalled, 0, r.killFull(ctx, l, b)
	}
	if err := errors.Join(r.daemon.alive(), b.remove()); err != nil {
		return stalled, 0, err
	}
	began := time.Now()
	if err := l.progress(ctx, backWait); err != nil {
		return stalled, 0, err
	}
	took = time.Since(began)
	return stalled, took, r.unbroken(ctx, l)
}

func (r *rig) killFull(ctx context.Context, l *load, b ballast) error {
	if err := r.daemon.kill(); err != nil {
		return err
	}
	l.disconnect()
	open := l.unanswered()
	if err := b.remove(); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	_, err := l.aftermath(ctx, open)
	return err
}

// stall waits until no acknowledgement has come for a second. The log goes on
// in the segment that it has, so that takes a while.
func (l *load) stall(ctx context.Context) (stalled bool, err error) {
	began, moved := time.Now(), time.Now()
	last := sum(l.ackedBatches())
	for time.Since(began) < roomWait {
		if err := errors.Join(sleep(ctx, 20*time.Millisecond), l.rig.daemon.alive()); err != nil {
			return false, err
		}
		if now := sum(l.ackedBatches()); now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) > time.Second {
			return true, nil
		}
	}
	return false, nil
}

func sum(list []uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
}

// ballast is a file that takes what a file system has left.
type ballast struct{ path string }

// fill writes until nothing more fits, in ever smaller pieces. The bytes are
// random: some file systems would compress others away.
func (b ballast) fill(ctx context.Context) error {
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("ballast: %w", err)
	} else if err != nil {
		return nil
	}
	piece := make([]byte, 1<<20)
	_, _ = rand.Read(piece)
	for len(piece) > 0 && ctx.Err() == nil && err == nil {
		if _, err = f.Write(piece); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			piece, err = piece[:len(piece)/2], nil
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return errors.Join(err, f.Close())
}

func (b ballast) remove() error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ballast: %w", err)
	}
	return nil
}
