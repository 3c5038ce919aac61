package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// committer is the one goroutine that writes and syncs. Its positions run
// behind the log's: synced ≤ written ≤ end.
type committer struct {
	log         *Log
	id          uuid.UUID
	file        File
	seg         segment
	written     Position
	synced      Position
	chain       uint32 // of the last written frame
	syncedChain uint32
	lastSync    time.Time
	made        int // segments since Open
}

// fullPause is how long the committer waits before it tries a full disk again.
const fullPause = 200 * time.Millisecond

// syncTries is how many files the disk may fail to sync in a row before the log
// gives up: one that fails now and then is lived with, a broken one is not.
const syncTries = 3

// commit is group commit: whatever was appended since the last round is
// written with one call, and synced when the policy says so or somebody waits.
func (l *Log) commit() {
	defer close(l.done)
	c := &l.file
	c.lastSync = time.Now()
	for {
		pending, waiters, closing := l.round()
		if err := c.round(pending, waiters || closing, closing); err != nil {
			l.fail(err)
			return
		}
		l.forget()
		if closing && len(pending) == 0 && c.synced == c.written {
			return
		}
		if len(pending) == 0 && !closing {
			l.rest(c)
		}
	}
}

// round takes what there is to do.
func (l *Log) round() (pending []byte, waiters, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue[l.written-l.queueAt:], l.waiters > 0, l.closing
}

// rest waits for work, or for the interval's next sync.
func (l *Log) rest(c *committer) {
	if l.opts.Sync != SyncInterval || c.synced == c.written {
		<-l.wake
		return
	}
	timer := time.NewTimer(time.Until(c.lastSync.Add(l.opts.Interval)))
	defer timer.Stop()
	select {
	case <-l.wake:
	case <-timer.C:
	}
}

func (c *committer) round(pending []byte, wanted, closing bool) error {
	if len(pending) > 0 {
		if err := c.writeAll(pending, closing); err != nil {
			return err
		}
		c.log.advance(c)
	}
	if c.written > c.synced && c.due(wanted, closing) {
		return c.sync(closing)
	}
	return nil
}

func (c *committer) due(wanted, closing bool) bool {
	switch c.log.opts.Sync {
	case SyncAlways:
		return true
	case SyncNever:
		// What is unsynced stays in memory, so it cannot grow for ever.
		return closing || int64(c.written-c.synced) > c.log.opts.MaxUnsynced/2
	}
	return wanted || time.Since(c.lastSync) >= c.log.opts.Interval
}

// advance publishes how far the committer is.
func (l *Log) advance(c *committer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written, l.synced = c.written, c.synced
	close(l.moved)
	l.moved = make(chan struct{})
}

// forget lets go of synced frames. It moves the rest within the queue, so it
// runs between rounds alone, when the committer holds no slice of it.
func (l *Log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if drop := int(l.synced - l.queueAt); drop > 0 && drop >= len(l.queue)/2 {
		n := copy(l.queue, l.queue[drop:])
		l.queue, l.queueAt = l.queue[:n], l.synced
		l.space.Broadcast()
	}
}

func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = fmt.Errorf("the log cannot be written: %w", err)
	l.stats.Stalled = false
	close(l.failed)
	l.space.Broadcast()
	close(l.moved)
	l.moved = make(chan struct{})
}

// writeAll writes frames, over as many segments as they need.
func (c *committer) writeAll(frames []byte, closing bool) error {
	for len(frames) > 0 {
		room := c.seg.size - c.seg.offset(c.written)
		n, chain := fitting(frames, room)
		if n == 0 {
			if err := c.turn(frames, closing); err != nil {
				return err
			}
			continue
		}
		if err := c.patiently(closing, func() error { return c.write(frames[:n]) }); err != nil {
			return err
		}
		c.written += Position(n)
		c.chain = chain
		frames = frames[n:]
	}
	return nil
}

// fitting returns how many bytes of whole frames fit into room, and the
// checksum of the last of them.
func fitting(frames []byte, room int64) (n int, chain uint32) {
	for n < len(frames) {
		size := frameHeader + int(binary.LittleEndian.Uint32(frames[n:]))
		if int64(n+size) > room {
			break
		}
		chain = binary.LittleEndian.Uint32(frames[n+4:])
		n += size
	}
	return n, chain
}

// turn moves on to a new segment, once the full one is durable. A frame larger
// than a segment gets one of its own size.
func (c *committer) turn(frames []byte, closing bool) error {
	if c.written > c.synced {
		if err := c.sync(closing); err != nil {
			return err
		}
	}
	first := frameHeader + int64(binary.LittleEndian.Uint32(frames))
	if err := c.patiently(closing, func() error { return c.create(max(c.log.opts.SegmentSize, segmentHeader+first)) }); err != nil {
		return err
	}
	c.log.addSegment(c.seg)
	return nil
}

// rotate opens the next segment at once.
func (c *committer) rotate() error {
	if err := c.create(c.log.opts.SegmentSize); err != nil {
		return err
	}
	c.log.addSegment(c.seg)
	return nil
}

