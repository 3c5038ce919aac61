package lane

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

// shareJob is a job that may share its record.
type shareJob struct {
	job
	share Share
}

func (s *shareJob) Share() (Share, bool) { return s.share, true }

func newShareJob(lines string) *shareJob {
	j := &shareJob{job: job{done: make(chan struct{})}, share: Share{Bytes: len(lines)}}
	j.take = func(t *Taker) { t.Lines([]byte(lines)) }
	return j
}

// stopped holds a lane in a job until go is called: what is submitted meanwhile
// waits in its queue.
func (h *harness) stopped() (goOn func()) {
	began, release := make(chan struct{}), make(chan struct{})
	j := &job{take: func(*Taker) { close(began); <-release }, done: make(chan struct{})}
	h.set.Submit(0, j)
	<-began
	return func() { close(release); <-j.done }
}

// together submits jobs that wait in the queue together, and waits for all.
func (h *harness) together(jobs ...Job) {
	h.t.Helper()
	goOn := h.stopped()
	for _, j := range jobs {
		h.set.Submit(0, j)
	}
	goOn()
	for _, j := range jobs {
		switch j := j.(type) {
		case *job:
			<-j.done
		case *shareJob:
			<-j.done
		}
	}
}

// values returns how many values each of the log's batches has.
func (m *memory) values(t *testing.T) (list []uint64) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		if r[0] != byte(record.KindBatch) {
			continue
		}
		var b record.Batch
		if err := record.DecodeBatch(r, &b); err != nil {
			t.Fatal(err)
		}
		list = append(list, b.Values())
	}
	return list
}

// countLines returns n lines of one counter.
func countLines(n int) string { return strings.Repeat("n:1|c\n", n) }

// TestBounds: where each mode closes its batches, by jobs that wait together.
func TestBounds(t *testing.T) {
	const long = time.Minute // a wait that no test would survive
	for name, c := range map[string]struct {
		batching Batching
		jobs     []int // lines of each
		want     []uint64
	}{
		"adaptive takes what waits":      {Batching{Interval: long}, []int{1, 2, 3}, []uint64{6}},
		"adaptive, by units":             {Batching{Units: 4, Interval: long}, []int{3, 3, 3}, []uint64{6, 3}},
		"adaptive splits no job":         {Batching{Units: 4, Interval: long}, []int{20}, []uint64{20}},
		"adaptive, by bytes":             {Batching{Bytes: 24, Interval: long}, []int{2, 2, 2}, []uint64{4, 2}},
		"adaptive, by time":              {Batching{Interval: time.Nanosecond}, []int{1, 2, 3}, []uint64{1, 2, 3}},
		"fixed":                          {Batching{Mode: Fixed, Units: 2, Interval: long}, []int{1, 1, 2, 3, 1}, []uint64{2, 2, 2, 2}},
		"fixed, of one":                  {Batching{Mode: Fixed, Units: 1, Interval: long}, []int{3, 1}, []uint64{1, 1, 1, 1}},
		"fixed knows no bytes":           {Batching{Mode: Fixed, Units: 6, Bytes: 1, Interval: long}, []int{2, 2, 2}, []uint64{6}},
		"fixed, by time":                 {Batching{Mode: Fixed, Units: 100, Interval: 100 * time.Millisecond}, []int{2, 2}, []uint64{4}},
		"timed knows no units, no bytes": {Batching{Mode: Timed, Units: 1, Bytes: 1, Interval: 100 * time.Millisecond}, []int{2, 2, 3}, []uint64{7}},
		"memory":                         {Batching{Mode: Memory, Bytes: 24, Units: 1, Interval: long}, []int{1, 3, 2, 2}, []uint64{4, 4}},
		"memory, by time":                {Batching{Mode: Memory, Bytes: 1 << 10, Interval: 100 * time.Millisecond}, []int{1, 3}, []uint64{4}},
	} {
		t.Run(name, func(t *testing.T) {
			log := &memory{}
			h := newHarness(t, 1, log, func(o *Options) { o.Batching = c.batching })
			var jobs []Job
			for _, n := range c.jobs {
				jobs = append(jobs, newShareJob(countLines(n)))
			}
			h.together(jobs...)
			if got := log.values(t); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("batches of %v values, want %v", got, c.want)
			}
			h.checkLaw(&settled{})
		})
	}
}

