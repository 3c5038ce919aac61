package maint

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backlog is a queue of one generation, or of none.
type backlog struct {
	bucket int64
	any    bool
}

func (b backlog) OldestBucket() (int64, bool) { return b.bucket, b.any }

// recorder is store and head, and notes what it is told.
type recorder struct {
	compacted, dropped []int64
	stats              storage.CompactStats
	errs               []error // of the next calls
	compacting         func()
	at                 []time.Duration
}

func (r *recorder) Compact(_ context.Context, before int64) (storage.CompactStats, error) {
	r.compacted = append(r.compacted, before)
	if r.compacting != nil {
		r.compacting()
	}
	if len(r.errs) > 0 {
		err := r.errs[0]
		r.errs = r.errs[1:]
		return storage.CompactStats{}, err
	}
	return r.stats, nil
}

func (r *recorder) DropBefore(hour int64) { r.dropped = append(r.dropped, hour) }

const hour = int64(3_600_000)

// TestBefore is the table of what may be compacted: hours that are over for
// two minutes, and for which no generation waits any more.
func TestBefore(t *testing.T) {
	at := func(h int64, d time.Duration) time.Time { return time.UnixMilli(h * hour).Add(d) }
	for _, c := range []struct {
		what    string
		now     time.Time
		backlog backlog
		want    int64
	}{
		{"in the middle of an hour", at(100, 30*time.Minute), backlog{}, 100},
		{"just over", at(100, 0), backlog{}, 99},
		{"a millisecond within the grace", at(100, 2*time.Minute-time.Millisecond), backlog{}, 99},
		{"the grace is over", at(100, 2*time.Minute), backlog{}, 100},
		{"a generation of this hour waits", at(100, 30*time.Minute), backlog{100*hour + 5*60_000, true}, 100},
		{"one of the hour before", at(100, 30*time.Minute), backlog{100*hour - 10_000, true}, 99},
		{"the first of the hour before", at(100, 30*time.Minute), backlog{99 * hour, true}, 99},
		{"the store was away for a day", at(100, 30*time.Minute), backlog{76*hour + 1, true}, 76},
		{"a bucket ahead of the clock", at(100, 30*time.Minute), backlog{103 * hour, true}, 100},
		{"a backlog that is none", at(100, 30*time.Minute), backlog{3 * hour, false}, 100},
	} {
		if got := Before(c.now, c.backlog); got != c.want {
			t.Errorf("%s: before hour %d, want %d", c.what, got, c.want)
		}
	}
}

// TestCompact forgets what memory holds of an hour only when the store has it
// as chunks.
func TestCompact(t *testing.T) {
	failed := errors.New("failed by the test")
	var out bytes.Buffer
	r := &recorder{errs: []error{failed}}
	m := New(r, r, backlog{}, slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return time.UnixMilli(100*hour + hour/2) })
	if err := m.Compact(t.Context()); !errors.Is(err, failed) || len(r.dropped) != 0 {
		t.Errorf("%v, dropped %v", err, r.dropped)
	}
	if err := m.Compact(t.Context()); err != nil || len(r.dropped) != 1 || r.dropped[0] != 100 || r.compacted[1] != 100 {
		t.Errorf("%v, dropped %v of %v", err, r.dropped, r.compacted)
	}
	if out.Len() != 0 {
		t.Errorf("nothing to do is worth a line: %s", out.String())
	}
	r.stats = storage.CompactStats{Blocks: 3, Chunks: 7}
	if err := m.Compact(t.Context()); err != nil || !strings.Contains(out.String(), "chunks=7") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestRun works at once and every minute, through failures, until its context
// ends; the clock is a test's, so that minutes take no time.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := &recorder{errs: []error{nil, errors.New("away"), errors.New("away")}}
		began := time.Now()
		r.compacting = func() { r.at = append(r.at, time.Since(began)) }
		m := New(r, r, backlog{}, slog.New(slog.NewTextHandler(&out, nil)), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx); close(done) }()
		time.Sleep(5*every + every/2)
		cancel()
		<-done
		if len(r.compacted) != 6 || len(r.dropped) != 4 {
			t.Errorf("%d compactions at the start and in five minutes, %d of them well", len(r.compacted), len(r.dropped))
		}
		if r.at[0] != 0 || r.at[5] != 5*every {
			t.Errorf("compactions at %v", r.at)
		}
		if got := strings.Count(out.String(), "compaction failed"); got != 2 {
			t.Errorf("%d failures were said: %s", got, out.String())
		}
	})
}

// TestRunEndsQuietly says nothing of a compaction that its own end has broken.
func TestRunEndsQuietly(t *testing.T) {
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{errs: []error{context.Canceled}, compacting: cancel}
	New(r, r, backlog{}, slog.New(slog.NewTextHandler(&out, nil)), time.Now).Run(ctx)
	if len(r.compacted) != 1 || out.Len() != 0 {
		t.Errorf("%d compactions, said: %s", len(r.compacted), out.String())
	}
}

// TestFollowersRest works only where it is let, at once when it wins the lead.
func TestFollowersRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, won := &recorder{}, make(chan struct{}, 1)
		var leads atomic.Bool
		lead := func(ctx context.Context, work func(context.Context)) bool {
			if leads.Load() {
				work(ctx)
			}
			return leads.Load()
		}
		m := New(r, r, backlog{}, slog.New(slog.DiscardHandler), time.Now).WithLead(lead, won)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx); close(done) }()
		time.Sleep(2*every + every/2)
		if len(r.compacted) != 0 || len(r.dropped) != 0 {
			t.Errorf("a follower compacted %d times", len(r.compacted))
		}
		leads.Store(true)
		won <- struct{}{}
		synctest.Wait()
		if len(r.compacted) != 1 {
			t.Errorf("who has won compacted %d times", len(r.compacted))
		}
		cancel()
		<-done
	})
}
