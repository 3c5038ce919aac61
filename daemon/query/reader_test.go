package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

func matchers(t testing.TB, selector string) []series.Matcher {
	t.Helper()
	ms, err := ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// read returns the sums of a counter's points by second, and its base.
func (r *rig) read(selector string, from, to int64) (string, storage.Base) {
	r.t.Helper()
	list, err := r.shown(context.Background(), matchers(r.t, selector), from, to)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(list) != 1 {
		r.t.Fatalf("%s found %d series", selector, len(list))
	}
	out := ""
	for _, p := range list[0].Points {
		out += fmt.Sprintf("%g=%g ", float64(p.Time-at)/1000, p.Sum)
	}
	return out, list[0].Base
}

// TestOnceWhileFlushing moves points from the window to the store at every
// moment of a read: each is counted once.
func TestOnceWhileFlushing(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("known to the store: %v", stored), func(t *testing.T) {
			r := newRig(t, Options{})
			s := r.series(stored, "x", protocol.Counter)
			r.take(of(s, counted(0, 1, 0))...)
			r.take(of(s, counted(0, 10, 0), counted(10, 100, 0))...)
			r.take(of(s, counted(10, 1000, 0))...)
			const want = "0=11 10=1100 "
			expect := func(what string) {
				t.Helper()
				if got, _ := r.read("x", sec(0), sec(60)); got != want {
					t.Errorf("%s: %s, want %s", what, got, want)
				}
			}
			expect("all in the window")
			r.between = r.flush
			expect("the first flushed between the reads")
			r.between = nil
			expect("and after them")
			r.between = func() { r.flush(); r.flush() }
			expect("two flushed between the reads")
			r.between = nil
			expect("all in the store")
			r.head.SetBudget(0)
			expect("and none in the head")
			r.now += 3_600_000
			r.compact()
			expect("and compacted")
		})
	}
}

// TestFlushBetweenFindAndWindow: a series gets its id, and its points move,
// after it was found.
func TestFlushBetweenFindAndWindow(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(false, "x", protocol.Counter)
	r.take(of(s, counted(0, 7, 0))...)
	list, err := r.reader.Find(t.Context(), matchers(t, "x"))
	if err != nil || len(list) != 1 || list[0].ID != 0 {
		t.Fatalf("found %+v, %v", list, err)
	}
	r.flush()
	if err := r.reader.Fill(t.Context(), list, sec(0), sec(60)); err != nil {
		t.Fatal(err)
	}
	if list[0].ID != s.ID() || len(list[0].Points) != 1 || list[0].Points[0].Sum != 7 {
		t.Errorf("read %+v", list[0])
	}
}

// TestMergeOfWriters: partials of one bucket from several daemons, in blocks,
// chunks and the window, add up; a gauge's last value is the latest sample's.
func TestMergeOfWriters(t *testing.T) {
	r := newRig(t, Options{})
	c, g := r.series(true, "c", protocol.Counter), r.series(true, "g", protocol.Gauge)
	gauge := func(v float64, seen int64) block.Point {
		p := measured(0, v)
		p.LastAt = seen
		return p
	}
	r.other("b", append(of(c, counted(0, 1, -1)), of(g, gauge(1, sec(1)))...)...)
	r.other("a", append(of(c, counted(0, 2, 0)), of(g, gauge(9, sec(9)))...)...)
	r.now += 3_600_000
	r.compact()
	r.other("a", append(of(c, counted(0, 4, -2)), of(g, gauge(4, sec(4)))...)...)
	r.take(append(of(c, counted(0, 8, 0)), of(g, gauge(8, sec(8)))...)...)
	r.flush()
	r.take(append(of(c, counted(0, 16, 0)), of(g, gauge(2, sec(2)))...)...)
	if got, _ := r.read("c", sec(0), sec(10)); got != "0=31 " {
		t.Errorf("the counter's points: %s", got)
	}
	list, err := r.shown(t.Context(), matchers(t, "g"), sec(0), sec(10))
	if err != nil || len(list) != 1 || len(list[0].Points) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if p := list[0].Points[0]; p.Last != 9 || p.LastAt != sec(9) || p.Sum != 24 || p.Min != 1 || p.Max != 9 || p.N != 5 {
		t.Errorf("the gauge's point: %+v", p)
	}
}

