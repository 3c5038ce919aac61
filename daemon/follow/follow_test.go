package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/follow"
	"example.com/nexusctl/storage"
)

// store is a store of which a test says what is in it.
type store struct {
	writers []storage.Writer
	asked   []string
	fail    error
}

func (s *store) Writers(context.Context) ([]storage.Writer, error) { return s.writers, s.fail }

func (s *store) Follow(_ context.Context, writer string, seq uint64) ([]storage.StoredBlock, uint64, error) {
	s.asked = append(s.asked, fmt.Sprintf("%s behind %d", writer, seq))
	b := storage.StoredBlock{BlockKey: storage.BlockKey{Writer: writer, Seq: seq + 1}, Data: []byte("block")}
	return []storage.StoredBlock{b}, seq + 1, nil
}

func (s *store) OldestBlock(context.Context) (int64, error) { return 7, nil }

// head notes what it is given.
type head struct {
	blocks int
	before int64
}

func (h *head) Load(list []storage.StoredBlock) { h.blocks += len(list) }
func (h *head) DropBefore(hour int64)           { h.before = hour }

// rig is a follower whose clock stands where the test puts it.
type rig struct {
	*follow.Follower
	t     *testing.T
	store store
	head  head
	now   time.Time
	out   bytes.Buffer
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: time.UnixMilli(1_764_000_000_000)}
	r.Follower = follow.New(&r.store, &r.head, "own", slog.New(slog.NewTextHandler(&r.out, nil)), func() time.Time { return r.now })
	return r
}

// writer is a row of the store, updated so long ago.
func (r *rig) writer(id string, seq uint64, ago time.Duration) storage.Writer {
	return storage.Writer{ID: id, Seq: seq, UpdatedAt: r.now.Add(-ago), Watermark: int64(seq) * 10_000}
}

func (r *rig) look(list ...storage.Writer) {
	r.t.Helper()
	r.store.writers = list
	if err := r.Look(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// TestFollow fetches what is new of others, generation by generation, and
// nothing of its own.
func TestFollow(t *testing.T) {
	r := newRig(t)
	r.look(r.writer("own", 50, 0), r.writer("b", 10, 0), r.writer("c", 20, 0))
	if len(r.store.asked) != 0 || r.head.before != 7 {
		t.Errorf("at first sight it asked for %v; before hour %d is dropped", r.store.asked, r.head.before)
	}
	r.look(r.writer("own", 60, 0), r.writer("b", 12, 0), r.writer("c", 20, 0))
	if got := strings.Join(r.store.asked, ", "); got != "b behind 10, b behind 11" || r.head.blocks != 2 || r.Blocks() != 2 {
		t.Errorf("it asked for %s and took %d blocks", got, r.head.blocks)
	}
}

// TestSilence is the life of a writer that falls silent and comes back, and of
// others that went otherwise.
func TestSilence(t *testing.T) {
	r := newRig(t)
	old, left := r.writer("old", 3, 48*time.Hour), r.writer("left", 9, time.Second)
	own, b := r.writer("own", 100, 0), r.writer("b", 40, 0)
	r.look(own, b, old, left)
	if r.Watermark() != 90_000 {
		t.Errorf("the watermark is %d: all that are live, the slowest has 90,000", r.Watermark())
	}
	left.Left = true
	r.look(own, b, old, left)
	if r.Watermark() != 400_000 || r.Count(follow.Gone) != 2 {
		t.Errorf("the watermark is %d, %d are gone", r.Watermark(), r.Count(follow.Gone))
	}
	r.now = r.now.Add(follow.Silence)
	r.look(own, b, old, left)
	if r.Count(follow.Dead) != 0 {
		t.Error("somebody is dead after a minute exactly")
	}
	r.now = r.now.Add(time.Second)
	r.look(own, b, old, left)
	r.look(own, b, old, left)
	if r.Count(follow.Dead) != 1 || r.Watermark() != 1_000_000 || strings.Count(r.out.String(), "is silent") != 1 || !strings.Contains(r.out.String(), "writer=b") {
		t.Errorf("%d are dead, the watermark is %d: %s", r.Count(follow.Dead), r.Watermark(), r.out.String())
	}
	b.Seq, b.Watermark = 41, 410_000
	r.look(own, b, old, left)
	if r.Count(follow.Live) != 1 || !strings.Contains(r.out.String(), "there again") {
		t.Errorf("%d are live: %s", r.Count(follow.Live), r.out.String())
	}
	if r.Watermark() != 1_000_000 {
		t.Errorf("the watermark went back to %d", r.Watermark())
	}
}

// TestOtherClocks: a writer's clock says nothing about whether it lives.
func TestOtherClocks(t *testing.T) {
	r := newRig(t)
	ahead := r.writer("ahead", 1, -time.Hour)
	r.look(ahead)
	for range 20 {
		r.now = r.now.Add(10 * time.Second)
		r.look(ahead) // it stores nothing any more
	}
	if r.Count(follow.Dead) != 1 {
		t.Error("a writer whose clock is an hour ahead is missed an hour later")
	}
	behind := r.writer("behind", 1, 5*time.Hour)
	r.look(behind)
	behind.Seq++
	r.look(behind)
	if r.Count(follow.Live) != 1 {
		t.Error("a writer whose clock is behind counts as dead, and stores")
	}
}

func TestStoreAway(t *testing.T) {
	r := newRig(t)
	r.store.fail = errors.New("away")
	if err := r.Look(t.Context()); err == nil {
		t.Error("a store that is away answers")
	}
}
