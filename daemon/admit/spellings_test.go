package admit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"example.com/nexusctl/protocol"
)

// sharing returns the aliases of some lanes that share spellings.
func sharing(lanes, limit int) (list []*aliases, shared *spellings) {
	shared = newSpellings(lanes, limit)
	for i := range lanes {
		list = append(list, newAliases(limit, shared, i))
	}
	return list, shared
}

// TestLanesShareSpellings has every lane meet the same spellings, some series having
// two, in its own order and under its own references: each is kept once, and each
// lane finds its own reference.
func TestLanesShareSpellings(t *testing.T) {
	const n = 3000
	lanes, shared := sharing(3, 1<<20)
	of := func(i int) spelling { return spelling{fmt.Sprint("metric.", i/2), fmt.Sprintf("|c|#k:%d", i%2)} }
	for l, a := range lanes {
		for _, i := range rand.New(rand.NewPCG(1, uint64(l))).Perm(n) {
			s := of(i)
			a.insert(uint32(i/2), []byte(s.name), []byte(s.suffix), Alias{uint32(i*10 + l), protocol.Gauge})
		}
	}
	if shared.set.count != n {
		t.Errorf("%d entries for %d spellings", shared.set.count, n)
	}
	for l, a := range lanes {
		for i := range n {
			if ref, ok := of(i).lookup(a); !ok || ref != uint32(i*10+l) {
				t.Fatalf("lane %d finds %v as %d, %v", l, of(i), ref, ok)
			}
		}
	}
}

// TestLanesShareAtTheSameTime lets lanes meet, look up and forget spellings beside
// each other, over many changes of the set, each against a plain map of its own. Run
// with -race it holds that look-ups need no lock.
func TestLanesShareAtTheSameTime(t *testing.T) {
	const lanes, limit, series = 4, 500, 900
	list, _ := sharing(lanes, limit)
	var wg sync.WaitGroup
	for l, a := range list {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(l)))
			model := map[spelling]uint32{}
			hits := 0
			for step := range 40_000 {
				n := r.IntN(series)
				s := spelling{fmt.Sprint("metric.", n, strings.Repeat("x", n%50)), fmt.Sprintf("|ms|#k:%d", r.IntN(12))}
				ref, ok := s.lookup(a)
				if ok {
					hits++
				}
				if ok && ref != model[s] {
					t.Errorf("lane %d finds %v as %d, want %d", l, s, ref, model[s])
					return
				}
				if !ok {
					ref = uint32(step*lanes + l)
					a.insert(uint32(n), []byte(s.name), []byte(s.suffix), Alias{ref, protocol.Timer})
					model[s] = ref
				}
				if again, ok := s.lookup(a); !ok || again != ref {
					t.Errorf("lane %d finds what it has just put in as %d, %v, want %d", l, again, ok, ref)
					return
				}
				if r.IntN(5000) == 0 {
					a.reset()
				}
			}
			if hits < 500 {
				t.Errorf("lane %d: %d hits test little", l, hits)
			}
		})
	}
	wg.Wait()
}

// TestFullSetIsGivenUp holds the memory: what the lanes keep together is bounded, and
// a lane leaves a set that was given up when it next meets something new.
func TestFullSetIsGivenUp(t *testing.T) {
	const limit = 100
	lanes, shared := sharing(2, limit)
	stays := spelling{"stays", "|c"}
	stays.insert(lanes[1], 7)
	for i := range uint32(10 * limit) {
		spelling{fmt.Sprint("name.", i), "|c|#" + strings.Repeat("t", 1000)}.insert(lanes[0], i)
		if shared.set.count > 2*limit {
			t.Fatalf("%d spellings are kept for two lanes, %d each may be", shared.set.count, limit)
		}
	}
	if ref, ok := stays.lookup(lanes[1]); !ok || ref != 7 {
		t.Errorf("a lane that met nothing new finds %d, %v", ref, ok)
	}
	spelling{"new", "|c"}.insert(lanes[1], 8)
	if lanes[1].set != shared.set || lanes[1].count != 1 {
		t.Errorf("the lane keeps %d aliases, or a set that nobody else has", lanes[1].count)
	}
	if ref, ok := (spelling{"new", "|c"}).lookup(lanes[1]); !ok || ref != 8 {
		t.Errorf("the new spelling is found as %d, %v", ref, ok)
	}
}

// TestNewLanesShare holds that lanes share by eights, whatever their number.
func TestNewLanesShare(t *testing.T) {
	lanes := NewLanes(sharingLanes+3, NewCatalog(10), 100)
	m := &protocol.Metric{Name: []byte("queue.depth"), Type: protocol.Gauge, Rate: 1}
	for i, l := range lanes {
		if a := l.Admit(m); l.number != i || a.Ref != 0 {
			t.Fatalf("lane %d is number %d and has reference %d", i, l.number, a.Ref)
		}
		l.Remember([]byte("queue.depth"), []byte("|g"), 0)
		if l.aliases.shared != lanes[i/sharingLanes*sharingLanes].aliases.shared || l.aliases.shared.set.count != 1 {
			t.Errorf("lane %d shares with the wrong ones, or nothing", i)
		}
	}
	if lanes[0].aliases.shared == lanes[sharingLanes].aliases.shared {
		t.Error("more lanes share than may")
	}
}