// TestRawStayApart: raw samples are not merged, and of several at one time the
// first counts.
func TestRawStayApart(t *testing.T) {
	got := reduce([]block.Point{raw(1, 5), raw(0, 1), raw(1, 6)}, block.Merge)
	if len(got) != 2 || got[0].Last != 1 || got[1].Last != 5 {
		t.Errorf("%+v", got)
	}
}

// TestBaseOfADay: what lies before the day of the range is base, compacted or
// not, and late data of an earlier day joins it.
func TestBaseOfADay(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(true, "x", protocol.Counter)
	midnight := startOfDay(at + dayMillis)
	r.take(of(s, counted(0, 1, -1))...)
	r.flush()
	r.now = midnight + 60_000
	r.take(of(s, block.Point{Kind: block.Counter, Time: midnight + 400_000, N: 1, Sum: 100})...)
	r.take(of(s, counted(10, 2, 0))...) // late
	check := func(what string) {
		t.Helper()
		list, err := r.shown(t.Context(), matchers(t, "x"), midnight+300_000, midnight+500_000)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if b := list[0].Base; b.Sum != 3 || b.Neg != -1 || len(list[0].Points) != 1 || list[0].Points[0].Sum != 100 {
			t.Errorf("%s: base %+v, points %+v", what, b, list[0].Points)
		}
		// A minute earlier the values of the day before still hold.
		list, err = r.shown(t.Context(), matchers(t, "x"), midnight+299_999, midnight+500_000)
		if err != nil || list[0].Base.Sum != 0 || len(list[0].Points) != 3 {
			t.Errorf("%s, a moment earlier: %+v, %v", what, list[0], err)
		}
	}
	check("in the window")
	r.flush()
	check("half of it stored")
	r.flush()
	check("stored")
	r.now += 2 * 3_600_000
	r.compact()
	check("compacted")
	if startOfDay(-1) != -dayMillis || startOfDay(0) != 0 || startOfDay(dayMillis-1) != 0 {
		t.Error("a day does not begin at midnight")
	}
}