// create makes the segment that starts where the log is written to. It gets its
// name once its header is durable, so it is there whole or not at all. A file
// that has the name already holds nothing durable, but it may be the only one
// that says which log this is, and must not be gone for a moment.
func (c *committer) create(size int64) error {
	c.made++
	g := segment{base: c.written, after: c.written, size: size, made: c.made}
	h := heading{id: c.id, base: g.base, after: g.after, chain: c.chain}
	f, err := makeSegment(c.log.opts.FS, c.log.dir, g, h.appendTo(nil))
	for try := 1; err != nil && !isFull(err) && try < syncTries; try++ {
		f, err = makeSegment(c.log.opts.FS, c.log.dir, g, h.appendTo(nil))
	}
	if err != nil {
		return err
	}
	if err := c.close(); err != nil {
		c.log.opts.Logger.Warn("closing a full log segment", "error", err)
	}
	c.file, c.seg = f, g
	return nil
}

// makeSegment writes a segment's first bytes and gives it its name, durably.
func makeSegment(fsys FS, dir string, g segment, content []byte) (File, error) {
	half := g.path(dir) + ".tmp"
	f, err := fsys.Open(half, true)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(0)
	if err == nil {
		err = f.Allocate(g.size)
	}
	if err == nil {
		_, err = f.WriteAt(content, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), fsys.Remove(half))
	}
	if err := errors.Join(fsys.Rename(half, g.path(dir)), fsys.SyncDir(dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// addSegment lets readers find a segment, in the place of one that starts where
// it does.
func (l *Log) addSegment(g segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n > 0 && l.segments[n-1].base == g.base {
		l.segments = l.segments[:n-1]
	}
	l.segments = append(l.segments, g)
}

// reopen goes on in a segment that recovery found whole.
func (c *committer) reopen(g segment) error {
	f, err := c.log.opts.FS.Open(g.path(c.log.dir), false)
	if err != nil {
		return fmt.Errorf("open log segment: %w", err)
	}
	c.file, c.seg = f, g
	// What recovery read may be in the page cache alone; it counts as durable
	// from here on, so it must be.
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync log segment: %w", err), c.close())
	}
	return nil
}

func (c *committer) close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}

func (c *committer) write(b []byte) error {
	_, err := c.file.WriteAt(b, c.seg.offset(c.written))
	return err
}

// patiently repeats an operation while the disk is full: the frames stay in
// memory, Append waits once that is full too, and nobody is told that anything
// is kept. When the log is closing it tries once.
func (c *committer) patiently(closing bool, op func() error) error {
	for {
		err := op()
		full := isFull(err)
		c.log.stalled(full, err != nil)
		if !full || closing {
			return err
		}
		time.Sleep(fullPause)
		_, _, closing = c.log.round()
	}
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func (l *Log) stalled(full, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if full && !l.stats.Stalled {
		l.opts.Logger.Error("the log's disk is full: nothing more is acknowledged until space returns", "dir", l.dir)
	}
	l.stats.Stalled = full
	if failed {
		l.stats.Failures++
	}
}

// sync makes what is written durable. After a failed sync the kernel may have
// dropped the pages and say nothing the next time, so the file is never synced
// again: it ends, by its successor's base, at the last durable frame, and the
// rest is written anew from memory.
func (c *committer) sync(closing bool) error {
	began := time.Now()
	err := c.file.Sync()
	if err != nil {
		c.log.stalled(false, true)
		c.log.opts.Logger.Error("a sync of the log failed; the unsynced frames are written to a new segment", "segment", c.seg.name(), "error", err)
		if err := c.rewrite(closing); err != nil {
			return fmt.Errorf("after a failed sync: %w", err)
		}
	}
	c.synced, c.syncedChain, c.lastSync = c.written, c.chain, time.Now()
	if err := c.patiently(closing, func() error { return c.log.high.write(c.synced, c.syncedChain) }); err != nil {
		return fmt.Errorf("write high-water mark: %w", err)
	}
	c.log.countSync(time.Since(began))
	c.log.advance(c)
	return nil
}

func (l *Log) countSync(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Syncs++
	l.stats.SyncTotal += took
	l.stats.SyncLast = took
	l.stats.SyncMax = max(l.stats.SyncMax, took)
}

// rewrite puts the unsynced frames into a new segment and syncs that; into
// another one where that fails too. Readers find the segment once the frames
// that they may have read before are in it.
func (c *committer) rewrite(closing bool) error {
	c.log.mu.Lock()
	frames := c.log.queue[c.synced-c.log.queueAt : c.written-c.log.queueAt]
	c.log.mu.Unlock()
	end, chain := c.written, c.chain
	var err error
	for range syncTries {
		c.log.countRewrite()
		c.written, c.chain = c.synced, c.syncedChain
		size := max(c.log.opts.SegmentSize, segmentHeader+int64(len(frames)))
		if err := c.patiently(closing, func() error { return c.create(size) }); err != nil {
			return err
		}
		if err := c.patiently(closing, func() error { return c.write(frames) }); err != nil {
			return err
		}
		c.written, c.chain = end, chain
		c.log.addSegment(c.seg)
		if err = c.file.Sync(); err == nil {
			return nil
		}
		c.log.stalled(false, true)
	}
	return err
}

func (l *Log) countRewrite() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Rewrites++
}
