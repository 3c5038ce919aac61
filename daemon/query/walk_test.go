package query

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// crowd is a population of series that grows while somebody walks over it: some
// are known to this process, some to the store, some to both, and those that are
// not stored yet are stored at any time, under whatever id the store gives.
type crowd struct {
	*rig
	random *rand.Rand
	made   int
	fresh  []*admit.Series // known here, and not in the store
}

func (c *crowd) key(name string) series.Key {
	c.made++
	return series.Key{Name: name, Type: protocol.Counter, Tags: []series.Tag{{Key: "i", Value: strconv.Itoa(c.made)}}}
}

// come adds a series in one of the ways in which one comes.
func (c *crowd) come() {
	c.t.Helper()
	k := c.key([]string{"p.a", "p.b", "p.c"}[c.random.IntN(3)])
	text := k.Append(nil)
	how := c.random.IntN(4)
	if how != 0 { // known here
		s, err := c.catalog.Intern(text)
		if err != nil {
			c.t.Fatal(err)
		}
		if how == 1 {
			c.fresh = append(c.fresh, s)
			return
		}
		if how == 2 { // flushed: the id is known
			c.resolve(s)
			return
		}
	}
	// Another daemon's, or ours from before a start: stored, and no id is known here.
	if _, err := c.store.Resolve(c.t.Context(), [][]byte{text}); err != nil {
		c.t.Fatal(err)
	}
}

// flushSome stores some of what is not stored.
func (c *crowd) flushSome() {
	for n := c.random.IntN(len(c.fresh) + 1); n > 0; n-- {
		c.resolve(c.fresh[0])
		c.fresh = c.fresh[1:]
	}
}

