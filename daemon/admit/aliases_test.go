package admit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/scan"
)

// spelling is a line's raw name and raw suffix.
type spelling struct{ name, suffix string }

// loneAliases returns aliases that share with none.
func loneAliases(limit int) *aliases { return newAliases(limit, newSpellings(1, limit), 0) }

func (s spelling) insert(a *aliases, ref uint32) {
	a.insert(ref, []byte(s.name), []byte(s.suffix), Alias{ref, protocol.Counter})
}

func (s spelling) lookup(a *aliases) (uint32, bool) {
	to, ok := a.lookup([]byte(s.name), []byte(s.suffix))
	return to.Ref, ok
}

func (s spelling) hash(a *aliases) uint64 {
	return a.hasher.hash([]byte(s.name), []byte(s.suffix))
}

// TestAliasesAgainstAMap compares the table with a plain map, over several
// growths and arenas, and asks for neighbours that were never put in: the same
// bytes cut at another place, one byte more, one less.
func TestAliasesAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, model := loneAliases(1<<20), map[spelling]uint32{}
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
	if len(a.slots) <= minLines || len(a.arenas) < 2 {
		t.Fatalf("the test grew nothing: %d lines of slots, %d arenas", len(a.slots), len(a.arenas))
	}
}

// TestAliasesTellCollidingHashesApart forges slots whose hash halves agree
// with another spelling's: only the whole key may decide.
func TestAliasesTellCollidingHashesApart(t *testing.T) {
	a := loneAliases(100)
	x, y := spelling{"x", "|c"}, spelling{"y", "|c"}
	x.insert(a, 1)
	h := y.hash(a)
	a.place(h, 2) // as if x's hash were y's
	if ref, ok := y.lookup(a); ok {
		t.Fatalf("y is taken for x: %d", ref)
	}
	y.insert(a, 2)
	if ref, ok := y.lookup(a); !ok || ref != 2 {
		t.Fatalf("y behind the collision: %d, %v", ref, ok)
	}
}

// TestAliasesProbeOverTheEnd fills the table's last line of slots, so that a
// search has to go on at the first.
func TestAliasesProbeOverTheEnd(t *testing.T) {
	a := loneAliases(1 << 20)
	last := uint64(len(a.slots) - 1)
	for i := range uint64(lineSlots + 1) {
		a.place(last, i)
	}
	want := [lineSlots]uint64{tagOf(last) << placeBits}
	for i := range want {
		want[i] = want[0] | uint64(i)
	}
	if a.slots[last] != want {
		t.Errorf("the last line is %x", a.slots[last])
	}
	if want := [lineSlots]uint64{tagOf(last)<<placeBits | lineSlots}; a.slots[0] != want {
		t.Errorf("the first line is %x", a.slots[0])
	}
}

// TestAliasesLimit never keeps more than it may, gives the memory back, and
// never answers with another spelling's reference.
func TestAliasesLimit(t *testing.T) {
	const limit = 1000
	a := loneAliases(limit)
	of := func(i int) spelling { return spelling{fmt.Sprintf("name.%d", i), "|ms|#" + strings.Repeat("t", 1000)} }
	for i := range 10 * limit {
		of(i).insert(a, uint32(i))
		if a.count > limit {
			t.Fatalf("%d aliases, %d allowed", a.count, limit)
		}
		if ref, ok := of(i).lookup(a); !ok || ref != uint32(i) {
			t.Fatalf("the newest alias is not there: %d, %v", ref, ok)
		}
		if ref, ok := of(i / 2).lookup(a); ok && ref != uint32(i/2) {
			t.Fatalf("alias %d leads to %d", i/2, ref)
		}
	}
	if arenas := limit*1100/arenaSize + 1; len(a.arenas) > arenas {
		t.Errorf("%d arenas are kept, %d would do", len(a.arenas), arenas)
	}
}

// TestLongSpellingsAreNotKept keeps the arenas and the 12-bit lengths honest.
func TestLongSpellingsAreNotKept(t *testing.T) {
	a := loneAliases(100)
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
	if a.count != 1 {
		t.Errorf("%d entries for one alias", a.count)
	}
}