// TestWaits: a timed batch takes what comes while it waits, and not what comes
// after; an adaptive one waits for nothing.
func TestWaits(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Batching = Batching{Mode: Timed, Interval: 200 * time.Millisecond} })
	first, second := newShareJob("n:1|c\n"), newShareJob("n:1|c\n")
	start := time.Now()
	h.set.Submit(0, first)
	time.Sleep(20 * time.Millisecond)
	h.set.Submit(0, second)
	<-first.done
	<-second.done
	if took := time.Since(start); took < 200*time.Millisecond || first.log != second.log || len(log.values(t)) != 1 {
		t.Errorf("after %s: positions %d and %d, batches %v", took, first.log, second.log, log.values(t))
	}
	h = newHarness(t, 1, &memory{}, func(o *Options) { o.Batching = Batching{Interval: time.Hour} })
	alone := newShareJob("n:1|c\n")
	h.set.Submit(0, alone)
	<-alone.done
}

// TestQuestionsEndAWait: who asks a lane does not wait as long as its batch may,
// and neither do a job that goes alone and the daemon's stop.
func TestQuestionsEndAWait(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Batching = Batching{Mode: Timed, Interval: time.Hour} })
	submit := func() *shareJob {
		began := make(chan struct{})
		j := newShareJob("")
		j.take = func(t *Taker) { t.Lines([]byte("n:1|c\n")); close(began) }
		h.set.Submit(0, j)
		<-began
		return j
	}
	j := submit()
	if terms, _ := h.checkLaw(&settled{}); terms.Pending != 1 {
		t.Errorf("%+v: the batch at hand comes first", terms)
	}
	<-j.done
	j = submit()
	alone := h.send(0, "n:1|c\n")
	<-j.done
	if j.log >= alone.log || len(log.values(t)) != 3 {
		t.Errorf("at %d and %d, batches %v", j.log, alone.log, log.values(t))
	}
	j = submit()
	h.set.Close()
	<-j.done
	if got := h.sum("n"); got != 4 {
		t.Errorf("%v values are folded, want 4", got)
	}
}

// TestNeverMixed: deliveries, openings and the daemon's own signals are records
// of their own between jobs that share, in the order they came.
func TestNeverMixed(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) {
		o.Batching = Batching{Interval: time.Minute}
		o.Deliveries = delivery.NewRegistry(delivery.DefaultLimits(), nil, nil)
	})
	var d Delivery
	d.Claim.Key.Hash[0] = 1
	delivered := &job{done: make(chan struct{}), take: func(t *Taker) { t.Deliver(&d); t.Lines([]byte("n:1|c\nbad\n")) }}
	own := &job{done: make(chan struct{}), take: func(t *Taker) {
		t.Own(&protocol.Metric{Name: []byte("nexus.own"), Type: protocol.Counter, Rate: 1, Values: []protocol.Value{{Number: 1}}})
	}}
	one, two, three, four := newShareJob(countLines(2)), newShareJob(countLines(3)), newShareJob(countLines(4)), newShareJob(countLines(5))
	h.together(one, two, delivered, three, own, four)
	if got, want := log.values(t), []uint64{5, 1, 4, 1, 5}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("batches of %v values, want %v", got, want)
	}
	if d.Accepted != 1 || d.Rejected != 1 || one.log != two.log || delivered.log <= two.log || three.log <= delivered.log || four.log <= own.log {
		t.Errorf("%+v, at %d %d %d %d %d %d", d, one.log, two.log, delivered.log, three.log, own.log, four.log)
	}
	if terms, _ := h.checkLaw(&settled{}); terms.Received != 16 || terms.Pending != 15 {
		t.Errorf("%+v, want 16 units received, the own one beside", terms)
	}
}

// TestUnloggedStaysApart: what need not be logged is in no record with what must,
// either way round.
func TestUnloggedStaysApart(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.AckedOnly, o.Batching = true, Batching{Interval: time.Minute} })
	unlogged := func(lines string) *shareJob {
		j := newShareJob(lines)
		j.share.Unlogged = true
		j.take = func(t *Taker) { t.Unlogged(); t.Lines([]byte(lines)) }
		return j
	}
	h.send(0, "n:1|c\n")
	h.together(unlogged("n:1|c\n"), unlogged("n:1|c\n"), newShareJob("n:1|c\n"), newShareJob("n:1|c\n"), unlogged("n:1|c\n"), newShareJob("n:1|c\n"))
	if got, want := log.values(t), []uint64{1, 2, 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("batches of %v values, want %v", got, want)
	}
	if got := h.sum("n"); got != 7 {
		t.Errorf("%v values are folded, want 7", got)
	}
}

// TestPanicAmongOthers: of three jobs in one record the middle one panics, and is
// told so, alone.
func TestPanicAmongOthers(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Batching = Batching{Interval: time.Minute} })
	before, bad, after := newShareJob("n:1|c\n"), newShareJob(""), newShareJob("n:4|c\n")
	bad.take = func(t *Taker) { t.Lines([]byte("n:2|c\n")); panic("thrown by the test") }
	h.together(before, bad, after)
	var p *PanicError
	if before.err != nil || after.err != nil || !errors.As(bad.err, &p) || before.log == 0 || before.log != after.log {
		t.Errorf("%v, %v, %v at %d and %d", before.err, bad.err, after.err, before.log, after.log)
	}
	h.checkLaw(&settled{})
	if got := h.sum("n"); got != 7 || len(log.values(t)) != 1 {
		t.Errorf("%v in batches %v", got, log.values(t))
	}
}