// meet has this process see a series that so far only the store knew.
func (c *crowd) meet() {
	c.t.Helper()
	found, err := c.store.FindSeries(c.t.Context(), nil, c.random.Int64N(int64(c.made)), 1)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range found {
		if _, err := c.catalog.Intern(s.Key.Append(nil)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// walked walks to the end and returns how often each series came; between is
// called between two pages.
func (c *crowd) walked(limit int, f Filter, between func()) map[string]int {
	c.t.Helper()
	seen := map[string]int{}
	for place := (Place{}); ; {
		list, next, err := c.reader.Page(c.t.Context(), f, place, limit)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(list) > limit {
			c.t.Fatalf("%d series on a page of %d", len(list), limit)
		}
		for i := range list {
			tag, _ := list[i].Key.Tag("i")
			seen[tag]++
		}
		if next == nil {
			return seen
		}
		place = *next
		between()
	}
}

// TestWalkWhileSeriesCome: every series that is there from the beginning of a walk
// to its end comes exactly once, whatever comes, is stored or is met meanwhile; one
// that comes during the walk comes once at most.
func TestWalkWhileSeriesCome(t *testing.T) {
	for seed := range uint64(6) {
		c := &crowd{rig: newRig(t, Options{MaxSeries: 1_000_000}), random: rand.New(rand.NewPCG(seed, 1))}
		limit, there := 1+c.random.IntN(60), c.random.IntN(150)
		for range there {
			c.come()
		}
		seen := c.walked(limit, Filter{Matchers: matchers(t, `{__name__=~"p.*"}`)}, func() {
			if c.made > there+150 {
				return // so that the walk ends
			}
			for range c.random.IntN(6) {
				c.come()
			}
			c.flushSome()
			c.meet()
		})
		for i := range c.made {
			n := seen[strconv.Itoa(i+1)]
			if i < there && n != 1 || n > 1 {
				t.Fatalf("series %d of %d that were there comes %d times (seed %d, pages of %d)", i+1, there, n, seed, limit)
			}
		}
	}
}

// TestWalkOfThousands does it once with many, and with pages of a usual size.
func TestWalkOfThousands(t *testing.T) {
	there := 4000
	if n, err := strconv.Atoi(os.Getenv("NEXUS_WALK_SERIES")); err == nil {
		there = n
	}
	c := &crowd{rig: newRig(t, Options{MaxSeries: 10_000_000}), random: rand.New(rand.NewPCG(1, 2))}
	fill(c, there)
	began, pages := time.Now(), 0
	seen := c.walked(1000, Filter{Matchers: matchers(t, `{__name__=~"p.*"}`)}, func() {
		pages++
		for range 20 {
			c.come()
		}
		c.flushSome()
		c.meet()
	})
	t.Logf("%d series, %d pages, %v", there, pages+1, time.Since(began).Round(time.Millisecond))
	for i := range c.made {
		if n := seen[strconv.Itoa(i+1)]; i < there && n != 1 || n > 1 {
			t.Fatalf("series %d comes %d times", i+1, n)
		}
	}
}

// fill makes many series at once: a third known here, a third stored, a third both.
func fill(c *crowd, n int) {
	c.t.Helper()
	var keys [][]byte
	var both []*admit.Series
	for i := range n {
		text := c.key([]string{"p.a", "p.b", "p.c"}[c.random.IntN(3)]).Append(nil)
		if i%3 == 0 {
			keys, both = append(keys, text), append(both, nil)
			continue
		}
		s, err := c.catalog.Intern(text)
		if err != nil {
			c.t.Fatal(err)
		}
		if i%3 == 1 {
			c.fresh = append(c.fresh, s)
			continue
		}
		keys, both = append(keys, text), append(both, s)
	}
	ids, err := c.store.Resolve(c.t.Context(), keys)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, s := range both {
		if s != nil {
			s.SetID(ids[i])
		}
	}
}

// TestWalkPassesInBounds: a page looks at a bounded number of series that the walk
// has shown already, and is short rather than late.
func TestWalkPassesInBounds(t *testing.T) {
	c := &crowd{rig: newRig(t, Options{MaxSeries: 1_000_000}), random: rand.New(rand.NewPCG(1, 2))}
	var keys [][]byte
	for range maxPassed + 3*storedBatch {
		text := c.key("p").Append(nil)
		if _, err := c.catalog.Intern(text); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, text)
	}
	if _, err := c.store.Resolve(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	place := Place{Process: c.reader.process, Stored: true, Known: uint32(len(keys))}
	list, next, err := c.reader.Page(t.Context(), Filter{}, place, 100)
	if err != nil || len(list) != 0 || next == nil || next.After < maxPassed || next.After > maxPassed+storedBatch {
		t.Fatalf("%d series, then %+v, %v", len(list), next, err)
	}
	if list, next, err = c.reader.Page(t.Context(), Filter{}, *next, 100); err != nil || len(list) != 0 || next != nil {
		t.Errorf("%d series, then %+v, %v", len(list), next, err)
	}
}

// TestSince leaves out what has been silent.
func TestSince(t *testing.T) {
	r := newRig(t, Options{})
	old, young := r.series(true, "old", protocol.Gauge), r.series(true, "young", protocol.Gauge)
	r.series(true, "never", protocol.Gauge)
	gauge := counted(0, 1, 0)
	r.take(of(old, gauge)...)
	r.now = sec(600)
	r.take(of(young, counted(500, 1, 0))...)
	names := func(since int64) string {
		t.Helper()
		list, next, err := r.reader.Page(t.Context(), Filter{Since: since}, Place{}, 10)
		if err != nil || next != nil {
			t.Fatal(next, err)
		}
		text := ""
		for i := range list {
			text += list[i].Key.Name + " "
		}
		return text
	}
	for since, want := range map[int64]string{0: "old young never ", sec(0): "old young ", sec(1): "young ", sec(500): "young ", sec(501): ""} {
		if got := names(since); got != want {
			t.Errorf("since %d: %q, want %q", since, got, want)
		}
	}
}

// TestPlaceOfAnotherProcess: the order of a process that is gone is not known.
func TestPlaceOfAnotherProcess(t *testing.T) {
	r := newRig(t, Options{})
	r.series(true, "x", protocol.Gauge)
	if _, _, err := r.reader.Page(t.Context(), Filter{}, Place{Process: 42, Known: 1}, 10); !errors.Is(err, ErrAnotherProcess) {
		t.Error(err)
	}
}
