package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"example.com/nexusctl/daemon/wal"
)

// powerLog is where the log is on the faulty disk.
const powerLog = "log"

// runPower writes records through the log onto a disk that loses, tears and
// reorders what was not synced, cuts its power, and reads what is left. All
// that was acknowledged must be there, and nothing that was not written. Now
// and then syncs fail besides.
func runPower(ctx context.Context, r *rig) error {
	h := newHistory(r.rand)
	var beyond, rewrites uint64
	for cycle := range r.cycles(ctx) {
		if cycle%20 == 0 { // another log now and then: short ones have edges of their own
			h = newHistory(r.rand)
		}
		if err := h.life(ctx); err != nil {
			return err
		}
		more, err := h.check()
		if err != nil {
			return err
		}
		beyond += more
		r.row.Sent += h.fresh
		rewrites += h.rewrites
	}
	r.row.note("%d frames that nobody was told of were there all the same; %d times frames were written anew after a failed sync", beyond, rewrites)
	return nil
}

// history is one log over many lives: what was appended, and how much of it
// was acknowledged.
type history struct {
	rand     *rand.Rand
	disk     *faultyDisk
	fs       wal.FS // over the disk
	frames   []written
	acked    wal.Position
	fresh    uint64 // frames of the last life
	rewrites uint64 // in the last life
}

// newHistory gives the disk choices of its own, for the log's goroutine makes
// them.
func newHistory(r *rand.Rand) *history {
	d := newFaultyDisk(rand.New(rand.NewPCG(r.Uint64(), 0)))
	return &history{rand: r, disk: d, fs: d}
}

type written struct {
	at      wal.Span
	payload []byte
}

// life opens the log, appends to it and loses the power.
func (h *history) life(ctx context.Context) error {
	h.fresh, h.rewrites = 0, 0
	log, err := wal.Open(powerLog, h.options())
	if err != nil {
		return broken("the log does not open after a power cut: %v", err)
	}
	if end := log.End(); end < h.acked {
		return errors.Join(broken("the log ends at %d, it was acknowledged up to %d", end, h.acked), log.Close())
	}
	h.forget(log.End())
	h.disk.arm(h.rand.IntN(60)+1, h.rand.IntN(3)*5)
	for h.appendSome(ctx, log) {
	}
	h.disk.cut()
	h.rewrites = log.Stats().Rewrites
	_ = log.Close() // there is no power: it fails, or had nothing to do
	h.disk.restore()
	return ctx.Err()
}

func (h *history) options() wal.Options {
	policy := []wal.SyncPolicy{wal.SyncInterval, wal.SyncAlways}[h.rand.IntN(2)]
	return wal.Options{FS: h.fs, SegmentSize: int64(2048 + h.rand.IntN(16<<10)), Sync: policy, Interval: time.Millisecond}
}

// forget drops frames that the power cut has taken; nobody was told of them.
func (h *history) forget(end wal.Position) {
	for len(h.frames) > 0 && h.frames[len(h.frames)-1].at.To > end {
		h.frames = h.frames[:len(h.frames)-1]
	}
}

// appendSome appends a few frames and waits, mostly, until they are durable.
// It returns false once the log has failed.
func (h *history) appendSome(ctx context.Context, log *wal.Log) bool {
	for range h.rand.IntN(5) + 1 {
		payload := h.payload()
		span, err := log.Append(func(wal.Position) []byte { return payload })
		if err != nil {
			return false
		}
		h.frames = append(h.frames, written{span, payload})
		h.fresh++
	}
	if h.rand.IntN(4) == 0 {
		return true
	}
	end := h.frames[len(h.frames)-1].at.To
	if err := log.WaitSynced(ctx, end); err != nil {
		return false
	}
	h.acked = end
	return true
}

func (h *history) payload() []byte {
	b := make([]byte, 1+h.rand.IntN(1500))
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], h.rand.Uint64())
	}
	b[0] |= 1
	return b
}

// check opens the log once more and reads it all. beyond counts the frames
// that are there though nobody was told so.
func (h *history) check() (beyond uint64, err error) {
	log, err := wal.Open(powerLog, wal.Options{FS: h.fs, SegmentSize: 8 << 10})
	if err != nil {
		return 0, broken("the log does not open after a power cut, acknowledged up to %d: %v", h.acked, err)
	}
	beyond, err = h.compare(log)
	return beyond, errors.Join(err, log.Close())
}

func (h *history) compare(log *wal.Log) (beyond uint64, err error) {
	reader, err := log.NewReader(log.Start())
	if err != nil {
		return 0, broken("the log cannot be read after a power cut: %v", err)
	}
	defer reader.Close()
	n, at := 0, wal.Position(0)
	for {
		payload, span, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return beyond, broken("the log cannot be read after a power cut: %v", err)
		}
		if n >= len(h.frames) || h.frames[n].at != span || !bytes.Equal(h.frames[n].payload, payload) {
			return beyond, broken("frame %d at %d is not what was written there", n, span.From)
		}
		n, at = n+1, span.To
		if at > h.acked {
			beyond++
		}
	}
	if at < h.acked {
		return beyond, broken("the log ends at %d in silence, it was acknowledged up to %d", at, h.acked)
	}
	// What a reader has seen stays: the next life goes on behind it.
	h.acked = max(h.acked, log.Synced())
	return beyond, nil
}

// arm sets when the power goes and how often syncs fail until then.
func (d *faultyDisk) arm(operations, badSync int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fuse, d.badSync = operations, badSync
}