// TestErrorsOfTheirOwn: the log refuses the second record, and the jobs with
// units in it are told, no others.
func TestErrorsOfTheirOwn(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Batching = Batching{Mode: Fixed, Units: 4, Interval: time.Minute} })
	gone := errors.New("refused by the test")
	first, both, blank, last := newShareJob(countLines(3)), newShareJob(""), newShareJob("\n"), newShareJob(countLines(3))
	both.take = func(t *Taker) {
		t.Lines([]byte(countLines(1)))
		log.fail(gone)
		t.Lines([]byte(countLines(1)))
	}
	h.together(first, both, blank, last)
	if first.err != nil || both.err == nil && last.err == nil || !errors.Is(last.err, gone) || blank.err != nil {
		t.Errorf("%v, %v, %v, %v", first.err, both.err, blank.err, last.err)
	}
	if terms, _ := h.checkLaw(&settled{}); terms.Received != 8 || terms.Pending != 4 || terms.Counts.ShedByName()[protocol.ShedDisk.String()] != 4 {
		t.Errorf("%+v", terms)
	}
}

// TestSharedTimings: each of the jobs of one record has its own units and times.
func TestSharedTimings(t *testing.T) {
	tracer := &everySecond{}
	h := newHarness(t, 1, &memory{}, func(o *Options) { o.Tracer, o.Batching = tracer, Batching{Interval: time.Minute} })
	h.together(newShareJob(countLines(1)), newShareJob(countLines(2)), newShareJob(countLines(3)), newShareJob("\n"), newShareJob(countLines(5)))
	var units []uint64
	for _, got := range tracer.timings {
		units = append(units, got.Units)
		if got.Logged.Before(got.Taken) || got.Folded.Before(got.Logged) || got.Log == 0 {
			t.Errorf("%+v", got)
		}
	}
	if fmt.Sprint(units) != "[1 3 5]" {
		t.Errorf("units %v, want those of every second job", units)
	}
}

// TestSharedOrder sends a gauge's changes over jobs that share records, in every
// mode, and expects each connection's last word and the ledger to be exact.
func TestSharedOrder(t *testing.T) {
	for _, mode := range []Mode{Adaptive, Fixed, Timed, Memory} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHarness(t, 2, &memory{}, func(o *Options) {
				o.Batching = Batching{Mode: mode, Units: 7, Bytes: 300, Interval: 200 * time.Microsecond}
			})
			var sent atomic.Uint64
			var senders sync.WaitGroup
			for s := range 6 {
				senders.Go(func() {
					r := rand.New(rand.NewPCG(uint64(s), 7))
					for i := range 60 {
						lines, units := randomLines(r)
						lines += fmt.Sprintf("last.%d:%d|g\nlast.%d:+1|g\n", s, i, s)
						sent.Add(units + 2)
						j := newShareJob(lines)
						h.set.Submit(s%2, j)
						if i%3 == 2 { // 59 is one
							<-j.done
						}
					}
				})
			}
			for range 10 {
				h.checkLaw(&settled{})
			}
			senders.Wait()
			if terms, _ := h.checkLaw(&settled{}); terms.Received != sent.Load() {
				t.Errorf("%d units were sent, %d received", sent.Load(), terms.Received)
			}
			w, err := h.set.Window(t.Context(), h.catalog.Snapshot(), aggregate.Whole)
			if err != nil {
				t.Fatal(err)
			}
			for s := range 6 {
				if p := w.Points[h.seriesOf(fmt.Sprintf("last.%d", s)).Index]; len(p) != 1 || p[0].Last != 60 {
					t.Errorf("sender %d: %+v", s, p)
				}
			}
			if h.set.Stats().Shared.Load() == 0 {
				t.Error("no record was shared: this test has seen too little")
			}
		})
	}
}

// TestMostJobs: as many jobs as may share one record, and no more, whatever the
// mode says of units and bytes.
func TestMostJobs(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Batching = Batching{Mode: Timed, Interval: time.Minute} })
	goOn := h.stopped()
	var done sync.WaitGroup
	go goOn()
	for range maxShared {
		j := newShareJob("n:1|c\n")
		done.Go(func() { <-j.done })
		h.set.Submit(0, j)
	}
	done.Wait()
	if got := log.values(t); len(got) != 1 || got[0] != maxShared {
		t.Errorf("batches %v", got)
	}
}
