package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const start = int64(1_764_000_000) // Unix seconds, the beginning of a bucket

// rig is a hub over series whose points the test sets.
type rig struct {
	t   *testing.T
	hub *Hub

	mu      sync.Mutex
	now     int64 // Unix milliseconds
	series  []query.Series
	points  map[string][]block.Point
	held    int64
	away    error
	recents int // questions of one second
	fills   int
	ledger  ledger.Statement
	reasons []api.Reason
}

func newRig(t *testing.T, clients int) *rig {
	r := &rig{t: t, now: start * 1000, points: map[string][]block.Point{}}
	r.hub = New(Options{
		Source: r, Resolution: 10_000, Clients: clients, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return time.UnixMilli(r.now) },
		Ledger: func(context.Context) (ledger.Statement, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.ledger, r.away
		},
		Ready: func(context.Context) []api.Reason { return r.reasons },
	})
	return r
}

func (r *rig) add(name string, typ protocol.Type, tags ...string) {
	k := series.Key{Name: name, Type: typ}
	for i := 0; i < len(tags); i += 2 {
		k.Tags = append(k.Tags, series.Tag{Key: tags[i], Value: tags[i+1]})
	}
	r.series = append(r.series, query.Series{Key: k})
}

// count and set let something come in the second that begins now.
func (r *rig) count(name string, n float64) {
	r.points[name] = append(r.points[name], block.Point{Kind: block.Counter, Time: r.now / 1000 * 1000, N: 1, Sum: n})
}

func (r *rig) set(name string, v float64) {
	at := r.now / 1000 * 1000
	r.points[name] = append(r.points[name], block.Point{Kind: block.Gauge, Time: at, N: 1, Sum: v, Min: v, Max: v, Last: v, LastAt: at})
}

// turn moves on by n seconds and lets the hub look.
func (r *rig) turn(n int64) {
	r.t.Helper()
	r.mu.Lock()
	r.now += n * 1000
	r.mu.Unlock()
	r.hub.Tick(r.t.Context())
}

func (r *rig) Find(_ context.Context, ms []series.Matcher) (list []query.Series, err error) {
	for _, s := range r.series {
		if series.MatchAll(ms, s.Key) {
			list = append(list, s)
		}
	}
	return list, r.away
}

func (r *rig) Fill(ctx context.Context, list []query.Series, _, to int64) error {
	r.fills++
	return r.read(list, 0, to)
}

func (r *rig) Recent(ctx context.Context, list []query.Series, from, to int64) error {
	r.recents++
	return r.read(list, from, to)
}

func (r *rig) Replay(ctx context.Context, list []query.Series, from, to int64) error {
	for i := range list {
		list[i].Held = max(from, r.held)
	}
	return r.read(list, 0, to)
}

func (r *rig) read(list []query.Series, from, to int64) error {
	for i := range list {
		list[i].Points = nil
		for _, p := range r.points[list[i].Key.Name] {
			if p.Time >= from && p.Time <= to {
				list[i].Points = append(list[i].Points, p)
			}
		}
	}
	return r.away
}

func named(name string) Question {
	m, _ := series.NewMatcher(series.NameTag, series.Regexp, name)
	return Question{{m}}
}

