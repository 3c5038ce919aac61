package flush_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/storage"
)

// lone is a store of nothing but answers.
type lone struct {
	answer func() error
	asked  int
}

func (s *lone) Resolve(context.Context, [][]byte) ([]int64, error) { return nil, nil }
func (s *lone) GoneSince(context.Context, int64) (storage.Goings, error) {
	return storage.Goings{Complete: true}, nil
}
func (s *lone) Probe(context.Context, storage.Flush) error { return nil }
func (s *lone) Commit(context.Context, storage.Flush) (bool, error) {
	s.asked++
	return true, s.answer()
}

// rig is a flusher before a lone store, on the bubble's clock.
func rig(t *testing.T, answer func() error) (*flush.Flusher, *lone, *bytes.Buffer) {
	t.Helper()
	letters, err := deadletter.Open(t.TempDir(), "w")
	if err != nil {
		t.Fatal(err)
	}
	s, said := &lone{answer: answer}, new(bytes.Buffer)
	return flush.New(s, admit.NewCatalog(1), "w", 0, letters, slog.New(slog.NewTextHandler(said, nil))), s, said
}

// TestBreaker keeps a store away for a minute: it is asked often at first, then
// every few seconds, and both changes are told once.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f, s, said := rig(t, func() error {
			if time.Since(began) < time.Minute {
				return errAway
			}
			return nil
		})
		states := map[string]int{}
		done := make(chan error, 1)
		go func() {
			_, err := f.Flush(t.Context(), &aggregate.Generation{Number: 1, To: 7, Ordered: aggregate.NewOrdered()}, aggregate.NewState())
			done <- err
		}()
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			states[f.Breaker().State()]++
		}
		since, away := f.Breaker().Away()
		if !away || since.Sub(began) > 10*time.Second {
			t.Errorf("away %v since %v", away, since.Sub(began))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 75*time.Second {
			t.Errorf("the return was noticed after %v", took-time.Minute)
		}
		if s.asked < 10 || s.asked > 40 {
			t.Errorf("the store was asked %d times in a minute", s.asked)
		}
		if _, away := f.Breaker().Away(); away || f.Breaker().State() != "closed" || f.Breaker().Openings() != 1 || f.Position() != 7 {
			t.Errorf("away %v, %s, %d openings", away, f.Breaker().State(), f.Breaker().Openings())
		}
		if states["open"] == 0 || states["half-open"] == 0 || states["closed"] == 0 {
			t.Errorf("states %v", states)
		}
		if n := strings.Count(said.String(), "\n"); n != 2 || !strings.Contains(said.String(), "is away") || !strings.Contains(said.String(), "is back") {
			t.Errorf("it said:\n%s", said)
		}
	})
}

// TestBreakerStops ends a flush at once, whatever the breaker waits for.
func TestBreakerStops(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 2 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			f, _, said := rig(t, func() error { return errAway })
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			began := time.Now()
			_, err := f.Flush(ctx, &aggregate.Generation{Number: 1, To: 7, Ordered: aggregate.NewOrdered()}, aggregate.NewState())
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, storage.ErrUnavailable) || time.Since(began) > after {
				t.Errorf("%v after %v, want %v", err, time.Since(began), after)
			}
			if f.Position() != 0 || strings.Contains(said.String(), "is back") {
				t.Errorf("position %d:\n%s", f.Position(), said)
			}
		})
	}
}

// TestUnknownFailure: one that passes is overcome and told, one that stays ends the
// daemon after a while, and what the store says for good does so at once.
func TestUnknownFailure(t *testing.T) {
	odd := errors.New("unexpected message 'Z'")
	for _, c := range []struct {
		name   string
		err    error
		passes int // tries that fail, 0 for all
		asked  int
		want   error
	}{
		{"passing", odd, 4, 5, nil},
		{"lasting", odd, 0, 15, odd},
		{"final", storage.ErrSchemaOld, 0, 1, storage.ErrSchemaOld},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				f, s, said := rig(t, func() error {
					if tries++; c.passes > 0 && tries > c.passes {
						return nil
					}
					return c.err
				})
				began := time.Now()
				_, err := f.Flush(t.Context(), &aggregate.Generation{Number: 1, To: 7, Ordered: aggregate.NewOrdered()}, aggregate.NewState())
				if !errors.Is(err, c.want) || s.asked != c.asked || time.Since(began) > time.Minute {
					t.Errorf("%v after %d tries and %v", err, s.asked, time.Since(began))
				}
				if n := strings.Count(said.String(), "a way that is not known"); n != c.asked-1 {
					t.Errorf("told %d times:\n%s", n, said)
				}
			})
		})
	}
}
