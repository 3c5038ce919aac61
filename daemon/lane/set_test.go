package lane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// randomLines returns lines of every kind, and their units as the ledger
// counts them.
func randomLines(r *rand.Rand) (lines string, units uint64) {
	var b strings.Builder
	for range 1 + r.IntN(30) {
		units++
		switch r.IntN(9) {
		case 0:
			fmt.Fprintf(&b, "several.%d:1:2:3|c\n", r.IntN(5))
			units += 2
		case 1:
			fmt.Fprintf(&b, "level.%d:%+d|g\n", r.IntN(3), r.IntN(20)-10)
		case 2:
			fmt.Fprintf(&b, "plain.%d:%d|g\n", r.IntN(3), r.IntN(20))
		case 3:
			b.WriteString("no line at all\n")
		case 4:
			fmt.Fprintf(&b, "late:1|c|T%d\n", startTime/1000-int64(r.IntN(3000)))
		case 5:
			fmt.Fprintf(&b, "users:u%d|s\n", r.IntN(100))
		case 6:
			fmt.Fprintf(&b, "took:%d|ms|#lane:%d\n", r.IntN(500), r.IntN(4))
		case 7:
			b.WriteString("took:1e999|ms\n\n") // refused, and a blank line that is no unit
		default:
			fmt.Fprintf(&b, "hits.%d:%d|c|@0.5\n", r.IntN(20), r.IntN(9))
		}
	}
	return b.String(), units
}

// TestLawHoldsAtEveryMoment sends over several lanes at once, with marks and
// flushes in between, while readers ask for the ledger all the time.
func TestLawHoldsAtEveryMoment(t *testing.T) {
	const lanes, jobs = 4, 250
	h := newHarness(t, lanes, realLog(t), nil)
	var books settled
	var sent, finished atomic.Uint64
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var senders, others sync.WaitGroup
	for l := range lanes {
		senders.Go(func() {
			r := rand.New(rand.NewPCG(uint64(l), 1))
			for n := 0; n < jobs || asked.Load() < 100; n++ {
				lines, units := randomLines(r)
				sent.Add(units)
				h.send(l, lines)
				waiting, _ := h.set.Collector().Backlog()
				if finished.Add(1)%40 == 0 && waiting < keepUnflushed/2 {
					h.mark()
				}
			}
		})
	}
	for range 2 {
		others.Go(func() {
			last := uint64(0)
			for ctx.Err() == nil {
				terms, _ := h.checkLaw(&books)
				if terms.Received < last || terms.Received > sent.Load() {
					t.Errorf("received %d after %d, of %d sent", terms.Received, last, sent.Load())
				}
				last = terms.Received
				asked.Add(1)
			}
		})
	}
	others.Go(func() {
		for {
			if _, err := h.flushOne(ctx, &books); err != nil {
				return
			}
		}
	})
	senders.Wait()
	cancel()
	others.Wait()
	terms, stored := h.checkLaw(&books)
	if terms.Received != sent.Load() {
		t.Errorf("%d units were sent, %d received", sent.Load(), terms.Received)
	}
	if stored == 0 {
		t.Error("nothing was stored meanwhile: this test has seen too little")
	}
	h.mark()
	for !h.set.Collector().Empty() {
		if _, err := h.flushOne(t.Context(), &books); err != nil {
			t.Fatal(err)
		}
	}
	if terms, _ := h.checkLaw(&books); terms.Pending != 0 || terms.Counts.Refused() != 0 {
		t.Errorf("pending after everything was flushed: %+v", terms)
	}
}

// seriesOf returns the one series of a name.
func (h *harness) seriesOf(name string) *admit.Series {
	h.t.Helper()
	list := h.catalog.ByName(name)
	if len(list) != 1 {
		h.t.Fatalf("%d series of the name %s", len(list), name)
	}
	return list[0]
}