func (r *rig) join(q Question, lastID string) *Client {
	r.t.Helper()
	c, err := r.hub.Join(r.t.Context(), Ask{Kinds: []Kind{Sample}, Question: q, LastID: lastID})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// said renders events as id, kind and what matters of the data.
func said(events [][]byte) (out []string) {
	for _, e := range events {
		var id, kind, data string
		for line := range strings.SplitSeq(string(e), "\n") {
			switch key, value, _ := strings.Cut(line, ": "); key {
			case "id":
				id = value[len(value)-3:]
			case "event":
				kind = value
			case "data":
				data = value
			}
		}
		var s struct {
			api.StreamSample
			From, To int64
			Reason   string
		}
		if err := json.Unmarshal([]byte(data), &s); err != nil {
			out = append(out, "NO JSON "+data)
			continue
		}
		text := id + " " + kind
		if s.Whole {
			text += " whole"
		}
		for _, m := range s.Series {
			last := "none"
			if m.Last != nil {
				last = fmt.Sprint(*m.Last)
			}
			text += " " + m.Name + "=" + last
		}
		if s.Reason != "" {
			text += " " + s.Reason
		}
		if s.To != 0 {
			text += fmt.Sprintf(" %d-%d", max(s.From-start, -1), s.To-start)
		}
		out = append(out, strings.TrimSpace(text))
	}
	return out
}

func (r *rig) expect(what string, got [][]byte, want ...string) {
	r.t.Helper()
	if s := said(got); strings.Join(s, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("%s:\n got %q\nwant %q", what, s, want)
	}
}

func TestValuesBySecond(t *testing.T) {
	r := newRig(t, 10)
	r.add("c", protocol.Counter)
	r.add("g", protocol.Gauge)
	r.add("other", protocol.Gauge)
	r.count("c", 5)
	r.turn(1)
	c := r.join(named("c|g"), "")
	r.expect("at first", c.Begin(), "001 sample whole c=5 g=none")
	r.count("c", 2)
	r.set("other", 1)
	r.turn(1)
	r.expect("the first whole second", c.Next(), "002 sample whole c=7 g=none")
	r.turn(1)
	r.expect("a second in which nothing came", c.Next())
	r.set("g", 1.5)
	r.turn(1)
	r.expect("what changed alone", c.Next(), "004 sample g=1.5")
	r.set("g", 1.5)
	r.count("c", 0)
	r.turn(1)
	r.expect("what came and changed nothing", c.Next())
	r.count("c", 1)
	r.now += 1000
	r.set("g", 2)
	r.turn(1)
	r.expect("a second that was not looked at", c.Next(), "006 sample c=8", "007 sample g=2")
	for range 100 { // the total is carried over buckets that are read no more
		r.count("c", 1)
		r.turn(1)
	}
	if last := said(c.Next()); len(last) != 0 {
		t.Errorf("a client that did not read is told %q", last)
	}
	d := r.join(named("c|g"), "")
	r.expect("after many buckets", d.Begin(), "107 sample whole c=108 g=2")
	r.hub.Leave(c)
	r.hub.Leave(c)
	r.hub.Leave(d)
	if n := r.hub.Size(); n != (Size{}) {
		t.Errorf("left behind: %+v", n)
	}
}

// TestOneProducer: however many watch, each second is one question, and those with
// one question are sent the same bytes.
func TestOneProducer(t *testing.T) {
	r := newRig(t, 1000)
	r.add("c", protocol.Counter)
	r.add("d", protocol.Counter)
	var all []*Client
	for i := range 200 {
		q := named("c")
		if i%2 == 1 {
			q = named("c|d")
		}
		all = append(all, r.join(q, ""))
	}
	if r.fills != 2 {
		t.Errorf("%d readings for two questions over two series", r.fills)
	}
	r.count("c", 1)
	r.turn(1)
	if r.recents != 1 {
		t.Errorf("%d readings for one second", r.recents)
	}
	first := all[0].Next()[0]
	for i := 2; i < len(all); i += 2 {
		if e := all[i].Next(); len(e) != 1 || &e[0][0] != &first[0] {
			t.Fatalf("client %d has an event of its own: %q", i, said(e))
		}
	}
	if n := r.hub.Size(); n != (Size{200, 2, 2}) {
		t.Errorf("%+v", n)
	}
}

func TestWhoDoesNotRead(t *testing.T) {
	r := newRig(t, 10)
	r.add("c", protocol.Counter)
	idle, reads := r.join(named("c"), ""), r.join(named("c"), "")
	reads.Begin()
	for i := range maxQueued + 2 {
		r.count("c", 1)
		r.turn(1)
		if n := len(reads.Next()); n != 1 {
			t.Fatalf("second %d: the one who reads got %d events", i, n)
		}
	}
	select {
	case <-idle.Ended():
	default:
		t.Fatal("one who never reads is kept")
	}
	if e := idle.Next(); e != nil {
		t.Errorf("what waited is kept: %d events", len(e))
	}
	r.expect("farewell", [][]byte{idle.Farewell(start+1, r.hub.Second())}, fmt.Sprintf("gap slow 1-%d", maxQueued+2))
	if n := r.hub.Stats().Dropped.Load(); n != 1 {
		t.Errorf("%d counted", n)
	}
	select {
	case <-reads.Ended():
		t.Error("the one who reads was let go")
	default:
	}
}

func TestQueueIsBoundInBytes(t *testing.T) {
	c := newClient(nil)
	big := &frame{bytes: make([]byte, maxQueuedBytes+1)}
	if !c.put(big) {
		t.Error("one event alone may be longer")
	}
	if c.put(&frame{bytes: []byte("x")}) {
		t.Error("the queue has no bound in bytes")
	}
	if c.Next(); !c.put(big) {
		t.Error("an emptied queue takes nothing")
	}
}

func TestResume(t *testing.T) {
	for _, test := range []struct {
		name, id string
		held     int64
		want     []string
	}{
		{"all is known", fmt.Sprint(start + 3), 0, []string{"004 sample c=4", "005 sample c=5 g=9", "006 sample c=6"}},
		{"nothing was missed", fmt.Sprint(start + 6), 0, nil},
		{"known from later on", fmt.Sprint(start + 1), start + 4, []string{"gap window 1-4", "004 sample whole c=4 g=none", "005 sample c=5 g=9", "006 sample c=6"}},
		{"long ago", "12", start + 6, []string{"gap window -1-6", "006 sample whole c=6 g=9"}},
		{"of the future", fmt.Sprint(start + 900), 0, []string{"gap unknown_id -1-6", "006 sample whole c=6 g=9"}},
		{"no number", "abc", 0, []string{"gap unknown_id -1-6", "006 sample whole c=6 g=9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 10)
			r.add("c", protocol.Counter)
			r.add("g", protocol.Gauge)
			r.join(named(".*"), "")
			for i := range 6 {
				r.count("c", 1)
				if i == 4 {
					r.set("g", 9)
				}
				r.turn(1)
			}
			r.held = test.held * 1000
			c := r.join(named(".*"), test.id)
			r.expect("told again", c.Begin(), test.want...)
			r.count("c", 1)
			r.turn(1)
			r.expect("and on", c.Next(), "007 sample c=7")
		})
	}
}

// TestResumeIsBounded: many series are told again for fewer seconds.
func TestResumeIsBounded(t *testing.T) {
	r := newRig(t, 10)
	for i := range MaxSeries {
		r.add(fmt.Sprintf("g%03d", i), protocol.Gauge)
	}
	r.join(named("g.*"), "")
	for range 30 {
		for i := range MaxSeries {
			r.set(fmt.Sprintf("g%03d", i), float64(r.now))
		}
		r.turn(1)
	}
	c := r.join(named("g.*"), fmt.Sprint(start+1))
	events := c.Begin()
	if got := said(events[:1]); got[0] != "gap window 1-20" {
		t.Errorf("%q", got)
	}
	if len(events) != 1+1+maxReplayed/MaxSeries {
		t.Errorf("%d events", len(events))
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t, 2)
	for i := range MaxSeries + 1 {
		r.add("s", protocol.Gauge, "n", fmt.Sprint(i))
	}
	join := func(q Question) error {
		_, err := r.hub.Join(t.Context(), Ask{Kinds: []Kind{Sample}, Question: q})
		return err
	}
	if err := join(named("s")); !errors.Is(err, ErrTooMany) {
		t.Errorf("501 series: %v", err)
	}
	r.join(named("a"), "")
	b := r.join(named("b"), "")
	if err := join(named("b")); !errors.Is(err, ErrFull) {
		t.Errorf("a third client: %v", err)
	}
	r.hub.Leave(b)
	b = r.join(named("b"), "")
	r.hub.SetClients(1)
	if err := join(named("b")); !errors.Is(err, ErrFull) {
		t.Errorf("a third client of one: %v", err)
	}
	select {
	case <-b.Ended():
		t.Error("a lower limit ends those that are there")
	default:
	}
	s := r.hub.Stats()
	if s.Refused[RefusedFull].Load() != 2 || s.Refused[RefusedSeries].Load() != 1 {
		t.Error("refusals are not counted")
	}
}

func TestAllTogetherWatchNoMoreThan(t *testing.T) {
	r := newRig(t, 100)
	for i := range MaxWatched + 1 {
		r.add(fmt.Sprintf("s%02d", i/MaxSeries), protocol.Gauge, "n", fmt.Sprint(i))
	}
	for i := range MaxWatched / MaxSeries {
		r.join(named(fmt.Sprintf("s%02d", i)), "")
	}
	c, err := r.hub.Join(t.Context(), Ask{Kinds: []Kind{Sample}, Question: named("s20")})
	if !errors.Is(err, ErrWatched) || c != nil {
		t.Fatalf("%v", err)
	}
	r.join(named("s19"), "") // those that are watched already cost nothing
}

// TestNewSeries: what begins to match is told; where it is too much, the stream ends
// and says so.
func TestNewSeries(t *testing.T) {
	r := newRig(t, 10)
	r.add("a", protocol.Gauge)
	c := r.join(named(".*"), "")
	c.Begin()
	r.turn(1)
	c.Next()
	r.add("b", protocol.Counter)
	r.count("b", 3)
	r.turn(refreshAfter)
	c.Next()
	r.hub.Refresh(t.Context())
	r.turn(1)
	r.expect("a new series", c.Next(), "012 sample whole a=none b=3")
	r.series = r.series[1:]
	r.turn(refreshAfter)
	r.hub.Refresh(t.Context())
	if n := r.hub.Size(); n.Series != 1 {
		t.Errorf("a deleted series is watched on: %+v", n)
	}
	for i := range MaxSeries {
		r.add("many", protocol.Gauge, "n", fmt.Sprint(i))
	}
	r.turn(refreshAfter)
	r.hub.Refresh(t.Context())
	<-c.Ended()
	r.expect("too many", [][]byte{c.Farewell(0, 0)}, "end too_many_series")
}

// TestLateCountsReachTheTotal: what comes for buckets that are read no more is in
// the total after the next reading of the day.
func TestLateCountsReachTheTotal(t *testing.T) {
	r := newRig(t, 10)
	r.add("c", protocol.Counter)
	r.count("c", 1)
	c := r.join(named("c"), "")
	for range rebaseAfter + 10 {
		r.turn(1)
		c.Next()
	}
	r.points["c"][0].Sum = 101
	r.hub.Refresh(t.Context())
	r.count("c", 1)
	r.turn(1)
	if got := said(c.Next()); len(got) != 1 || !strings.HasSuffix(got[0], "c=102") {
		t.Errorf("%q", got)
	}
}

func TestStoreThatWasAway(t *testing.T) {
	r := newRig(t, 10)
	r.add("c", protocol.Counter)
	c := r.join(named("c"), "")
	r.turn(1)
	c.Next()
	r.away = errors.New("away")
	for range 20 {
		r.count("c", 1)
		r.turn(1)
	}
	r.expect("while it is away", c.Next())
	r.away = nil
	r.turn(1)
	r.expect("when it is back", c.Next(), "gap late 1-21", "022 sample whole c=20")
	if n := r.hub.Stats().Failed.Load(); n != 20 {
		t.Errorf("%d counted", n)
	}
}

func TestState(t *testing.T) {
	r := newRig(t, 10)
	r.reasons = []api.Reason{}
	c, err := r.hub.Join(t.Context(), Ask{Kinds: []Kind{Ledger, Health}})
	if err != nil {
		t.Fatal(err)
	}
	kinds := func() (out string) {
		for _, e := range c.Next() {
			_, rest, _ := bytes.Cut(e, []byte("event: "))
			kind, _, _ := bytes.Cut(rest, []byte("\n"))
			out += string(kind) + " "
		}
		return out
	}
	step := func(want string) {
		t.Helper()
		r.turn(1)
		r.hub.State(t.Context())
		if got := kinds(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	step("ledger health ")
	step("")
	r.ledger.Received = 7
	step("ledger ")
	r.reasons = append(r.reasons, api.Reason{Code: "store_away"})
	step("") // looked at every five seconds
	r.turn(5)
	step("health ")
	r.away = errors.New("away")
	r.ledger.Received = 8
	step("")
}

func TestClose(t *testing.T) {
	r := newRig(t, 10)
	r.add("c", protocol.Counter)
	c := r.join(named("c"), "")
	c.Begin()
	r.count("c", 1)
	r.turn(1)
	r.hub.Close()
	<-c.Ended()
	r.expect("what waited", c.Next(), "001 sample whole c=1")
	r.expect("the last event", [][]byte{c.Farewell(0, 0)}, "end stopping")
	if _, err := r.hub.Join(t.Context(), Ask{Kinds: []Kind{Ledger}}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestNamesStayInTheirLine: nothing that a sender puts into a name or a tag can end
// an event, or begin another.
func TestNamesStayInTheirLine(t *testing.T) {
	r := newRig(t, 10)
	r.add("a\nevent: end\n\ndata: x", protocol.Gauge, "k\r", "v\u2028\xff\n")
	c := r.join(named("(?s).*"), "")
	e := c.Begin()[0]
	if n := bytes.Count(e, []byte("\n")); n != 4 || bytes.ContainsAny(e, "\r\u2028") {
		t.Errorf("%q", e)
	}
	if got := said([][]byte{e}); strings.HasPrefix(got[0], "NO JSON") {
		t.Errorf("%q", got)
	}
}

func TestQuestionKey(t *testing.T) {
	one := func(tag, v string) series.Matcher { m, _ := series.NewMatcher(tag, series.Equal, v); return m }
	a, b := one("a", "1"), one("b", "2")
	same := []Question{{{a, b}, {a}}, {{a}, {b, a}}, {{a}, {a, b}, {a}}}
	for _, q := range same[1:] {
		if q.key() != same[0].key() {
			t.Errorf("%s\n%s", q.key(), same[0].key())
		}
	}
	for _, q := range []Question{{{a}, {b}}, {{a, b}}, {{one("a", `1"1"b`)}}, nil} {
		if q.key() == same[0].key() {
			t.Errorf("another question has the key %s", q.key())
		}
	}
}

// TestAtOnce has clients come, read and go while the hub works.
func TestAtOnce(t *testing.T) {
	r := newRig(t, 1000)
	for i := range 20 {
		r.add(fmt.Sprintf("s%d", i), protocol.Counter)
	}
	source := &locked{rig: r}
	r.hub.opts.Source = source
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			r.mu.Lock()
			r.now += 1000
			r.mu.Unlock()
			source.count()
			r.hub.Tick(ctx)
			r.hub.Refresh(ctx)
			r.hub.State(ctx)
			time.Sleep(2 * time.Millisecond) // what came is read again each time
		}
	})
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			for n := range 10 {
				id := ""
				if n%2 == 1 {
					id = fmt.Sprint(r.hub.Second() - 3)
				}
				c, err := r.hub.Join(ctx, Ask{Kinds: []Kind{Sample, Ledger}, Question: named(fmt.Sprintf("s%d.*", (i+n)%5)), LastID: id})
				if err != nil {
					t.Error(err)
					return
				}
				c.Begin()
				<-c.Filled()
				c.Next()
				r.hub.Leave(c)
			}
		})
	}
	clients.Wait()
	cancel()
	work.Wait()
	if n := r.hub.Size(); n != (Size{}) {
		t.Errorf("left behind: %+v", n)
	}
}

// locked is a rig for many at once.
type locked struct {
	*rig
	mu sync.Mutex
}

func (l *locked) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.series {
		l.rig.count(s.Key.Name, 1)
	}
}

func (l *locked) Fill(ctx context.Context, list []query.Series, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rig.Fill(ctx, list, from, to)
}

func (l *locked) Recent(ctx context.Context, list []query.Series, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rig.Recent(ctx, list, from, to)
}

func (l *locked) Replay(ctx context.Context, list []query.Series, from, to int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rig.Replay(ctx, list, from, to)
}