// TestSeedsDiffer holds that no two tables place the same keys alike: a sender
// who knows one learns nothing about another.
func TestSeedsDiffer(t *testing.T) {
	a, b := loneAliases(1), loneAliases(1)
	same := 0
	for i := range 64 {
		s := spelling{fmt.Sprintf("name.%d", i), "|c"}
		if s.hash(a) == s.hash(b) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 64 hashes agree", same)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	a := loneAliases(1 << 20)
	name, suffix, unknown := []byte("http.requests"), []byte("|c|#env:prod"), []byte("|c|#env:dev")
	a.insert(1, name, suffix, Alias{1, protocol.Counter})
	if n := testing.AllocsPerRun(100, func() { a.lookup(name, suffix); a.lookup(name, unknown) }); n != 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) {
			a := loneAliases(1 << 20)
			names, suffix := make([][]byte, n), []byte("|c|#env:prod,host:web01,region:eu")
			for i := range names {
				names[i] = fmt.Appendf(nil, "http.requests.%d", i)
				a.insert(uint32(i), names[i], suffix, Alias{uint32(i), protocol.Counter})
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
	l.Admit(&protocol.Metric{Name: []byte("queue.depth"), Type: protocol.Gauge, Rate: 1})
	for range 1000 {
		l.Remember([]byte("queue.depth"), []byte("|g"), 0)
	}
	if n := l.aliases.count; n != 1 {
		t.Errorf("one spelling has %d entries", n)
	}
	if to, ok := l.aliases.lookup([]byte("queue.depth"), []byte("|g")); !ok || to != (Alias{0, protocol.Gauge}) {
		t.Errorf("the spelling is found as %+v, %v", to, ok)
	}
	l.Forget()
	if _, ok := l.aliases.lookup([]byte("queue.depth"), []byte("|g")); ok {
		t.Error("the spelling is not forgotten")
	}
}

// finders are the ways to look a group up.
func finders() map[string]func(*aliases, []byte, []scan.Line, []Alias) {
	m := map[string]func(*aliases, []byte, []scan.Line, []Alias){"plain": (*aliases).findPlain}
	if scan.Wide {
		m["wide"] = (*aliases).findWide
	}
	return m
}

// TestFindIsLookup holds the look-up of groups to that of single lines: known and
// unknown ones, short and long, lines of another form, and hashes that collide,
// mixed. The buffer ends where its memory does: nothing behind it may be read.
func TestFindIsLookup(t *testing.T) {
	for name, find := range finders() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			a := loneAliases(1 << 20)
			known := func(n, k int) (name, suffix string) {
				return fmt.Sprintf("metric.%d%s", n, strings.Repeat("y", n%80)), fmt.Sprintf("|c|#k:%d%s", k, strings.Repeat("x", n/80%80))
			}
			for i := range 8_000 {
				name, suffix := known(i, i%7)
				spelling{name, suffix}.insert(a, uint32(i))
			}
			for i := range 500 { // their tag stands before the right slot, or in its place
				name, suffix := known(r.IntN(9_000), i%7)
				a.place(spelling{name, suffix}.hash(a), 2)
			}
			var s scan.Scanner
			var lines [scan.GroupSize]scan.Line
			var found [scan.GroupSize]Alias
			hits, misses := 0, 0
			for range 400 {
				var b []byte
				for range 1 + r.IntN(scan.GroupSize) {
					n := r.IntN(9_000)
					name, suffix := known(n, n%7)
					if r.IntN(8) == 0 {
						name, suffix = known(n, n%8)
					}
					if r.IntN(9) == 0 {
						b = append(b, "no line\n"...)
					} else {
						b = append(b, name+":1"+suffix+"\n"...)
					}
				}
				b = bytes.TrimSuffix(b, []byte("\n"))
				b = slices.Clip(b)
				s.Begin(b)
				n := s.Next(lines[:])
				find(a, b, lines[:n], found[:n])
				for i, l := range lines[:n] {
					want := Alias{}
					if l.Plain() {
						want, _ = a.lookup(b[l.Start:l.Colon], b[l.Bar:l.End])
					}
					if found[i] != want {
						t.Fatalf("%q is found as %+v, want %+v", b[l.Start:l.End], found[i], want)
					}
					if want.Type == 0 {
						misses++
					} else {
						hits++
					}
				}
			}
			if hits < 5_000 || misses < 1_000 {
				t.Errorf("%d hits and %d misses test little", hits, misses)
			}
		})
	}
}

// BenchmarkFind is BenchmarkLookup, a group at a time.
func BenchmarkFind(b *testing.B) {
	for name, find := range finders() {
		for _, n := range []int{1_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/series=%d", name, n), func(b *testing.B) { benchmarkFind(b, find, n) })
		}
	}
}

func benchmarkFind(b *testing.B, find func(*aliases, []byte, []scan.Line, []Alias), n int) {
	a := loneAliases(2 << 20)
	r := rand.New(rand.NewPCG(1, 2))
	const suffix = "|c|#env:prod,host:web01,region:eu"
	for i := range n {
		spelling{fmt.Sprintf("http.requests.%d", i), suffix}.insert(a, uint32(i))
	}
	text := make([][]byte, 256)
	lines := make([][scan.GroupSize]scan.Line, len(text))
	var s scan.Scanner
	for i := range text {
		for range scan.GroupSize {
			text[i] = fmt.Appendf(text[i], "http.requests.%d:1%s\n", r.IntN(n), suffix)
		}
		s.Begin(text[i])
		s.Next(lines[i][:])
	}
	var found [scan.GroupSize]Alias
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += scan.GroupSize {
		k := i / scan.GroupSize % len(text)
		find(a, text[k], lines[k][:], found[:])
		if found[0].Type == 0 || found[scan.GroupSize-1].Type == 0 {
			b.Fatal("not found")
		}
	}
}