// TestWindowSeesWhatWasSent reads after every line, while another goroutine
// marks and flushes: what is stored and what the window holds is all that was
// sent, each time.
func TestWindowSeesWhatWasSent(t *testing.T) {
	h := newHarness(t, 3, realLog(t), nil)
	books := settled{sums: map[uint64]map[uint32]float64{}}
	h.send(0, "n:1|c\n")
	s := h.seriesOf("n")
	var mu sync.Mutex // books.sums is read here as well
	sumUpTo := func(generation uint64) (sum float64) {
		mu.Lock()
		defer mu.Unlock()
		for g, sums := range books.sums {
			if g <= generation {
				sum += sums[s.Index]
			}
		}
		return sum
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			h.mark()
			mu.Lock()
			_, err := h.flushOne(context.Background(), &books)
			mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration(1+n%3) * time.Millisecond)
		}
	})
	flushed := uint64(0)
	for sent := 1.0; sent < 400 || flushed < 3; {
		h.send(int(sent)%3, "n:2|c\n")
		sent += 2
		w, err := h.set.Window(ctx, []*admit.Series{s}, aggregate.Whole)
		if err != nil {
			t.Fatal(err)
		}
		if w.Flushed < flushed {
			t.Errorf("flushed up to %d, after %d", w.Flushed, flushed)
		}
		flushed = w.Flushed
		sum := sumUpTo(flushed)
		for _, p := range w.Points[s.Index] {
			sum += p.Sum
		}
		if sum != sent {
			t.Fatalf("%v are found, %v were sent", sum, sent)
		}
	}
	cancel()
	wg.Wait()
}

// TestWindowByKind follows one series of each kind from the open generation to
// the store.
func TestWindowByKind(t *testing.T) {
	h := newHarness(t, 2, &memory{}, nil)
	h.send(0, "c:1|c\ng:5|g\nd:+2|g\nh:3|h\ns:a|s\n")
	h.send(1, "c:2|c\ng:7|g\nd:+1|g\nh:4|h\ns:b|s\ns:a|s\n")
	read := func() map[string][]uint64 {
		t.Helper()
		w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]uint64{}
		for _, s := range h.catalog.Snapshot() {
			for _, p := range w.Points[s.Index] {
				got[s.Type.String()] = append(got[s.Type.String()], p.N)
			}
		}
		return got
	}
	if got, want := fmt.Sprint(read()), "map[counter:[2] gauge:[2 2] histogram:[2] set:[3]]"; got != want {
		t.Errorf("open: %s, want %s", got, want)
	}
	h.mark()
	if got, want := fmt.Sprint(read()), "map[counter:[2] gauge:[2 2] histogram:[2] set:[3]]"; got != want {
		t.Errorf("sealed: %s, want %s", got, want)
	}
	h.send(1, "d:+4|g\nc:5|c\n")
	w, err := h.set.Window(t.Context(), []*admit.Series{h.seriesOf("d"), h.seriesOf("c")}, aggregate.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if p := w.Points[h.seriesOf("d").Index]; len(p) != 2 || p[0].Last != 3 || p[1].Last != 7 || p[1].Time != startTime+10_000 {
		t.Errorf("the gauge with deltas: %+v, want 3 and then 7", p)
	}
	var books settled
	if _, err := h.flushOne(t.Context(), &books); err != nil {
		t.Fatal(err)
	}
	w, err = h.set.Window(t.Context(), []*admit.Series{h.seriesOf("d"), h.seriesOf("c"), h.seriesOf("g")}, aggregate.Whole)
	if err != nil || w.Flushed != 1 {
		t.Fatal(w.Flushed, err)
	}
	if p := w.Points[h.seriesOf("d").Index]; len(p) != 1 || p[0].Last != 7 {
		t.Errorf("the gauge with deltas, its past stored: %+v, want 7", p)
	}
	if p := w.Points[h.seriesOf("c").Index]; len(p) != 1 || p[0].Sum != 5 {
		t.Errorf("the counter, its past stored: %+v, want 5", p)
	}
	if p := w.Points[h.seriesOf("g").Index]; len(p) != 0 {
		t.Errorf("a gauge that is stored whole: %+v", p)
	}
}