// TestLongRange: a range of two thousand years costs what is stored in it.
func TestLongRange(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(true, "x", protocol.Counter)
	for range 240 {
		r.take(of(s, block.Point{Kind: block.Counter, Time: r.now, N: 1, Sum: 1})...)
		r.flush()
		r.now += 3_600_000
	}
	r.compact()
	began := time.Now()
	list, err := r.shown(t.Context(), matchers(t, "x"), -62_135_596_800_000, r.now)
	if err != nil || len(list) != 1 || len(list[0].Points) != 240 {
		t.Fatal(list, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("reading 240 points took %v", took)
	}
}

// TestPoints reads a range and nothing besides.
func TestPoints(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(true, "x", protocol.Counter)
	r.take(of(s, counted(0, 1, 0), counted(10, 2, 0), counted(20, 4, 0), counted(30, 8, 0))...)
	list, err := r.reader.Points(t.Context(), matchers(t, "x"), sec(10), sec(20))
	if err != nil || len(list) != 1 || len(list[0].Points) != 2 || list[0].Points[0].Sum != 2 || list[0].Points[1].Sum != 4 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := r.reader.Points(t.Context(), matchers(t, "y"), sec(10), sec(20)); err != nil || len(list) != 0 {
		t.Errorf("of a series that is not there: %+v, %v", list, err)
	}
}

func TestFind(t *testing.T) {
	r := newRig(t, Options{MaxSeries: 3})
	for _, env := range []string{"prod", "dev"} {
		r.series(true, "shop.orders", protocol.Counter, "env", env)
	}
	r.series(false, "shop.orders", protocol.Gauge, "env", "prod")
	r.series(false, "other", protocol.Gauge)
	for selector, want := range map[string]int{
		"shop.orders": 3, `shop.orders{env="prod"}`: 2, `shop.orders{env!="prod"}`: 1, `{__name__=~"shop.*", env=~"d.*"}`: 1,
		"other": 1, `{__name__=~"oth.+"}`: 1, `{__name__!="", __name__!~"shop.*"}`: 1, `other{env=""}`: 1, "nothing": 0,
	} {
		list, err := r.reader.Find(t.Context(), matchers(t, selector))
		if err != nil || len(list) != want {
			t.Errorf("%s finds %d series, %v, want %d", selector, len(list), err, want)
		}
	}
	if _, err := r.reader.Find(t.Context(), matchers(t, `{__name__=~".+"}`)); !errors.Is(err, ErrTooMany) {
		t.Errorf("four of at most three: %v", err)
	}
	if _, err := r.shown(t.Context(), matchers(t, `{__name__=~".+"}`), sec(0), sec(1)); !errors.Is(err, ErrTooMany) {
		t.Errorf("to read four of at most three: %v", err)
	}
	r.series(true, "other", protocol.Timer)
	r.series(true, "other", protocol.Set)
	r.series(true, "other", protocol.Histogram)
	if _, err := r.reader.Find(t.Context(), matchers(t, "other")); !errors.Is(err, ErrTooMany) {
		t.Errorf("three stored and one local of at most three: %v", err)
	}
}

// away is a source that is not there.
type away struct{ Store }

func (away) FindSeries(context.Context, []series.Matcher, int64, int) ([]storage.Series, error) {
	return nil, storage.ErrUnavailable
}

func (away) Lookup(context.Context, [][]byte) ([]int64, error) { return nil, storage.ErrUnavailable }

func (away) Read(context.Context, storage.ReadRequest) (storage.Selection, error) {
	return storage.Selection{}, storage.ErrUnavailable
}

func (away) Names(context.Context) ([]storage.Name, error) { return nil, storage.ErrUnavailable }

// closed is a set of lanes that has ended.
type closed struct{}

func (closed) Window(context.Context, []*admit.Series, aggregate.Detail) (lane.Window, error) {
	return lane.Window{}, lane.ErrClosed
}

// TestFailures: what failed below can be told by the error above.
func TestFailures(t *testing.T) {
	r := newRig(t, Options{})
	r.series(true, "x", protocol.Gauge)
	r.reader.store = away{}
	if _, err := r.shown(t.Context(), matchers(t, "x"), 0, 1); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a select: %v", err)
	}
	if _, _, err := r.reader.Page(t.Context(), Filter{}, Place{}, 10); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a page: %v", err)
	}
	if _, _, err := r.engine.Instant(t.Context(), "x", r.reader.opts.Now()); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a query: %v", err)
	}
	r.reader.store, r.reader.window = r.store, closed{}
	if _, err := r.shown(t.Context(), matchers(t, "x"), 0, 1); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("lanes that have ended: %v", err)
	}
}

// TestDamageIsNamed: a block that cannot be read is an error, never a smaller
// answer.
func TestDamageIsNamed(t *testing.T) {
	r := newRig(t, Options{})
	s := r.series(true, "x", protocol.Counter)
	r.take(of(s, counted(0, 1, 0))...)
	r.flush()
	for k, b := range r.head.data {
		b = slices.Clone(b)
		b[len(b)-1] ^= 1
		r.head.data[k] = b
	}
	if _, err := r.shown(t.Context(), matchers(t, "x"), sec(0), sec(10)); !errors.Is(err, block.ErrMalformed) {
		t.Errorf("a damaged block: %v", err)
	}
}

// TestManySeriesOfABlock reads more series than are picked one by one.
func TestManySeriesOfABlock(t *testing.T) {
	r := newRig(t, Options{})
	var points []block.Point
	for i := range 40 {
		points = append(points, of(r.series(true, "many", protocol.Counter, "i", fmt.Sprint(i)), counted(0, float64(i), 0))...)
	}
	r.take(points...)
	r.flush()
	list, err := r.shown(t.Context(), matchers(t, "many"), sec(0), sec(10))
	if err != nil || len(list) != 40 {
		t.Fatalf("%d series, %v", len(list), err)
	}
	for _, s := range list {
		if i, _ := s.Key.Tag("i"); len(s.Points) != 1 || fmt.Sprint(s.Points[0].Sum) != i {
			t.Errorf("series %s has %+v", i, s.Points)
		}
	}
}

