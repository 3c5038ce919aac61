package admit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// spelling is a line's raw name and raw suffix.
type spelling struct{ name, suffix string }

func (s spelling) insert(a *aliases, ref uint32) { a.insert([]byte(s.name), []byte(s.suffix), ref) }

func (s spelling) lookup(a *aliases) (uint32, bool) {
	return a.lookup([]byte(s.name), []byte(s.suffix))
}

// TestAliasesAgainstAMap compares the table with a plain map, over several
// growths and arenas, and asks for neighbours that were never put in: the same
// bytes cut at another place, one byte more, one less.
func TestAliasesAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, model := newAliases(1<<20), map[spelling]uint32{}
	for i := range 20_000 {
		s := spelling{fmt.Sprintf("metric.%d.%s", r.IntN(9_000), strings.Repeat("x", r.IntN(40))), fmt.Sprintf("|c|#k:%d", r.IntN(3))}
		got, ok := s.lookup(a)
		if want, known := model[s]; ok != known || got != want {
			t.Fatalf("%v: %d, %v; want %d, %v", s, got, ok, want, known)
		}
		if !ok {
			s.insert(a, uint32(i))
			model[s] = uint32(i)
		}
	}
	for s, want := range model {
		if got, ok := s.lookup(a); !ok || got != want {
			t.Fatalf("%v: %d, %v; want %d", s, got, ok, want)
		}
		for _, other := range []spelling{
			{s.name + s.suffix[:1], s.suffix[1:]}, {s.name[:len(s.name)-1], s.name[len(s.name)-1:] + s.suffix},
			{s.name + "x", s.suffix}, {s.name, s.suffix + "x"}, {s.suffix, s.name},
		} {
			want, known := model[other]
			if got, ok := other.lookup(a); ok != known || got != want {
				t.Fatalf("%v is found as %d, %v; want %d, %v", other, got, ok, want, known)
			}
		}
	}
	if len(a.slots) <= minSlots || len(a.keys) < 2 {
		t.Fatalf("the test grew nothing: %d slots, %d arenas", len(a.slots), len(a.keys))
	}
}

// TestAliasesTellCollidingHashesApart forges slots whose hash halves agree
// with another spelling's: only the whole key may decide.
func TestAliasesTellCollidingHashesApart(t *testing.T) {
	a := newAliases(100)
	x, y := spelling{"x", "|c"}, spelling{"y", "|c"}
	x.insert(a, 1)
	h := a.hash([]byte(y.name), []byte(y.suffix))
	a.slots[h&a.mask] = h>>32<<32 | 1 // as if x's hash were y's
	if ref, ok := y.lookup(a); ok {
		t.Fatalf("y is taken for x: %d", ref)
	}
	y.insert(a, 2)
	if ref, ok := y.lookup(a); !ok || ref != 2 {
		t.Fatalf("y behind the collision: %d, %v", ref, ok)
	}
}

// TestAliasesProbeOverTheEnd fills the table's last slots, so that a search
// has to go on at the first.
func TestAliasesProbeOverTheEnd(t *testing.T) {
	a := newAliases(1 << 20)
	for i := range 8 {
		a.place(a.mask-3, uint32(i+1))
	}
	for _, i := range []uint64{a.mask - 3, a.mask - 2, a.mask - 1, a.mask, 0, 1, 2, 3} {
		if a.slots[i] == 0 {
			t.Errorf("slot %d is free", i)
		}
	}
}

// TestAliasesLimit never keeps more than it may, gives the memory back, and
// never answers with another spelling's reference.
func TestAliasesLimit(t *testing.T) {
	const limit = 1000
	a := newAliases(limit)
	of := func(i int) spelling { return spelling{fmt.Sprintf("name.%d", i), "|ms|#" + strings.Repeat("t", 1000)} }
	for i := range 10 * limit {
		of(i).insert(a, uint32(i))
		if len(a.items) > limit {
			t.Fatalf("%d aliases, %d allowed", len(a.items), limit)
		}
		if ref, ok := of(i).lookup(a); !ok || ref != uint32(i) {
			t.Fatalf("the newest alias is not there: %d, %v", ref, ok)
		}
		if ref, ok := of(i / 2).lookup(a); ok && ref != uint32(i/2) {
			t.Fatalf("alias %d leads to %d", i/2, ref)
		}
	}
	if arenas := limit*1100/arenaSize + 1; len(a.keys) > arenas {
		t.Errorf("%d arenas are kept, %d would do", len(a.keys), arenas)
	}
}

// TestLongSpellingsAreNotKept keeps the arenas and the 16-bit lengths honest.
func TestLongSpellingsAreNotKept(t *testing.T) {
	a := newAliases(100)
	longest := spelling{strings.Repeat("n", maxAliasKey-2), "|c"}
	longest.insert(a, 7)
	if ref, ok := longest.lookup(a); !ok || ref != 7 {
		t.Errorf("a spelling of %d bytes is not kept", maxAliasKey)
	}
	for _, s := range []spelling{{longest.name + "n", "|c"}, {"n", "|c|#" + strings.Repeat("t", 70_000)}} {
		s.insert(a, 8)
		if _, ok := s.lookup(a); ok {
			t.Errorf("a spelling of %d bytes is kept", len(s.name)+len(s.suffix))
		}
	}
	if len(a.items) != 1 {
		t.Errorf("%d entries for one alias", len(a.items))
	}
}

// TestSeedsDiffer holds that no two tables place the same keys alike: a sender
// who knows one learns nothing about another.
func TestSeedsDiffer(t *testing.T) {
	a, b := newAliases(1), newAliases(1)
	same := 0
	for i := range 64 {
		name := fmt.Appendf(nil, "name.%d", i)
		if a.hash(name, nil) == b.hash(name, nil) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 64 hashes agree", same)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	a := newAliases(1 << 20)
	name, suffix, unknown := []byte("http.requests"), []byte("|c|#env:prod"), []byte("|c|#env:dev")
	a.insert(name, suffix, 1)
	if n := testing.AllocsPerRun(100, func() { a.lookup(name, suffix); a.lookup(name, unknown) }); n != 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) {
			a := newAliases(1 << 20)
			names, suffix := make([][]byte, n), []byte("|c|#env:prod,host:web01,region:eu")
			for i := range names {
				names[i] = fmt.Appendf(nil, "http.requests.%d", i)
				a.insert(names[i], suffix, uint32(i))
			}
			r := rand.New(rand.NewPCG(1, 2))
			r.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := a.lookup(names[i%n], suffix); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

// TestRememberKeepsOneEntry remembers one spelling again and again, as the
// deltas of a gauge do.
func TestRememberKeepsOneEntry(t *testing.T) {
	l := NewLane(0, NewCatalog(10), 100)
	for range 1000 {
		l.Remember([]byte("queue.depth"), []byte("|g"), 7)
	}
	if n := len(l.aliases.items); n != 1 {
		t.Errorf("one spelling has %d entries", n)
	}
	if ref, ok := l.Lookup([]byte("queue.depth"), []byte("|g")); !ok || ref != 7 {
		t.Errorf("the spelling is found as %d, %v", ref, ok)
	}
}
