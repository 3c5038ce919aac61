package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const start = int64(1_764_000_000_000)

// bench is a window over lanes that answer what they are told to.
type bench struct {
	t       *testing.T
	catalog *admit.Catalog
	window  *Window
	now     int64

	mu     sync.Mutex
	told   map[*admit.Series]lane.Running
	asked  []*admit.Series
	forgot bool
	held   int
	away   error
	behind bool
}

func newBench(t *testing.T, bytes int64) *bench {
	b := &bench{t: t, catalog: admit.NewCatalog(1 << 20), now: start, told: map[*admit.Series]lane.Running{}}
	b.window = New(Options{Lanes: b, Own: b.catalog.Own, Resolution: 10_000, Bytes: bytes, Now: func() time.Time { return time.UnixMilli(b.now) }})
	return b
}

// Progress is what lane.Set answers with.
func (b *bench) Progress(_ context.Context, list []*admit.Series, _ int64) (lane.Progress, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.forgot = list, len(list) == 0
	p := lane.Progress{Settled: !b.behind, Held: b.held}
	for _, s := range list {
		r := b.told[s]
		r.Known = true
		p.List = append(p.List, r)
	}
	return p, b.away
}

func (b *bench) series(typ protocol.Type, name string) *admit.Series {
	b.t.Helper()
	s, err := b.catalog.Intern(series.Key{Name: name, Type: typ}.Append(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) many(n int) (list []Busy) {
	for i := range n {
		list = append(list, Busy{b.series(protocol.Counter, fmt.Sprintf("c%d", i)), uint64(n - i)})
	}
	return list
}

// second turns the clock on by one and makes the pass.
func (b *bench) second() {
	b.now += 1000
	b.window.Pass(b.t.Context(), b.now)
}

func (b *bench) come(s *admit.Series, v float64) {
	b.told[s] = lane.Running{Any: true, Value: v}
}

// drawn renders a series' rows: bucket, then a value a second.
func (b *bench) drawn(s *admit.Series) string {
	var out []string
	for _, r := range b.window.Rows(s, 0, 1<<60) {
		text := fmt.Sprintf("%d:", (r.Bucket-start)/1000)
		for i := range r.Values {
			switch v, neg, state := r.At(i); {
			case state == Unknown:
				text += "?"
			case state == Quiet:
				text += "-"
			default:
				text += fmt.Sprintf("%g", v)
				if neg != 0 {
					text += fmt.Sprintf("(%g)", neg)
				}
			}
			text += " "
		}
		for _, k := range r.Sketches {
			h, err := histogram.Decode(k.Data)
			if err != nil {
				b.t.Fatal(err)
			}
			text += fmt.Sprintf("h%d=%g ", k.Second, h.Count)
		}
		out = append(out, strings.TrimSpace(text))
	}
	return strings.Join(out, " | ")
}

// TestSeconds draws what is kept of a bucket in which series are looked at from
// its third second on, the lanes are away once and a bucket ends.
func TestSeconds(t *testing.T) {
	b := newBench(t, 1<<20)
	c, g, d := b.series(protocol.Counter, "c"), b.series(protocol.Gauge, "g"), b.series(protocol.Timer, "t")
	set := b.series(protocol.Set, "s")
	up := b.series(protocol.Counter, "nexus.up")
	b.come(up, 1)
	b.second()
	b.second()
	b.window.Watch([]*admit.Series{c, g, d, set})
	b.second()
	b.told[c] = lane.Running{Any: true, Value: 5, Neg: -2}
	h := histogram.New(5)
	h.Add(1, 1)
	h.Add(2, 1)
	b.told[d] = lane.Running{Any: true, Hist: h}
	b.second()
	b.told[d] = lane.Running{Any: true}
	b.away = errors.New("busy")
	b.second()
	b.away, b.behind = nil, true
	b.second()
	b.behind = false
	b.come(g, 0)
	for range 4 {
		b.second()
	}
	clear(b.told)
	b.second()
	for s, want := range map[*admit.Series]string{
		up: "0:1 1 1 1 ? ? 1 1 1 | 10:- ? ? ? ? ? ? ? ?",
		c:  "0:? ? - 5(-2) ? ? 5(-2) 5(-2) 5(-2) | 10:- ? ? ? ? ? ? ? ?",
		g:  "0:? ? - - ? ? 0 0 0 | 10:- ? ? ? ? ? ? ? ?",
		d:  "0:h3=2", set: "",
	} {
		if got := b.drawn(s); got != want {
			t.Errorf("%s:\n%s, want\n%s", s.Key, got, want)
		}
	}
	if s := b.window.Stats(); s.Missed != 2 || s.Series != 4 || s.Watched != 4 {
		t.Errorf("%+v", s)
	}
	if rows := b.window.Rows(c, start+10_000, start+10_500); len(rows) != 1 {
		t.Errorf("half a second touches %d buckets", len(rows))
	}
}

// TestWatchEnds: a series is followed for five minutes after somebody looked, and
// its seconds stay until they are too old.
func TestWatchEnds(t *testing.T) {
	b := newBench(t, 1<<20)
	c := b.series(protocol.Counter, "c")
	b.come(c, 1)
	b.window.Watch([]*admit.Series{c})
	for range 320 {
		b.second()
	}
	if len(b.asked) != 0 {
		t.Errorf("%d series are followed", len(b.asked))
	}
	rows := len(b.window.Rows(c, 0, 1<<60))
	if rows < 30 || rows > 32 {
		t.Errorf("five minutes are %d buckets", rows)
	}
	for range 900 {
		b.second()
	}
	if s := b.window.Stats(); len(b.window.Rows(c, 0, 1<<60)) != 0 || s.Points != 0 || s.Evicted[byAge] < 270 || s.Evicted[byBytes] != 0 {
		t.Errorf("after another 15 minutes: %+v", s)
	}
}

func TestWatchRefuses(t *testing.T) {
	b := newBench(t, 1<<30)
	var list []*admit.Series
	for _, x := range b.many(MaxWatched + 1) {
		list = append(list, x.Series)
	}
	b.window.Watch(list[:MaxWide+1])
	if s := b.window.Stats(); s.Watched != 0 || s.Refused != 1 {
		t.Errorf("a question about very many: %+v", s)
	}
	for i := 0; i < MaxWatched; i += MaxWide {
		b.window.Watch(list[i : i+MaxWide])
	}
	b.window.Watch(list[MaxWatched:])
	if s := b.window.Stats(); s.Watched != MaxWatched || s.Refused != 2 {
		t.Errorf("one too many: %+v", s)
	}
	b.now += watchFor
	b.window.Watch(list[MaxWatched:])
	if s := b.window.Stats(); s.Watched != 1 || s.Refused != 2 {
		t.Errorf("when the others are over: %+v", s)
	}
}

// TestBytes: what the window takes stays within its bytes, by following fewer
// series, by giving up distributions, and by giving up old buckets.
func TestBytes(t *testing.T) {
	const bytes = 400 << 10
	b := newBench(t, bytes)
	list := b.many(1000)
	b.window.Offer(list)
	var timers []*admit.Series
	for i := range 5 {
		timers = append(timers, b.series(protocol.Timer, fmt.Sprintf("t%d", i)))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, x := range list {
		b.come(x.Series, 1)
	}
	for i := range 1000 {
		if i%100 == 0 {
			b.window.Watch(timers)
		}
		for _, d := range timers { // no second is like another, else they pack to nothing
			h := histogram.New(5)
			for range 300 {
				h.Add(1000*r.Float64(), 1)
			}
			b.told[d] = lane.Running{Any: true, Hist: h}
		}
		b.second()
		if s := b.window.Stats(); s.Bytes > bytes {
			t.Fatalf("after %d s it takes %d bytes", i, s.Bytes)
		}
	}
	s := b.window.Stats()
	if room := b.window.room(); s.Series != room || room < 20 || room > 30 {
		t.Errorf("%d series are followed, there is room for %d", s.Series, room)
	}
	// Scalars have the whole time, distributions what is left.
	if n := len(b.window.Rows(list[0].Series, 0, 1<<60)); n < 90 {
		t.Errorf("the busiest has %d buckets", n)
	}
	if n := len(b.window.Rows(timers[0], 0, 1<<60)); n < 2 || n > 80 {
		t.Errorf("a distribution has %d buckets", n)
	}
	if s.Evicted[byBytes] == 0 {
		t.Errorf("%+v", s)
	}
	b.held = bytes // the lanes alone
	b.second()
	if n := len(b.window.Rows(timers[0], 0, 1<<60)); n != 0 {
		t.Errorf("a distribution has %d buckets still", n)
	}
}

// TestOff: without bytes nothing is kept or asked, and the lanes forget; with them
// it begins again.
func TestOff(t *testing.T) {
	b := newBench(t, 1<<20)
	c := b.series(protocol.Counter, "c")
	b.come(c, 1)
	b.window.Watch([]*admit.Series{c})
	b.second()
	b.window.SetBytes(0)
	b.second()
	if s := b.window.Stats(); s.Bytes != 0 || s.Points != 0 || s.Series != 0 || !b.forgot || len(b.window.Rows(c, 0, 1<<60)) != 0 {
		t.Errorf("%+v, the lanes were told: %v", s, b.forgot)
	}
	b.window.SetBytes(1 << 20)
	b.second()
	if got := b.drawn(c); got != "0:? ? 1 ? ? ? ? ? ?" {
		t.Errorf("on again: %s", got)
	}
	b.window.opts.Resolution = 1000
	if New(b.window.opts).on() {
		t.Error("buckets of one second have something within")
	}
}

// TestClockBack: seconds that come twice are not told twice.
func TestClockBack(t *testing.T) {
	b := newBench(t, 1<<20)
	b.series(protocol.Counter, "nexus.up")
	for range 12 {
		b.second()
	}
	before := b.window.Stats().Points
	b.now -= 9000
	b.second()
	if s := b.window.Stats(); s.Points != before {
		t.Errorf("%d points, %d before", s.Points, before)
	}
}

// TestRank: who is followed changes only where somebody else is much busier.
func TestRank(t *testing.T) {
	b := newBench(t, 1)
	s := map[string]*admit.Series{}
	busy := func(text string) (list []Busy) {
		for _, f := range strings.Fields(text) {
			var name string
			var n uint64
			if _, err := fmt.Sscanf(f, "%1s%d", &name, &n); err != nil {
				t.Fatal(err)
			}
			if s[name] == nil {
				s[name] = b.series(protocol.Counter, name)
			}
			list = append(list, Busy{s[name], n})
		}
		return list
	}
	for _, c := range []struct {
		now, fresh string
		bound      uint64
		want       string
	}{
		{"", "a9 b8 c7", 7, "a9 b8 c7"},
		{"a9 b8 c7", "d9 e9 f9", 9, "a9 b8 c7"}, // about as busy
		{"a9 b8 c7", "d15 e9 f9", 9, "a9 b8 d15"},
		{"a9 b8 c7", "d99 e98 f97", 97, "d99 e98 f97"},
		{"a90 b80", "c9", 0, "c9 a0 b0"}, // all that came are known: these were silent
		{"a90 b80 c70", "d1 e1", 0, "d1 e1 a0"},
	} {
		got := ""
		for _, x := range rank(busy(c.now), busy(c.fresh), c.bound, 3) {
			got += fmt.Sprintf(" %s%d", string(x.Series.Key[strings.IndexAny(x.Series.Key, "abcdef")]), x.Values)
		}
		if got = strings.TrimSpace(got); got != c.want {
			t.Errorf("%q and then %q: %s, want %s", c.now, c.fresh, got, c.want)
		}
	}
}

// TestStillGivesUpItsPlace: a busy series that falls silent frees its place after
// a minute.
func TestStillGivesUpItsPlace(t *testing.T) {
	b := newBench(t, 1<<30)
	list := b.many(2)
	b.come(list[0].Series, 1)
	b.window.Offer(list)
	for range 75 {
		b.second()
	}
	if len(b.asked) != 1 || b.asked[0] != list[0].Series {
		t.Errorf("%d are followed", len(b.asked))
	}
}

// TestTogether reads while passes are made: for the race detector.
func TestTogether(t *testing.T) {
	b := newBench(t, 1<<20)
	list := b.many(50)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				b.window.Rows(list[1].Series, 0, 1<<60)
				b.window.Stats()
			}
		})
	}
	for i := range 100 {
		b.window.Offer(append([]Busy(nil), list[i%40:]...))
		b.second()
	}
	close(stop)
	wg.Wait()
}

// BenchmarkPass is one pass over 10,000 series, without the lanes.
func BenchmarkPass(b *testing.B) {
	x := newBench(&testing.T{}, 256<<20)
	x.window.Offer(x.many(MaxBusiest))
	list := lane.Progress{Settled: true, List: make([]lane.Running, MaxBusiest)}
	for i := range list.List {
		list.List[i] = lane.Running{Known: true, Any: true, Value: float64(i)}
	}
	x.window.opts.Lanes = constant(list)
	for b.Loop() {
		x.now += 1000
		x.window.Pass(context.Background(), x.now)
	}
	b.ReportMetric(float64(x.window.Stats().Bytes), "held-bytes")
}

type constant lane.Progress

func (c constant) Progress(context.Context, []*admit.Series, int64) (lane.Progress, error) {
	return lane.Progress(c), nil
}
