package query

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// pair is two readers of one daemon: one keeps the tails of what it read, one asks
// the store each time.
type pair struct {
	*rig
	plain *Reader
	list  []*admit.Series
	hits  uint64 // of tails that were evicted
}

func newPair(t *testing.T, r *rig) *pair {
	p := &pair{rig: r}
	o := p.reader.opts
	o.Alone, o.Others = false, nil
	p.plain = NewReader(p.rig, p.store, p.catalog, p.head, own, o)
	return p
}

// partial is what one generation gathered of a series in a bucket.
func partial(s *admit.Series, bucket int64, v float64) block.Point {
	p := block.Point{Kind: block.Counter, Time: bucket, N: 1, Sum: v}
	switch s.Type {
	case protocol.Counter:
		if v < 0 {
			p.Neg = v
		}
	case protocol.Gauge:
		p = block.Point{Kind: block.Gauge, Time: bucket, N: 1, Sum: v, Min: v, Max: v, Last: v, LastAt: bucket + 3_000}
	case protocol.Set:
		set := histogram.NewSet()
		set.AddHash(math.Float64bits(v) * 0x9e3779b97f4a7c15)
		p = block.Point{Kind: block.Set, Time: bucket, N: 1, Sketch: set.AppendBinary(nil)}
	default:
		h := histogram.New(5)
		h.Add(v, 1)
		p = block.Point{Kind: block.Histogram, Time: bucket, N: 1, Count: 1, Sum: v, Min: v, Max: v, Sketch: h.AppendBinary(nil)}
	}
	return of(s, p)[0]
}

// steps are what happens to a daemon, and what it is asked in between.
func (p *pair) steps(name string) map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"take": func(rt *rapid.T) {
			late := rapid.SampledFrom([]int64{0, 0, 0, -60_000, 20_000, 600_000, 86_000_000}).Draw(rt, "late")
			s := rapid.SampledFrom(p.list).Draw(rt, "series")
			p.take(partial(s, (p.now-late)/10_000*10_000, float64(rapid.IntRange(-3, 50).Draw(rt, "value"))))
		},
		"seconds": func(rt *rapid.T) { p.now += rapid.Int64Range(0, 40_000).Draw(rt, "ms") },
		"minutes": func(rt *rapid.T) { p.now += rapid.Int64Range(1, 40).Draw(rt, "m") * 60_000 },
		"hours":   func(rt *rapid.T) { p.now += rapid.Int64Range(1, 30).Draw(rt, "h") * 3_600_000 },
		"flush": func(*rapid.T) {
			if len(p.waiting) > 0 {
				p.flush()
			}
		},
		"compact": func(*rapid.T) { p.flushAll(); p.compact() },
		"forget": func(rt *rapid.T) {
			p.head.DropBefore((p.now - rapid.Int64Range(0, 7_200_000).Draw(rt, "ago")) / 3_600_000)
		},
		"other": func(rt *rapid.T) { // late too, and of a bucket that this daemon has as well
			late := rapid.SampledFrom([]int64{0, 0, -10_000, 60_000, 600_000}).Draw(rt, "late")
			one := partial(rapid.SampledFrom(p.list).Draw(rt, "series"), (p.now-late)/10_000*10_000, float64(rapid.IntRange(-3, 50).Draw(rt, "value")))
			writer := rapid.SampledFrom([]string{"b", "z"}).Draw(rt, "writer")
			if one.Kind == block.Gauge {
				one.LastAt += int64(writer[0]) // no two daemons see one at once
			}
			p.other(writer, one)
		},
		"look": func(*rapid.T) { p.look() },
		"another compacts": func(rt *rapid.T) {
			p.flushAll()
			_, err := p.store.Compact(p.t.Context(), p.now/3_600_000)
			check(rt, err)
		},
		"evict": func(*rapid.T) { p.hits += p.reader.Tails().Hits; p.reader.tails = newTails(tailBudget) },
		"learn": func(rt *rapid.T) { p.learn(rt) },
		"moved": func(*rapid.T) { p.reader.Moved() },
		"":      func(rt *rapid.T) { p.compare(rt, name) },
	}
}

