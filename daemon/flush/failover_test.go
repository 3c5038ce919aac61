package flush_test

import (
	"context"
	"testing"

	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/storage"
)

// swapping moves to another store in the middle of its work, as a failover does.
type swapping struct {
	flush.Store
	p    *pipeline
	when func(op string) bool
	to   *storage.Store
}

func (s *swapping) turn(op string) {
	if s.to != nil && s.when(op) {
		s.Store, s.p.store, s.to = s.to, s.to, nil
	}
}

func (s *swapping) Resolve(ctx context.Context, keys [][]byte) ([]int64, error) {
	s.turn("resolve")
	return s.Store.Resolve(ctx, keys)
}

func (s *swapping) Commit(ctx context.Context, f storage.Flush) (bool, error) {
	s.turn("commit")
	return s.Store.Commit(ctx, f)
}

// copyOf makes a store that has what the other had up to a commit, and none of
// the names that were given later.
func (p *pipeline) copyOf(commits int) *storage.Store {
	p.t.Helper()
	s := openStore(p.t)
	for i, keys := range p.faulty.keys {
		if i >= commits {
			break
		}
		if _, err := s.Resolve(p.t.Context(), keys); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, f := range p.faulty.commits[:commits] {
		if _, err := s.Commit(p.t.Context(), f); err != nil {
			p.t.Fatal(err)
		}
	}
	return s
}

// TestFailoverBetweenNamingAndStoring moves, between the two, to a copy that
// has the same position and lacks the names; another series gets their ids
// there first.
func TestFailoverBetweenNamingAndStoring(t *testing.T) {
	p := newPipeline(t, usual)
	stop := p.run()
	p.send(0, "first:1|c\n")
	p.mark()
	p.drained()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	copied := p.copyOf(1)
	moved := 0
	p.loop.Moved = func() { moved++ }
	p.faulty.store = &swapping{Store: p.store, p: p, to: copied, when: func(op string) bool {
		if op == "commit" {
			if _, err := copied.Resolve(t.Context(), [][]byte{[]byte("\x01\x07another\x00")}); err != nil {
				t.Error(err)
			}
		}
		return op == "commit"
	}}
	stop = p.run()
	p.send(0, "first:2|c\nsecond:4|c\nthird:8|c\n")
	p.mark()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := p.sums(); got["first"] != 3 || got["second"] != 4 || got["third"] != 8 || got["another"] != 0 || moved != 1 {
		t.Errorf("%v, moved %d times", got, moved)
	}
}

// TestFailoverOfSpilledGenerations moves to an older copy while generations are
// read back from the log, as after a store that was away for long.
func TestFailoverOfSpilledGenerations(t *testing.T) {
	for _, at := range []int{3, 14, 16} {
		p := newPipeline(t, usual)
		stop := p.run()
		for i := range 2 {
			p.generation(i)
		}
		p.drained()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		copied, seen := p.copyOf(1), 2
		p.faulty.store = &swapping{Store: p.store, p: p, to: copied, when: func(op string) bool {
			if op == "commit" {
				seen++
			}
			return seen == at
		}}
		const all = 18
		for i := 2; i < all; i++ {
			p.generation(i)
		}
		if _, spilled := p.set.Collector().Backlog(); spilled == 0 {
			t.Fatal("nothing is spilled")
		}
		stop = p.run()
		p.drained()
		if err := stop(); err != nil {
			t.Errorf("at %d: %v", at, err)
		}
		p.checkStored(copied, all)
		p.checkBook(all)
	}
}
