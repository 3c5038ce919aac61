// Package follow follows the other daemons of a store by writer and generation:
// it brings their blocks into memory soon after they are stored, tells who has
// gone silent, and up to when everybody's data are in.
package follow

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/storage"
)

// Store is what following needs of the store.
type Store interface {
	Writers(ctx context.Context) ([]storage.Writer, error)
	Follow(ctx context.Context, writer string, seq uint64) (blocks []storage.StoredBlock, upTo uint64, err error)
	OldestBlock(ctx context.Context) (hour int64, err error)
}

// Head is the memory of recent blocks.
type Head interface {
	Load(blocks []storage.StoredBlock)
	DropBefore(hour int64)
}

const (
	every = 2 * time.Second
	// Silence is how long a writer may store nothing until it counts as dead.
	// Every daemon stores something at each turn of the resolution.
	Silence = time.Minute
	// recent is how old a writer's last flush may be, when this daemon first
	// sees it, to be missed at all: other logs are of daemons that went long ago.
	recent = 24 * time.Hour
	// maxWriters bounds what is remembered.
	maxWriters = 10_000
)

// State is what is known of a writer.
type State int

// The states.
const (
	Live State = iota
	Dead       // it stored nothing for longer than Silence, and did not say that it would
	Gone       // it has left, or went before this daemon came
)

// Writer is another daemon, by its log.
type Writer struct {
	ID        string
	State     State
	Seen      time.Time // when it was last seen to store something
	Watermark int64     // Unix milliseconds
}

// Follower follows.
type Follower struct {
	store  Store
	head   Head
	own    string
	logger *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	writers map[string]*followed
	mark    int64

	blocks atomic.Uint64
	failed atomic.Uint64
}

// followed is a writer and how far it was followed.
type followed struct {
	Writer
	seq  uint64 // stored
	have uint64 // in memory
}

// New returns a Follower for the daemon whose log is own.
func New(s Store, h Head, own string, logger *slog.Logger, now func() time.Time) *Follower {
	return &Follower{store: s, head: h, own: own, logger: logger, now: now, writers: map[string]*followed{}}
}

// Blocks returns how many blocks were brought into memory, and Failed how often
// the store could not be asked.
func (f *Follower) Blocks() uint64 { return f.blocks.Load() }

// Failed counts the times at which the store could not be asked.
func (f *Follower) Failed() uint64 { return f.failed.Load() }

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := f.Look(ctx); err != nil && ctx.Err() == nil {
			f.failed.Add(1)
			f.logger.Debug("the other daemons could not be followed; it will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look asks the store once.
func (f *Follower) Look(ctx context.Context) error {
	list, err := f.store.Writers(ctx)
	if err != nil {
		return err
	}
	for _, w := range f.note(list) {
		if err := f.fetch(ctx, w); err != nil {
			return err
		}
	}
	oldest, err := f.store.OldestBlock(ctx)
	if err == nil {
		f.head.DropBefore(oldest) // what the leader has compacted
	}
	return err
}

// note takes over what the store says of the writers, and returns those of
// which something is to be fetched.
func (f *Follower) note(list []storage.Writer) (behind []*followed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, mark := f.now(), int64(0)
	for _, w := range list {
		if w.ID != f.own {
			k := f.known(w, now)
			if k == nil {
				continue
			}
			if f.judge(k, w, now); k.State == Live && k.have < k.seq {
				behind = append(behind, k)
			}
			if k.State != Live {
				continue
			}
		}
		if w.Watermark > 0 && (mark == 0 || w.Watermark < mark) {
			mark = w.Watermark
		}
	}
	f.mark = max(f.mark, mark) // a daemon that comes later holds up what is to come alone
	return behind
}

// known returns what is remembered of a writer, from its first sight on. The
// blocks that it has stored by then are in memory since the start, or are read
// when they are asked for.
func (f *Follower) known(w storage.Writer, now time.Time) *followed {
	k := f.writers[w.ID]
	if k == nil && len(f.writers) < maxWriters {
		seen := w.UpdatedAt
		if seen.After(now) {
			seen = now // by another clock
		}
		k = &followed{Writer: Writer{ID: w.ID, Seen: seen, State: Live}, seq: w.Seq, have: w.Seq}
		if now.Sub(seen) > recent {
			k.State = Gone
		}
		f.writers[w.ID] = k
	}
	return k
}

// judge says once what a writer has become. Its clock does not count: that its
// generations go on does.
func (f *Follower) judge(k *followed, w storage.Writer, now time.Time) {
	if w.Seq != k.seq {
		k.seq, k.Seen = w.Seq, now
	}
	k.Watermark = w.Watermark
	before := k.State
	switch {
	case w.Left:
		k.State = Gone
	case now.Sub(k.Seen) <= Silence:
		k.State = Live
	case before == Live:
		k.State = Dead
	}
	switch {
	case k.State == before:
	case k.State == Dead:
		f.logger.Warn("a daemon of this store is silent: its data are missing from now on, and nobody waits for it",
			"writer", w.ID, "last_stored", k.Seen.UTC().Format(time.RFC3339), "up_to", time.UnixMilli(w.Watermark).UTC().Format(time.RFC3339))
	case k.State == Live:
		f.logger.Info("a daemon of this store is there again", "writer", w.ID)
		k.have = w.Seq
	case k.State == Gone:
		f.logger.Info("a daemon of this store has ended", "writer", w.ID)
	}
}

// fetch brings what a writer has stored into memory.
func (f *Follower) fetch(ctx context.Context, k *followed) error {
	for k.have < k.seq {
		blocks, upTo, err := f.store.Follow(ctx, k.ID, k.have)
		if err != nil {
			return err
		}
		f.head.Load(blocks)
		f.blocks.Add(uint64(len(blocks)))
		if upTo <= k.have {
			upTo = k.seq // nothing of them is left as a block
		}
		k.have = upTo
	}
	return nil
}

// Writers returns what is known of the others, by name.
func (f *Follower) Writers() []Writer {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Writer, 0, len(f.writers))
	for _, k := range f.writers {
		list = append(list, k.Writer)
	}
	slices.SortFunc(list, func(a, b Writer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// Count returns how many of the others are in a state.
func (f *Follower) Count(s State) (n int) {
	for _, w := range f.Writers() {
		if w.State == s {
			n++
		}
	}
	return n
}

// Watermark returns up to when the data of every live daemon are stored, Unix
// milliseconds; 0 while that is not known. It never goes back.
func (f *Follower) Watermark() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mark
}