func (p *pair) learn(rt *rapid.T) {
	if err := p.reader.Learn(p.t.Context()); !errors.Is(err, ErrNotFollowed) {
		check(rt, err)
	}
}

// compare asks both readers all that is asked of them.
func (p *pair) compare(rt *rapid.T, name string) {
	p.lookAgain()
	ms := matchers(p.t, name)
	back := rapid.SampledFrom([]int64{0, 10_000, 300_000, 3_600_000, 100_000_000}).Draw(rt, "back")
	to := p.now - rapid.SampledFrom([]int64{0, 0, 0, 120_000, -30_000}).Draw(rt, "to")
	from := to - back
	type answers struct{ last, steps, points, samples any }
	ask := func(r *Reader) (a answers) {
		latest, err := r.Latest(p.t.Context(), ms)
		check(rt, err)
		a.last = lasts(latest)
		stepped, err := r.Steps(p.t.Context(), ms, Steps{from, to, 10_000})
		check(rt, err)
		a.steps, err = Aggregate(stepped, Aggregation{}, nil, Steps{from, to, 10_000}, 1_000_000)
		check(rt, err)
		exact, err := r.Points(p.t.Context(), ms, from, to)
		check(rt, err)
		a.points = pointsOf(exact)
		held, err := r.Find(p.t.Context(), ms)
		check(rt, err)
		check(rt, r.Fill(p.t.Context(), held, from, to))
		a.samples = samplesOf(held, from, to, p.now)
		return a
	}
	got, want := ask(p.reader), ask(p.plain)
	if !reflect.DeepEqual(got, want) {
		rt.Fatalf("at %d, from %d ms to %d ms before: with tails\n%+v\nfrom the store\n%+v", p.now, p.now-from, p.now-to, got, want)
	}
}

func check(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatal(err)
	}
}

func lasts(list []Series) (out []string) {
	for i := range list {
		v, at, ok := list[i].Last()
		out = append(out, fmt.Sprint(list[i].Key, v, at, ok))
	}
	return out
}

func pointsOf(list []Series) (out [][]block.Point) {
	for i := range list {
		var one []block.Point
		for _, p := range list[i].Points {
			p.Series = 0 // an index in the window, an id in blocks, nothing in chunks
			one = append(one, p)
		}
		out = append(out, one)
	}
	return out
}

// samplesOf is what PromQL sees in [from, to].
func samplesOf(list []Series, from, to, now int64) (out []string) {
	for i := range list {
		for _, decrements := range []bool{false, true} {
			line := timeline{step: 10_000, idle: 300_000, now: now, asked: to}
			for _, s := range list[i].samples(decrements, line) {
				if s.Time >= from && s.Time <= to {
					hist := ""
					if s.Hist != nil {
						hist = string(s.Hist.AppendBinary(nil))
					}
					out = append(out, fmt.Sprintf("%v %d=%v %q", list[i].Key, s.Time, s.Value, hist))
				}
			}
		}
	}
	return out
}

// TestTailsAgree: whatever comes, late or ahead of its time, is flushed, compacted
// or forgotten, a reader that keeps tails answers as one that asks the store.
func TestTailsAgree(t *testing.T) {
	t.Run("one daemon alone", func(t *testing.T) { tailsAgree(t, newRig(t, Options{Alone: true}), "25") })
	t.Run("daemons followed", func(t *testing.T) {
		databases(t, func(t *testing.T, url string) { tailsAgree(t, newFollowed(t, url), "12") })
	})
}

func tailsAgree(t *testing.T, r *rig, runs string) {
	checks(t, runs)
	p := newPair(t, r)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		name := fmt.Sprintf("run%d", run)
		p.list = nil
		if rapid.Bool().Draw(rt, "own") { // the name is none that the store has
			p.lookAgain()
			p.learn(rt)
		} else {
			p.reader.Moved()
		}
		for _, typ := range []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer, protocol.Set} {
			p.list = append(p.list, p.series(rapid.Bool().Draw(rt, "known"), name, typ))
		}
		steps := p.steps(name)
		if r.reader.opts.Alone {
			delete(steps, "other")
		}
		rt.Repeat(steps)
		p.flushAll()
		p.now += 7_200_000
		p.compact()
	})
	if hits := p.hits + p.reader.Tails().Hits; hits < 100 {
		t.Errorf("tails were used %d times", hits)
	}
}

