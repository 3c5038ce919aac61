// Package follow follows the other daemons of a store by writer and generation:
// it brings their blocks into memory soon after they are stored, tells who has
// gone silent, and up to when everybody's data are in.
//
// It also says how far it is (Followed), so that reads need not ask the store which
// blocks there are. What another daemon stored is then missed for as long as a look is
// old: every seconds as a rule, and trust at most. Beyond that nobody goes by it.
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
	Follow(ctx context.Context, writer string, behind, upTo uint64) (blocks []storage.StoredBlock, last uint64, err error)
	OldestBlock(ctx context.Context) (hour int64, err error)
	// GoneSince of a negative count tells how many changes to its series there were.
	GoneSince(ctx context.Context, since int64) (storage.Goings, error)
}

// Head is the memory of recent blocks: query.Head.
type Head interface {
	Follow(writer string, blocks []storage.StoredBlock)
	Lack(writer string, upTo uint64)
	Void()
	DropBefore(hour int64)
}

const (
	every = 2 * time.Second
	// trust is how long what a look has seen may be gone by, from its beginning on: one
	// that fails is made up for by the next one. A process that stood still for longer
	// looks first.
	trust = 5 * time.Second
	// maxReach is of how many other writers a read may go by what was followed: it
	// compares them all.
	maxReach = 256
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

	seen   atomic.Pointer[sight] // nil: nothing yet, or too many writers
	blocks atomic.Uint64
	failed atomic.Uint64
	lacked atomic.Uint64
}

// followed is a writer and how far it was followed.
type followed struct {
	Writer
	seq    uint64 // stored
	have   uint64 // in memory, or known not to be
	stored uint64 // blocks, as its row counted them at have; 0: not known
	blocks uint64 // likewise at seq
}

// sight is what a look has seen, all of it.
type sight struct {
	at      time.Time // when the look began
	reach   *storage.Reach
	changes int64
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

// Lacked counts the flushes of others, or rows of them, of which blocks could not be
// brought into memory, for they were compacted already.
func (f *Follower) Lacked() uint64 { return f.lacked.Load() }

// Followed returns up to which generation the head was told of the flushes of each other
// writer, and how often series had changed then. ok is false where that is too old to
// go by, or there are too many writers.
func (f *Follower) Followed() (reach *storage.Reach, changes int64, ok bool) {
	s := f.seen.Load()
	if s == nil || f.now().Sub(s.at) > trust {
		return nil, 0, false
	}
	return s.reach, s.changes, true
}

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

// Look asks the store once. What it sees counts as seen when all of it is in memory.
func (f *Follower) Look(ctx context.Context) error {
	began := f.now()
	changes, err := f.store.GoneSince(ctx, -1)
	if err != nil {
		return err
	}
	list, err := f.store.Writers(ctx)
	if err != nil {
		return err
	}
	behind, mark := f.note(list)
	for _, w := range behind {
		if err := f.fetch(ctx, w); err != nil {
			return err
		}
	}
	f.publish(began, changes.Changes, mark)
	oldest, err := f.store.OldestBlock(ctx)
	if err == nil {
		f.head.DropBefore(oldest) // what the leader has compacted
	}
	return err
}

// note takes over what the store says of the writers, and returns those of which
// something is to be fetched, and up to when the data of the live ones are stored.
func (f *Follower) note(list []storage.Writer) (behind []*followed, mark int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.heedReturn(list)
	for _, w := range list {
		if w.ID != f.own {
			k := f.known(w, now)
			if k == nil {
				continue
			}
			if f.judge(k, w, now); k.have < k.seq { // also of one that has just left
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
	return behind, mark
}

// heedReturn finds out whether the store went back to an earlier state: a writer is
// where it was before, or is missing. What was read until now may be no part of it.
func (f *Follower) heedReturn(list []storage.Writer) {
	at := make(map[string]uint64, len(list))
	for _, w := range list {
		at[w.ID] = w.Seq
	}
	for id, k := range f.writers {
		if seq, there := at[id]; !there || seq < k.seq {
			f.logger.Warn("the store is at an older state of another daemon, as after a failover; what was read of it is read again", "writer", id)
			f.seen.Store(nil)
			clear(f.writers)
			f.head.Void()
			return
		}
	}
}

// publish has reads go by what a look has seen.
func (f *Follower) publish(began time.Time, changes, mark int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mark = max(f.mark, mark) // a daemon that comes later holds up what is to come alone
	if len(f.writers) > maxReach {
		f.seen.Store(nil)
		return
	}
	seqs := make(map[string]uint64, len(f.writers))
	for id, k := range f.writers {
		seqs[id] = k.have
	}
	reach := storage.NewReach(seqs)
	if last := f.seen.Load(); last != nil && last.reach.Covers(reach) {
		reach = last.reach // nothing has come: who has reached it has reached this
	}
	f.seen.Store(&sight{began, reach, changes})
}

// known returns what is remembered of a writer, from its first sight on. The
// blocks that it has stored by then are in memory since the start, or are read
// when they are asked for: the head is told that it may lack them.
func (f *Follower) known(w storage.Writer, now time.Time) *followed {
	k := f.writers[w.ID]
	if k == nil && len(f.writers) < maxWriters {
		seen := w.UpdatedAt
		if seen.After(now) {
			seen = now // by another clock
		}
		k = &followed{Writer: Writer{ID: w.ID, Seen: seen, State: Live}, seq: w.Seq, have: w.Seq, stored: w.Blocks}
		f.head.Lack(w.ID, w.Seq)
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
	k.Watermark, k.blocks = w.Watermark, w.Blocks
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
	case k.State == Gone:
		f.logger.Info("a daemon of this store has ended", "writer", w.ID)
	}
}

// fetch brings what a writer has stored into memory. Where that is fewer blocks than
// the writer's row counts, or the row does not tell, the head lacks some.
func (f *Follower) fetch(ctx context.Context, k *followed) error {
	from, found := k.have, uint64(0)
	for from < k.seq {
		blocks, last, err := f.store.Follow(ctx, k.ID, from, k.seq)
		if err != nil {
			return err
		}
		f.head.Follow(k.ID, blocks)
		from, found = last, found+uint64(len(blocks))
	}
	f.blocks.Add(found)
	if k.stored == 0 || k.blocks != k.stored+found {
		f.lacked.Add(1)
		f.head.Lack(k.ID, k.seq)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k.have, k.stored = k.seq, k.blocks
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