// TestPanicIsContained lets a job panic in its middle: what it handed over
// before is kept, and the lane goes on.
func TestPanicIsContained(t *testing.T) {
	h := newHarness(t, 1, realLog(t), nil)
	j := h.do(0, func(t *Taker) {
		takeLines(t, "a:1|c\nbad\na:2:3|c\n")
		panic("thrown by the test")
	})
	var p *PanicError
	if !errors.As(j.err, &p) || p.Value != "thrown by the test" || j.log == 0 || h.set.Panics() != 1 {
		t.Errorf("%v at %d, %d panics", j.err, j.log, h.set.Panics())
	}
	if !strings.Contains(j.err.Error(), "internal fault") {
		t.Errorf("%q", j.err)
	}
	if next := h.send(0, "a:4|c\n"); next.log <= j.log {
		t.Errorf("the next job ends at %d, after %d", next.log, j.log)
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Received != 5 || terms.Pending != 4 {
		t.Errorf("%+v, want 5 received: 4 kept, 1 refused", terms)
	}
	w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
	if err != nil || w.Points[0][0].Sum != 10 {
		t.Errorf("%+v, %v: want a sum of 10", w.Points, err)
	}
}

// TestRefusingLog counts what a log refuses as shed, and keeps the law.
func TestRefusingLog(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 2, log, nil)
	h.send(0, "a:1|c\ng:+1|g\nno line\n")
	gone := errors.New("no log any more")
	log.fail(gone)
	for l := range 2 {
		j := h.do(l, func(t *Taker) {
			takeLines(t, "a:1|c\nnew:1:2|c\nnew:1:2|c\nno line\ng:+5|g\n")
			t.Shed(protocol.ShedCrash, 3)
		})
		if !errors.Is(j.err, gone) {
			t.Errorf("lane %d: %v", l, j.err)
		}
	}
	var books settled
	terms, _ := h.checkLaw(&books)
	if got := terms.Counts.ShedByName(); len(got) != 1 || got[protocol.ShedDisk.String()] != 20 || terms.Pending != 2 || terms.Received != 23 {
		t.Errorf("%+v and %v shed, want 20 of 23 units shed for the disk, with what they were refused for", terms, got)
	}
	w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
	if err != nil {
		t.Fatal(err)
	}
	if p := w.Points[h.seriesOf("g").Index]; len(p) != 1 || p[0].Last != 1 {
		t.Errorf("a delta that was refused moved the gauge: %+v", p)
	}
	if p := w.Points[h.seriesOf("new").Index]; len(p) != 0 {
		t.Errorf("values that were refused are found: %+v", p)
	}
	if err := h.set.Mark(); !errors.Is(err, gone) {
		t.Errorf("a mark on it: %v", err)
	}
	h.now.Store(startTime + 9_999) // a turn is near
	if err := h.set.Sequence(t.Context()); !errors.Is(err, gone) {
		t.Errorf("the sequencer on it: %v", err)
	}
}

// TestOwnSignalsStandOutside records the daemon's own signals beside a
// sender's.
func TestOwnSignalsStandOutside(t *testing.T) {
	h := newHarness(t, 1, &memory{}, nil)
	own := func(name string, typ protocol.Type, v float64) *protocol.Metric {
		return &protocol.Metric{Name: []byte(protocol.ReservedPrefix + name), Type: typ, Rate: 1, Values: []protocol.Value{{Number: v}}}
	}
	h.do(0, func(t *Taker) {
		t.Own(own("beats", protocol.Counter, 4))
		takeLines(t, "a:1|c\n"+protocol.ReservedPrefix+"beats:1|c\n")
		t.Own(own("load", protocol.Gauge, 2))
		t.Own(own("beats", protocol.Counter, 5))
	})
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Received != 2 || terms.Pending != 1 || terms.Counts.Rejected[protocol.ReservedName] != 1 {
		t.Errorf("%+v, want the sender's two units alone", terms)
	}
	w, err := h.set.Window(t.Context(), h.catalog.Own(), aggregate.Whole)
	if err != nil || len(h.catalog.Own()) != 2 || w.Points[h.seriesOf("nexus.beats").Index][0].Sum != 9 {
		t.Errorf("%+v, %v", w.Points, err)
	}
}

