package lane

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
)

// TestSetLimits changes what lines are held to while lanes run: known
// spellings, which the quick path takes, are held to it as well.
func TestSetLimits(t *testing.T) {
	h := newHarness(t, 2, &memory{}, nil)
	long := "a:" + strings.Repeat("0", 200) + "7|c\n"
	for l := range 2 {
		h.send(l, "a:1|c\n"+long)
	}
	limits := protocol.DefaultLimits()
	limits.MaxLine = 100
	if err := h.set.SetLimits(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	for l := range 2 {
		h.send(l, "a:1|c\n"+long)
	}
	var books settled
	if terms, _ := h.checkLaw(&books); terms.Pending != 6 || terms.Counts.Rejected[protocol.LineTooLong] != 2 {
		t.Errorf("%+v, want the long line refused once a lane", terms)
	}
	if err := h.set.SetLimits(t.Context(), protocol.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	h.send(0, long)
	if terms, _ := h.checkLaw(&books); terms.Pending != 7 {
		t.Errorf("%+v, want the long line taken again", terms)
	}
}

// TestQueue tells how full the fullest lane is.
func TestQueue(t *testing.T) {
	h := newHarness(t, 2, &memory{}, nil)
	started, release := make(chan struct{}), make(chan struct{})
	held := &job{done: make(chan struct{}), take: func(*Taker) { close(started); <-release }}
	h.set.Submit(1, held)
	<-started
	if got := h.set.Queue(); got != 0 {
		t.Errorf("%v with nothing queued", got)
	}
	var last *job
	for range queueLength / 2 {
		last = &job{done: make(chan struct{}), take: func(*Taker) {}}
		h.set.Submit(1, last)
	}
	if got := h.set.Queue(); got != 0.5 {
		t.Errorf("%v with half a queue", got)
	}
	close(release)
	<-last.done
	if got := h.set.Queue(); got != 0 {
		t.Errorf("%v when all is done", got)
	}
}

// everySecond is a Tracer that samples every second job.
type everySecond struct {
	mu      sync.Mutex
	asked   int
	timings []Timing
}

func (e *everySecond) Sample() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	return e.asked%2 == 0
}

func (e *everySecond) Batch(t Timing) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timings = append(e.timings, t)
}

type arrivedJob struct {
	job
	at time.Time
}

func (a *arrivedJob) Arrived() time.Time { return a.at }

// TestTracer follows sampled jobs, and those alone, through their stages.
func TestTracer(t *testing.T) {
	tracer := &everySecond{}
	log := &memory{}
	h := newHarness(t, 1, log, func(o *Options) { o.Tracer = tracer })
	h.send(0, "a:1|c\n")
	at := time.Now().Add(-time.Second)
	j := &arrivedJob{job{done: make(chan struct{}), take: func(t *Taker) { takeLines(t, "a:1:2|c\nno line\n") }}, at}
	h.set.Submit(0, j)
	<-j.done
	h.send(0, "a:1|c\n")
	h.send(0, "a:1|c\n")
	h.do(0, func(*Taker) {})
	h.do(0, func(*Taker) {}) // nothing in it, so there are no stages
	log.fail(errors.New("refused by the test"))
	h.do(0, func(*Taker) {})
	h.do(0, func(t *Taker) { takeLines(t, "a:1|c\n") }) // never logged
	if len(tracer.timings) != 2 {
		t.Fatalf("%d jobs were traced, want 2: %+v", len(tracer.timings), tracer.timings)
	}
	got := tracer.timings[0]
	if got.Units != 3 || got.Generation != 1 || got.Log != j.log || !got.Arrived.Equal(at) {
		t.Errorf("%+v", got)
	}
	stages := []time.Time{got.Arrived, got.Began, got.Taken, got.Logged, got.Folded}
	for i := range stages[1:] {
		if stages[i+1].Before(stages[i]) {
			t.Errorf("stage %d comes before the one it follows: %+v", i+1, got)
		}
	}
	if second := tracer.timings[1]; second.Units != 1 || !second.Arrived.IsZero() {
		t.Errorf("%+v", second)
	}
}
