// Package wal is an append-only log of opaque payloads in preallocated
// segments.
//
// Contract: a frame is durable once WaitSynced for its end has returned, and
// then it is read back, whole, in order and unaltered, after any crash, or its
// damage is reported by position. Nothing is invented and nothing goes missing
// in silence: frames carry a chained checksum, and a high-water mark on the
// side tells a log that was cut at a frame's edge from one that ended there.
//
// Limits: a frame holds up to MaxFrame bytes; what is not yet synced is kept
// in memory, up to Options.MaxUnsynced, because after a failed sync the file
// cannot be trusted and is written anew elsewhere.
//
// docs/format/log.md describes every byte.
package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Position is a byte offset in the log's whole history. It never goes back and
// is never reused. A frame at p ends where the next one starts.
type Position uint64

// Span is one frame's place.
type Span struct{ From, To Position }

// SyncPolicy says when what was written is synced to the disk. Whoever waits
// for a sync gets one at once, whatever the policy.
type SyncPolicy int

const (
	SyncInterval SyncPolicy = iota // every Options.Interval
	SyncAlways                     // after every write
	SyncNever                      // on rotation and Close alone
)

// MaxFrame bounds a payload.
const MaxFrame = 16 << 20

var (
	// ErrClosed reports a log that was closed.
	ErrClosed = errors.New("the log is closed")
	// ErrFrame reports a payload that is empty or beyond MaxFrame.
	ErrFrame = errors.New("a log frame holds 1 byte to 16 MiB")
)

// Options are a log's settings; the zero value has the defaults.
type Options struct {
	SegmentSize int64 // default 64 MiB
	Sync        SyncPolicy
	Interval    time.Duration // default 100 ms
	MaxUnsynced int64         // default 64 MiB; Append waits beyond it
	FS          FS            // default the operating system's
	Logger      *slog.Logger
}

func (o *Options) defaults() {
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.MaxUnsynced == 0 {
		o.MaxUnsynced = 64 << 20
	}
	if o.FS == nil {
		o.FS = OS
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Log is an open log. Its methods may be called from several goroutines.
type Log struct {
	dir  string
	opts Options
	id   string
	rec  Recovery

	mu       sync.Mutex
	space    sync.Cond // signalled when unsynced bytes shrink
	moved    chan struct{}
	wake     chan struct{} // to the committer: one token
	queue    []byte        // frames appended and not yet synced, from queueAt on
	queueAt  Position
	written  Position
	synced   Position
	end      Position
	chain    uint32 // of the last appended frame
	waiters  int    // callers of WaitSynced
	failed   chan struct{}
	err      error
	closing  bool
	stats    Stats
	segments []segment
	done     chan struct{}

	file committer // the committer's own state
	high *highWater
}

// Recovery is what Open found.
type Recovery struct {
	End      Position // of the log as it goes on
	Torn     int64    // bytes behind the last whole frame that never became one
	Segments int
}

// Stats are the log's counters since Open.
type Stats struct {
	AppendedBytes, AppendedFrames uint64
	Syncs                         uint64
	SyncTotal, SyncMax, SyncLast  time.Duration
	UnsyncedBytes                 int64
	Segments                      int
	DiskBytes                     int64
	Failures                      uint64 // writes and syncs that failed
	Rewrites                      uint64 // times unsynced frames were written anew
	Stalled                       bool   // the disk refuses writes; they are tried again
}

// CorruptError reports damage by place.
type CorruptError struct {
	Position Position
	Segment  string
	Offset   int64
	Reason   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the log is damaged at position %d (%s, byte %d): %s", e.Position, e.Segment, e.Offset, e.Reason)
}

// ID returns the log's UUID.
func (l *Log) ID() string { return l.id }

// Recovery returns what Open found.
func (l *Log) Recovery() Recovery { return l.rec }

// Append adds a frame. build runs under the log's lock, in log order, with the
// position the frame will get; the bytes it returns are copied. Append waits
// while too much is unsynced.
func (l *Log) Append(build func(at Position) []byte) (Span, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && !l.closing && int64(len(l.queue)) >= l.opts.MaxUnsynced {
		l.space.Wait()
	}
	if l.err != nil {
		return Span{}, l.err
	}
	if l.closing {
		return Span{}, ErrClosed
	}
	payload := build(l.end)
	if len(payload) == 0 || len(payload) > MaxFrame {
		return Span{}, ErrFrame
	}
	before := len(l.queue)
	l.queue, l.chain = appendFrame(l.queue, l.chain, payload)
	span := Span{l.end, l.end + Position(len(l.queue)-before)}
	l.end = span.To
	l.stats.AppendedFrames++
	l.stats.AppendedBytes += uint64(len(l.queue) - before)
	l.wakeCommitter()
	return span, nil
}

func (l *Log) wakeCommitter() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// WaitSynced returns when everything before p is durable; with SyncNever, when
// it is written.
func (l *Log) WaitSynced(ctx context.Context, p Position) error {
	l.mu.Lock()
	l.waiters++
	defer func() {
		l.mu.Lock()
		l.waiters--
		l.mu.Unlock()
	}()
	l.wakeCommitter()
	for {
		reached := l.synced
		if l.opts.Sync == SyncNever {
			reached = l.written
		}
		moved, err := l.moved, l.err
		l.mu.Unlock()
		if reached >= p {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
}

// Sync makes everything appended so far durable.
func (l *Log) Sync() error { return l.WaitSynced(context.Background(), l.End()) }

// End returns where the next frame will start.
func (l *Log) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Synced returns up to where the log is durable.
func (l *Log) Synced() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Start returns the oldest position that is kept.
func (l *Log) Start() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0].after
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.UnsyncedBytes, s.Segments = int64(len(l.queue)), len(l.segments)
	for _, g := range l.segments {
		s.DiskBytes += g.size
	}
	return s
}

// Failed is closed when the log has failed for good.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns the failure.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// DropBefore removes whole segments that end at or before p; the newest stays.
// They go one after the other: were a later one gone and an earlier one not, the
// log would look as if its middle were missing.
func (l *Log) DropBefore(p Position) (freed int64, err error) {
	l.mu.Lock()
	var drop []segment
	for len(l.segments) > 1 && l.segments[1].after <= p {
		drop = append(drop, l.segments[0])
		l.segments = l.segments[1:]
	}
	l.mu.Unlock()
	for _, g := range drop {
		err := l.opts.FS.Remove(g.path(l.dir))
		if err == nil {
			err = l.opts.FS.SyncDir(l.dir)
		}
		if err != nil {
			return freed, fmt.Errorf("drop log segment: %w", err)
		}
		freed += g.size
	}
	return freed, nil
}

// Close makes everything durable, where the disk permits, and ends the log.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closing = true
	l.space.Broadcast()
	l.wakeCommitter()
	l.mu.Unlock()
	<-l.done
	return errors.Join(l.Err(), l.file.close(), l.high.close())
}

var _ io.Closer = (*Log)(nil)
