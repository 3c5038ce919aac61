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
	short   map[string]int // blocks of a writer that were compacted already
	changes int64
}

func (s *store) Writers(context.Context) ([]storage.Writer, error) { return s.writers, s.fail }

func (s *store) Follow(_ context.Context, writer string, behind, upTo uint64) ([]storage.StoredBlock, uint64, error) {
	s.asked = append(s.asked, fmt.Sprintf("%s behind %d", writer, behind))
	if s.short[writer] > 0 {
		s.short[writer]--
		return nil, behind + 1, nil
	}
	b := storage.StoredBlock{BlockKey: storage.BlockKey{Writer: writer, Seq: behind + 1}, Data: []byte("block")}
	return []storage.StoredBlock{b}, min(behind+1, upTo), nil
}

func (s *store) GoneSince(context.Context, int64) (storage.Goings, error) {
	return storage.Goings{Changes: s.changes}, nil
}

func (s *store) OldestBlock(context.Context) (int64, error) { return 7, nil }

// head notes what it is given.
type head struct {
	blocks int
	before int64
	lacks  map[string]uint64
	void   int
}

func (h *head) Follow(_ string, list []storage.StoredBlock) { h.blocks += len(list) }
func (h *head) DropBefore(hour int64)                       { h.before = hour }
func (h *head) Lack(writer string, upTo uint64)             { h.lacks[writer] = upTo }
func (h *head) Void()                                       { h.void++ }

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
	r := &rig{t: t, now: time.UnixMilli(1_764_000_000_000), head: head{lacks: map[string]uint64{}}}
	r.Follower = follow.New(&r.store, &r.head, "own", slog.New(slog.NewTextHandler(&r.out, nil)), func() time.Time { return r.now })
	return r
}

// writer is a row of the store, updated so long ago.
func (r *rig) writer(id string, seq uint64, ago time.Duration) storage.Writer {
	return storage.Writer{ID: id, Seq: seq, UpdatedAt: r.now.Add(-ago), Watermark: int64(seq) * 10_000, Blocks: seq}
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

// reach is what reads go by, as text.
func (r *rig) reach(ids ...string) string {
	reach, changes, ok := r.Followed()
	if !ok {
		return "not known"
	}
	text := fmt.Sprint(changes, " changes")
	for _, id := range ids {
		text += fmt.Sprintf(" %s %d", id, reach.At(id))
	}
	return text
}

func (r *rig) expect(what, want string) {
	r.t.Helper()
	if got := r.reach("b", "c"); got != want {
		r.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// TestFollowed: reads go by a look for five seconds from its beginning, and by none
// whose blocks did not all come.
func TestFollowed(t *testing.T) {
	r := newRig(t)
	r.store.changes = 3
	r.expect("before the first look", "not known")
	r.look(r.writer("own", 50, 0), r.writer("b", 10, 0))
	r.expect("at first sight", "3 changes b 10 c 0")
	if r.head.lacks["b"] != 10 {
		t.Errorf("the head is told that it may lack b up to %d", r.head.lacks["b"])
	}
	r.now = r.now.Add(2 * time.Second)
	r.store.changes = 4
	c := r.writer("c", 1, 0)
	r.look(r.writer("own", 51, 0), r.writer("b", 12, 0), c)
	r.expect("one has joined", "4 changes b 12 c 1")
	if r.head.lacks["b"] != 10 || r.Lacked() != 0 || r.head.lacks["c"] != 1 {
		t.Errorf("the head lacks %v, %d times", r.head.lacks, r.Lacked())
	}
	r.now = r.now.Add(5 * time.Second)
	r.expect("five seconds later", "4 changes b 12 c 1")
	r.now = r.now.Add(time.Millisecond)
	r.expect("and a bit", "not known")
	r.store.fail = errors.New("away")
	if err := r.Look(t.Context()); err == nil {
		t.Error("a store that is away answers")
	}
	r.expect("the store is away", "not known")
	r.store.fail = nil
	r.look(r.writer("own", 51, 0), r.writer("b", 12, 0), c)
	r.expect("it is back", "4 changes b 12 c 1")
}

// TestCompactedFirst: what was compacted before it could be followed is not in memory,
// and neither is known to be what a writer stored that does not count its blocks.
func TestCompactedFirst(t *testing.T) {
	r := newRig(t)
	r.look(r.writer("b", 10, 0), r.writer("c", 10, 0))
	r.store.short = map[string]int{"b": 1}
	r.look(r.writer("b", 13, 0), r.writer("c", 13, 0))
	if r.head.lacks["b"] != 13 || r.head.lacks["c"] != 10 || r.Lacked() != 1 {
		t.Errorf("the head lacks %v, %d times", r.head.lacks, r.Lacked())
	}
	old := r.writer("c", 14, 0)
	old.Blocks = 0
	r.look(r.writer("b", 14, 0), old)
	if r.head.lacks["b"] != 13 || r.head.lacks["c"] != 14 {
		t.Errorf("the head lacks %v", r.head.lacks)
	}
	next := r.writer("c", 15, 0)
	next.Blocks = 1
	r.look(next, r.writer("b", 14, 0))
	if r.head.lacks["c"] != 15 {
		t.Errorf("one that begins to count: the head lacks %v", r.head.lacks)
	}
	next.Seq, next.Blocks = 16, 2
	r.look(next, r.writer("b", 14, 0))
	if r.head.lacks["c"] != 15 {
		t.Errorf("one that counts: the head lacks %v", r.head.lacks)
	}
}

// TestLastWords: what a daemon stored just before it ended, or fell silent, is followed.
func TestLastWords(t *testing.T) {
	r := newRig(t)
	left := r.writer("b", 10, 0)
	r.look(left)
	left = r.writer("b", 11, 0)
	left.Left = true
	r.look(left)
	r.expect("it has left", "0 changes b 11 c 0")
	if r.head.blocks != 1 {
		t.Errorf("%d blocks came", r.head.blocks)
	}
}

// TestStoreWentBack: a writer that is where it was before, or is missing, voids what
// was read.
func TestStoreWentBack(t *testing.T) {
	r := newRig(t)
	for i, back := range [][]storage.Writer{{r.writer("b", 9, 0), r.writer("c", 5, 0)}, {r.writer("b", 10, 0)}} {
		r.look(r.writer("b", 10, 0), r.writer("c", 5, 0))
		r.expect("before", "0 changes b 10 c 5")
		r.look(back...)
		if r.head.void != i+1 {
			t.Errorf("%d: the head was voided %d times", i, r.head.void)
		}
		r.expect("after", fmt.Sprintf("0 changes b %d c %d", back[0].Seq, 5-5*i))
		r.look(r.writer("b", 10, 0), r.writer("c", 5, 0))
	}
}

// TestManyWriters: with more of them than a read may compare, none goes by it.
func TestManyWriters(t *testing.T) {
	r := newRig(t)
	list := []storage.Writer{}
	for i := range 256 {
		list = append(list, r.writer(fmt.Sprint(i), 1, 0))
	}
	r.look(list...)
	r.expect("as many as may be", "0 changes b 0 c 0")
	r.look(append(list, r.writer("b", 1, 0))...)
	r.expect("one more", "not known")
}