// TestTailAhead: a window that is older than a tail reads the store, for the tail
// holds what that window still has.
func TestTailAhead(t *testing.T) {
	r := newRig(t, Options{Alone: true})
	s := r.series(true, "x", protocol.Counter)
	r.take(of(s, counted(0, 1, 0))...)
	r.flush()
	r.now = sec(30)
	total := func() float64 {
		list, err := r.reader.Latest(t.Context(), matchers(t, "x"))
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		v, _, _ := list[0].Last()
		return v
	}
	if got := total(); got != 1 {
		t.Fatalf("it is %v, want 1", got)
	}
	r.take(of(s, counted(10, 10, 0))...)
	inner := 0.0
	r.between = func() { // the window of the outer read is taken: what follows is later
		r.between = nil
		r.flush()
		inner = total()
	}
	if outer := total(); outer != 11 || inner != 11 {
		t.Errorf("a read is %v, one that overtook it %v, want 11 both", outer, inner)
	}
}

// TestTailsAreVoid: a store that went back and was given its flushes again is read
// anew.
func TestTailsAreVoid(t *testing.T) {
	r := newRig(t, Options{Alone: true})
	s := r.series(true, "x", protocol.Counter)
	r.take(of(s, counted(0, 1, 0))...)
	r.flush()
	if _, err := r.reader.Latest(t.Context(), matchers(t, "x")); err != nil {
		t.Fatal(err)
	}
	held := r.reader.tails.get(s.ID())
	r.head.Add(storage.Flush{Writer: own, Seq: 1})
	for range 2 { // read anew, and kept
		before := r.reader.Tails()
		if _, err := r.reader.Latest(t.Context(), matchers(t, "x")); err != nil {
			t.Fatal(err)
		}
		if now := r.reader.tails.get(s.ID()); now == held || now.again != 1 {
			t.Errorf("the tail from before is still held: %+v, %+v", now, before)
		}
	}
	if s := r.reader.Tails(); s.Misses != 2 || s.Hits != 1 {
		t.Errorf("%+v, want two reads of the store and one without", s)
	}
}

// TestTailsBound: tails keep to their budget, and the one asked for last stays.
func TestTailsBound(t *testing.T) {
	s := newTails(10 * (tailOverhead + pointBytes))
	for id := range int64(100) {
		s.put(id, &tail{chunks: make([]block.Point, 1)})
		s.get(0)
	}
	if n := s.now(); n.Series != 10 || n.Bytes > s.budget || n.Evicted != 90 {
		t.Errorf("%+v", n)
	}
	if s.get(0) == nil || s.get(99) == nil || s.get(1) != nil {
		t.Error("it kept others than those asked for last")
	}
	s.put(7, &tail{chunks: make([]block.Point, 1000)})
	if n := s.now(); n.Bytes > s.budget || s.get(7) != nil {
		t.Errorf("one beyond the budget stays: %+v", n)
	}
}

// TestHeadSince: the head tells what followed a flush, or that it cannot.
func TestHeadSince(t *testing.T) {
	h := NewHead(1000)
	since := func(behind, upTo uint64) string {
		blocks, ok := h.Since("w", 0, behind, upTo)
		return fmt.Sprintf("%s %v", blocks, ok)
	}
	expect := func(what string, behind, upTo uint64, want string) {
		t.Helper()
		if got := since(behind, upTo); got != want {
			t.Errorf("%s: behind %d up to %d: %s, want %s", what, behind, upTo, got, want)
		}
	}
	expect("empty", 0, 9, "[] true")
	for seq := uint64(3); seq < 7; seq++ {
		h.Add(flushed(int64(seq), seq, fmt.Sprint("f", seq)))
	}
	expect("all", 2, 9, "[f3 f4 f5 f6] true")
	expect("some", 3, 5, "[f4 f5] true")
	expect("none", 6, 6, "[] true")
	if b, ok := h.Since("w", 5, 2, 9); len(b) != 0 || !ok {
		t.Errorf("a shard without blocks: %s, %v", b, ok)
	}
	h.DropBefore(5)
	expect("half of it went", 3, 6, "[] false")
	expect("what is left", 4, 6, "[f5 f6] true")
	h.SetBudget(2)
	expect("a smaller budget", 4, 6, "[] false")
	expect("the last one", 5, 6, "[f6] true")
	h.Add(flushed(6, 6, "f6"))
	if h.Again() != 1 {
		t.Errorf("a flush that came again was counted %d times", h.Again())
	}
	expect("behind it", 6, 9, "[] true")
	expect("before it", 5, 9, "[] false")
}