// TestClose finishes what is queued, refuses what comes after, and still
// answers.
func TestClose(t *testing.T) {
	h := newHarness(t, 2, realLog(t), nil)
	started, release := make(chan struct{}), make(chan struct{})
	jobs := []*job{{done: make(chan struct{}), take: func(t *Taker) { close(started); <-release; takeLines(t, "a:1|c\n") }}}
	for range queueLength {
		jobs = append(jobs, &job{done: make(chan struct{}), take: func(t *Taker) { takeLines(t, "a:1|c\n") }})
	}
	h.set.Submit(0, jobs[0])
	<-started
	for _, j := range jobs[1:] {
		h.set.Submit(0, j)
	}
	closed := make(chan struct{})
	go func() { h.set.Close(); close(closed) }()
	time.Sleep(5 * time.Millisecond)
	close(release)
	<-closed
	h.set.Close()
	for i, j := range jobs {
		<-j.done
		if j.err != nil {
			t.Errorf("job %d, queued before: %v", i, j.err)
		}
	}
	for l := range 2 {
		if j := h.do(l, func(*Taker) { t.Error("taken after the end") }); !errors.Is(j.err, ErrClosed) {
			t.Errorf("after the end: %v", j.err)
		}
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Pending != queueLength+1 {
		t.Errorf("%+v", terms)
	}
	if err := h.set.Mark(); err != nil {
		t.Errorf("a last mark: %v", err)
	}
	if n, err := h.flushOne(t.Context(), &books); n != 1 || err != nil || books.stored != queueLength+1 {
		t.Errorf("generation %d, %v, %d stored", n, err, books.stored)
	}
}

// TestFullQueueWaits holds a lane up: senders wait, readers give up when they
// have no more time, and nothing is lost.
func TestFullQueueWaits(t *testing.T) {
	h := newHarness(t, 1, &memory{}, nil)
	started, release := make(chan struct{}), make(chan struct{})
	first := &job{done: make(chan struct{}), take: func(*Taker) { close(started); <-release }}
	h.set.Submit(0, first)
	<-started
	var submitted atomic.Int64
	var wg sync.WaitGroup
	for range 3 * queueLength {
		wg.Go(func() {
			j := &job{done: make(chan struct{}), take: func(t *Taker) { takeLines(t, "a:1|c\n") }}
			h.set.Submit(0, j)
			submitted.Add(1)
			<-j.done
		})
	}
	time.Sleep(20 * time.Millisecond)
	if n := submitted.Load(); n != queueLength {
		t.Errorf("%d jobs are queued, the bound is %d", n, queueLength)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.set.Terms(ctx, func() {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer from a lane that is held up: %v", err)
	}
	close(release)
	wg.Wait()
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Received != 3*queueLength {
		t.Errorf("%+v", terms)
	}
}

// TestOneLaneKeepsOrder gives the last of many values to a gauge.
func TestOneLaneKeepsOrder(t *testing.T) {
	h := newHarness(t, 4, realLog(t), nil)
	var last wal.Position
	for i := range 100 {
		if j := h.send(2, fmt.Sprintf("g:%d|g\n", i)); j.log <= last {
			t.Fatalf("job %d ends at %d, after %d", i, j.log, last)
		} else {
			last = j.log
		}
	}
	w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
	if err != nil || w.Points[0][0].Last != 99 {
		t.Errorf("%+v, %v", w.Points, err)
	}
}

func TestAssignTakesTurns(t *testing.T) {
	h := newHarness(t, 3, &memory{}, nil)
	seen := map[int]int{}
	for range 9 {
		seen[h.set.Assign()]++
	}
	if h.set.Lanes() != 3 || seen[0] != 3 || seen[1] != 3 || seen[2] != 3 {
		t.Errorf("lanes were assigned %v", seen)
	}
}

// TestLargeIntakes hands over more than one record may hold: by their number,
// and by the bytes of their names. All of it must be logged and counted.
func TestLargeIntakes(t *testing.T) {
	t.Run("values", func(t *testing.T) {
		log := &memory{}
		h := newHarness(t, 1, log, nil)
		const lines, values = 30, 5000
		line := "a:1" + strings.Repeat(":1", values-1) + "|c\n"
		h.send(0, strings.Repeat(line, lines))
		var books settled
		if terms, _ := h.checkLaw(&books); terms.Pending != lines*values {
			t.Errorf("%+v, want %d", terms, lines*values)
		}
		if n := len(log.records); n < 1+lines*values/(maxBatch+values) || n > 5 {
			t.Errorf("%d records for %d values", n, lines*values)
		}
	})
	t.Run("names", func(t *testing.T) {
		h := newHarness(t, 1, realLog(t), nil)
		var b bytes.Buffer
		pad := strings.Repeat("v", 225)
		for i := range maxBatch { // as many as one record takes, and 16 MiB of text
			fmt.Fprintf(&b, "users:m%07d|s|#k:%07d%s\n", i, i, pad)
		}
		j := h.do(0, func(t *Taker) { takeLines(t, b.String()) })
		var books settled
		terms, _ := h.checkLaw(&books)
		if j.err != nil || terms.Pending != maxBatch {
			t.Errorf("%v: of %d units %d are kept, shed: %v", j.err, maxBatch, terms.Pending, terms.Counts.ShedByName())
		}
	})
}

// TestSequence marks at each turn of the resolution, ends with its context,
// and marks early where a lane is crowded with late samples.
func TestSequence(t *testing.T) {
	t.Run("at each turn", func(t *testing.T) {
		h := newHarness(t, 2, &memory{}, func(o *Options) { o.Fold.Resolution, o.Now = 20, time.Now })
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := h.set.Sequence(ctx); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began) // a busy machine ends it late
		if waiting, _ := h.set.Collector().Backlog(); waiting < 3 || waiting > int(took/(20*time.Millisecond))+2 {
			t.Errorf("%d generations in %v, at a resolution of 20 ms", waiting, took)
		}
	})
	t.Run("early", func(t *testing.T) {
		h := newHarness(t, 1, &memory{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.set.Sequence(ctx); err != nil {
				t.Error(err)
			}
		})
		h.do(0, func(tk *Taker) {
			m := protocol.Metric{Name: []byte("history"), Type: protocol.Counter, Rate: 1, HasTime: true, Values: []protocol.Value{{Number: 1}}}
			for i := range int64(aggregate.MaxLate) {
				m.Time = startTime - (i+1)*10_000
				tk.take(&m, protocol.Fault{})
			}
		})
		next, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		if g, _, _, err := h.set.Collector().Next(next); err != nil || g.Values() != aggregate.MaxLate || g.Next.Bucket != startTime {
			t.Errorf("a crowded lane waits for the turn: %v", err)
		}
		cancel()
		wg.Wait()
	})
}

// TestNextMark is the table of clocks: forward, held, back.
func TestNextMark(t *testing.T) {
	const step = 10_000
	for _, c := range []struct {
		what        string
		bucket, now int64
		want        int64
	}{
		{"the next turn", startTime, startTime + step, startTime + step},
		{"late by a little", startTime, startTime + step + 3, startTime + step},
		{"early, in the same bucket", startTime, startTime + step - 1, startTime},
		{"asleep for a day", startTime, startTime + 86_400_000, startTime + 86_400_000},
		{"back by a millisecond", startTime, startTime - 1, startTime},
		{"back by 60 s", startTime, startTime - 60_000, startTime},
		{"back by more", startTime, startTime - 60_001, startTime - 70_000},
		{"back by a day", startTime, startTime - 86_400_000, startTime - 86_400_000},
		{"back by 60 s from a bucket's end", startTime, startTime - 60_000 + step - 1, startTime},
	} {
		prev := record.Mark{Generation: 41, Bucket: c.bucket, At: c.bucket, Restart: true}
		got := NextMark(prev, c.now, step)
		if want := (record.Mark{Generation: 42, Bucket: c.want, At: c.now}); got != want {
			t.Errorf("%s: %+v, want %+v", c.what, got, want)
		}
	}
}

// TestHeldClockCatchesUp turns the clock back and lets it run: buckets stand
// until it has caught up, and no generation is skipped.
func TestHeldClockCatchesUp(t *testing.T) {
	m := record.Mark{Generation: 1, Bucket: startTime}
	for i := int64(1); i <= 10; i++ {
		m = NextMark(m, startTime-45_000+i*10_000, 10_000)
		if want := max(startTime, startTime-50_000+i*10_000); m.Bucket != want || m.Generation != uint64(i+1) {
			t.Fatalf("turn %d: %+v, want bucket %d", i, m, want)
		}
	}
}

// TestClockStepsAreSaid logs a step back of more than five seconds.
func TestClockStepsAreSaid(t *testing.T) {
	var out bytes.Buffer
	h := newHarness(t, 1, &memory{}, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	for _, c := range []struct {
		step int64
		says string
	}{{10_000, ""}, {-5_000, ""}, {-5_001, "held=true"}, {-3_600_000, "held=false"}} {
		out.Reset()
		h.now.Add(c.step)
		if err := h.set.Mark(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("a step of %d ms: %q, want %q", c.step, got, c.says)
		}
	}
}

// TestAckedOnly logs of lines that nobody is promised anything about what later
// batches need, and folds them all the same.
func TestAckedOnly(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.AckedOnly = true })
	unlogged := func(lines string) *job {
		return h.do(0, func(t *Taker) { t.Unlogged(); t.Lines([]byte(lines)) })
	}
	unlogged("a:1|c\na:2.5|c\ng:+1|g\nno line\n")
	unlogged("a:4|c\n")
	logged := len(log.records)
	j := h.do(0, func(t *Taker) { takeLines(t, "a:8|c\n") })
	if j.log != log.end || len(log.records) != logged+1 {
		t.Errorf("what may be asked for is not logged: %d records more", len(log.records)-logged)
	}
	var b record.Batch
	if err := record.DecodeBatch(log.records[1], &b); err != nil || len(b.Defs) != 2 || b.Values() != 0 || b.Refused() != 0 {
		t.Errorf("%d definitions, %d values, %v: want the definitions alone", len(b.Defs), b.Values(), err)
	}
	if err := record.DecodeBatch(log.records[2], &b); err != nil || len(log.records) != 3 || b.Values() != 1 {
		t.Errorf("%d records, the last with %d values, %v", len(log.records), b.Values(), err)
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Pending != 5 || terms.Counts.Refused() != 1 {
		t.Errorf("%+v", terms)
	}
	if got := h.sum("a"); got != 15.5 {
		t.Errorf("a is %v", got)
	}
}

// TestAckedOnlyWaits lets the store take nothing: generations that the log could
// not give back stay in memory, the lane stops working, and goes on as soon as
// there is room, or the daemon stops.
func TestAckedOnlyWaits(t *testing.T) {
	h := newHarness(t, 1, &memory{}, func(o *Options) { o.AckedOnly = true })
	for range keepUnflushed {
		h.send(0, "n:1|c\n")
		h.mark()
	}
	waiting := func() *job {
		j := &job{take: func(t *Taker) { takeLines(t, "n:1|c\n") }, done: make(chan struct{})}
		h.set.Submit(0, j)
		return j
	}
	j := waiting()
	select {
	case <-j.done:
		t.Fatal("the lane works on without room")
	case <-time.After(5 * fullPause):
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Pending != keepUnflushed {
		t.Errorf("a lane that waits does not answer: %+v", terms)
	}
	if n, err := h.flushOne(t.Context(), &books); n != 1 || err != nil {
		t.Fatalf("generation %d, %v", n, err)
	}
	<-j.done
	h.mark()
	last := waiting()
	h.set.Close()
	<-last.done
	if terms, _ := h.checkLaw(&books); terms.Received != keepUnflushed+2 {
		t.Errorf("%+v", terms)
	}
}

// TestLongGenerationIsClosedEarly: what a start after a kill has to read back is
// bounded by bytes too, however fast senders are.
func TestLongGenerationIsClosedEarly(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, nil)
	early := func() bool {
		select {
		case <-h.set.early:
			return true
		default:
			return false
		}
	}
	h.send(0, "a:1|c\n")
	if early() {
		t.Error("a short generation is closed early")
	}
	log.mu.Lock()
	log.end += maxGeneration
	log.mu.Unlock()
	h.send(0, "a:1|c\n")
	if !early() {
		t.Error("a generation of 128 MiB of log goes on")
	}
	h.mark()
	h.send(0, "a:1|c\n")
	if early() {
		t.Error("the next generation is closed early, too")
	}
}