// TestPage walks stored series in pages of every size.
func TestPage(t *testing.T) {
	r := newRig(t, Options{})
	for i := range 25 {
		s := r.series(true, "p", protocol.Counter, "i", fmt.Sprintf("%02d", i))
		r.take(of(s, counted(0, float64(i), 0))...)
	}
	for len(r.waiting) > 5 {
		r.flush()
	}
	r.series(false, "p", protocol.Counter, "i", "new")
	for _, limit := range []int{1, 2, 7, 24, 25, 26, 100} {
		seen := map[string]float64{}
		for after, pages := (Place{}), 0; ; pages++ {
			list, next, err := r.reader.Page(t.Context(), Filter{Matchers: matchers(t, "p")}, after, limit)
			if err != nil || pages > 30 {
				t.Fatal(err, pages)
			}
			for i := range list {
				v, _, _ := list[i].Last()
				tag, _ := list[i].Key.Tag("i")
				if _, twice := seen[tag]; twice {
					t.Errorf("pages of %d: series %s comes twice", limit, tag)
				}
				seen[tag] = v
			}
			if next == nil {
				break
			}
			after = *next
		}
		if len(seen) != 26 || seen["07"] != 7 || seen["24"] != 24 {
			t.Errorf("pages of %d: %d series, %v", limit, len(seen), seen)
		}
	}
}

// TestPageAfterRestart: a process that starts anew meets series that the store
// has, and does not know it yet.
func TestPageAfterRestart(t *testing.T) {
	r := newRig(t, Options{})
	for i := range 10 {
		s := r.series(true, "p", protocol.Counter, "i", fmt.Sprint(i))
		r.take(of(s, counted(0, 1, 0))...)
	}
	r.flushAll()
	r.catalog = admit.NewCatalog(1000)
	r.reader.catalog = r.catalog
	r.now = sec(20)
	for i := range 11 { // the last is new
		s := r.series(false, "p", protocol.Counter, "i", fmt.Sprint(i))
		r.take(of(s, counted(10, 1, 0))...)
	}
	for _, limit := range []int{1, 3, 10, 11, 50} {
		seen := map[string]float64{}
		for after := (Place{}); ; {
			list, next, err := r.reader.Page(t.Context(), Filter{Matchers: matchers(t, "p")}, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for i := range list {
				v, _, _ := list[i].Last()
				tag, _ := list[i].Key.Tag("i")
				seen[tag] += v
			}
			if next == nil {
				break
			}
			after = *next
		}
		if len(seen) != 11 || seen["0"] != 2 || seen["9"] != 2 || seen["10"] != 1 {
			t.Errorf("pages of %d: %v", limit, seen)
		}
	}
	r.reader.opts.MaxSeries = 5
	if _, _, err := r.reader.Page(t.Context(), Filter{Matchers: matchers(t, "p")}, Place{}, 50); err != nil {
		t.Errorf("a page of more series than a query may touch: %v", err)
	}
}

// TestLocal reads this process's series in the order given.
func TestLocal(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.series(true, "a", protocol.Counter), r.series(false, "b", protocol.Counter)
	r.take(append(of(a, counted(0, 1, 0)), of(b, counted(0, 2, 0))...)...)
	list, err := r.reader.Local(t.Context(), []*admit.Series{b, a}, sec(0), sec(10))
	if err != nil || len(list) != 2 || list[0].Key.Name != "b" || list[0].Points[0].Sum != 2 || list[1].Points[0].Sum != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := r.reader.Local(t.Context(), nil, sec(0), sec(10)); err != nil || len(list) != 0 {
		t.Errorf("of none: %+v, %v", list, err)
	}
}