// TestFoundAnew: what is remembered of a look-up grows with the catalog, and is void
// once series are deleted or come again.
func TestFoundAnew(t *testing.T) {
	r := newRig(t, Options{Alone: true})
	expect := func(what, want string) {
		t.Helper()
		for _, reader := range []*Reader{r.reader, r.reader} { // asked, and remembered
			list, err := reader.Find(t.Context(), matchers(t, `x{env="prod"}`))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, s := range list {
				got += fmt.Sprintf("%s:%v:%v ", s.Key.Tags[1].Value, s.ID != 0, s.local != nil)
			}
			if got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
	}
	tags := func(i string) []string { return []string{"env", "prod", "i", i} }
	expect("nothing", "")
	a := r.series(true, "x", protocol.Counter, tags("a")...)
	expect("one", "a:true:true ")
	b := r.series(false, "x", protocol.Counter, tags("b")...)
	r.series(false, "x", protocol.Counter, "env", "test", "i", "z")
	expect("one that is not stored", "a:true:true b:false:true ")
	r.resolve(b)
	expect("stored now", "a:true:true b:true:true ")
	if _, err := r.store.DeleteSeries(t.Context(), []int64{a.ID()}, r.now); err != nil {
		t.Fatal(err)
	}
	r.catalog.Delete([]*admit.Series{a})
	expect("one deleted", "b:true:true ")
	r.resolve(a) // what was on its way is named anew, and nobody saw it return
	expect("and named anew", "b:true:true a:true:true ")
	if _, err := r.store.DeleteSeries(t.Context(), []int64{a.ID()}, r.now); err != nil {
		t.Fatal(err)
	}
	r.catalog.Delete([]*admit.Series{a})
	expect("deleted again", "b:true:true ")
	r.catalog.Return(a)
	expect("returned", "b:true:true a:false:true ")
	k := series.Key{Name: "x", Type: protocol.Counter, Tags: []series.Tag{{Key: "env", Value: "prod"}, {Key: "i", Value: "c"}}}
	stranger, err := r.store.Resolve(t.Context(), [][]byte{k.Append(nil)}) // as from before the start
	if err != nil {
		t.Fatal(err)
	}
	r.reader.Forget()
	expect("one that only the store knows", "b:true:true c:true:false a:false:true ")
	if _, err := r.store.DeleteSeries(t.Context(), stranger, r.now); err != nil {
		t.Fatal(err)
	}
	r.reader.Forget()
	expect("deleted, and nobody here knew it", "b:true:true a:false:true ")
}

// TestFoundFromBefore: a series that only the store knew is one series when this
// process meets it.
func TestFoundFromBefore(t *testing.T) {
	r := newRig(t, Options{Alone: true})
	old := r.series(true, "x", protocol.Counter, "i", "old")
	r.catalog = admit.NewCatalog(1 << 20) // a start
	r.reader = NewReader(r, r.store, r.catalog, r.head, own, r.reader.opts)
	for _, step := range []string{"known to the store", "met"} {
		list, err := r.reader.Find(t.Context(), matchers(t, "x"))
		if err != nil || len(list) != 1 || list[0].ID != old.ID() || (list[0].local != nil) != (step == "met") {
			t.Errorf("%s: %+v, %v", step, list, err)
		}
		r.series(false, "x", protocol.Counter, "i", "old")
	}
}
