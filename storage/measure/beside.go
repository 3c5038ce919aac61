package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// warmUps are the reads that are not timed: the first ones open connections and have
// their statements prepared, once in a process.
const warmUps = 10

// Memory is the read path of a daemon, which holds recent blocks in memory.
type Memory interface {
	// Start comes before the first flush.
	Start(ctx context.Context) error
	// Run does what the daemon does beside, until ctx ends.
	Run(ctx context.Context)
	// Stored takes a flush that the store has.
	Stored(f storage.Flush)
	// LastHour returns how many points a series has in the hour before now, Unix
	// milliseconds. older says that the store had its name when the daemon started.
	LastHour(ctx context.Context, id, now int64, older bool) (points int, err error)
}

// beside times reads of the last hour while one flush follows the other.
func (r *run) beside(ctx context.Context) ([]Result, error) {
	b := r.newBystander()
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	reads, stop := context.WithCancel(ctx)
	defer stop()
	for range warmUps {
		for _, t := range b.tasks {
			if err := t.do(ctx); err != nil {
				return nil, err
			}
		}
	}
	done, ran := make(chan error, 1), make(chan struct{})
	go func() { done <- b.read(reads) }()
	go func() { defer close(ran); b.run(reads) }()
	defer func() { <-ran }() // the caller closes the store
	defer stop()
	var flushes []float64
	for range r.Flushes {
		f := r.draft()
		took, err := r.commit(ctx, f)
		if err != nil {
			stop()
			<-done
			return nil, err
		}
		b.stored(f, r.now)
		flushes = append(flushes, took.Seconds()*1000)
	}
	stop()
	if err := <-done; err != nil && ctx.Err() == nil {
		return nil, err
	}
	return append([]Result{summary(fmt.Sprintf("flush of %d series beside reads", r.Series), flushes)}, b.results()...), nil
}

// rest is how long a bystander rests between two of its tasks.
const rest = time.Millisecond

// bystander does one thing after the other beside flushes, and times each. What takes
// as long without any store tells how much of a tail is the machine's.
type bystander struct {
	of     *run
	memory Memory // nil: none
	random *rand.Rand
	first  int64        // of the points, Unix milliseconds
	now    atomic.Int64 // the end of what was flushed
	tasks  []task
	late   []float64 // by how much a rest was too long, milliseconds
}

type task struct {
	name string
	do   func(context.Context) error
	took []float64 // milliseconds
}

// polled is how many series are asked for again and again, as dashboards ask.
const polled = 50

func (r *run) newBystander() *bystander {
	b := &bystander{of: r, random: rand.New(rand.NewPCG(5, 6)), first: r.now}
	b.now.Store(r.now)
	pick := func(n int) int64 { return r.set.ids[b.random.IntN(n)] }
	b.tasks = []task{{name: "read one series, the last hour, beside flushes, from the store", do: func(ctx context.Context) error { return b.fromStore(ctx, pick(len(r.set.ids))) }}}
	if r.Memory != nil {
		b.memory = r.Memory(r.store)
		for _, m := range []struct {
			name  string
			among int
			older bool
		}{
			{"any series, of a name from before the start", len(r.set.ids), true},
			{"any series", len(r.set.ids), false},
			{fmt.Sprintf("one of %d that are polled", polled), min(polled, len(r.set.ids)), false},
		} {
			b.tasks = append(b.tasks, task{name: "the same as a daemon reads, blocks held in memory, " + m.name, do: func(ctx context.Context) error {
				_, err := b.memory.LastHour(ctx, pick(m.among), b.now.Load(), m.older)
				return err
			}})
		}
	}
	b.tasks = append(b.tasks, task{name: "floor: arithmetic of half a millisecond beside flushes", do: reckoning()})
	return b
}

func (b *bystander) start(ctx context.Context) error {
	if b.memory == nil {
		return nil
	}
	return b.memory.Start(ctx)
}

func (b *bystander) run(ctx context.Context) {
	if b.memory != nil {
		b.memory.Run(ctx)
	}
}

func (b *bystander) stored(f storage.Flush, now int64) {
	if b.memory != nil {
		b.memory.Stored(f)
	}
	b.now.Store(now)
}

func (b *bystander) read(ctx context.Context) error {
	for i := 0; ; i++ {
		t := &b.tasks[i%len(b.tasks)]
		began := time.Now()
		err := t.do(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		ended := time.Now()
		time.Sleep(rest)
		t.took = append(t.took, ended.Sub(began).Seconds()*1000)
		b.late = append(b.late, (time.Since(ended)-rest).Seconds()*1000)
	}
}

func (b *bystander) fromStore(ctx context.Context, id int64) error {
	_, err := b.of.points(ctx, storage.ReadRequest{IDs: []int64{id}, From: b.first, To: b.first + hour, BaseBefore: b.first / day * day})
	return err
}

func (b *bystander) results() (list []Result) {
	for _, t := range append(b.tasks, task{name: fmt.Sprintf("floor: by how much a rest of %s was too long", rest), took: b.late}) {
		if len(t.took) > 0 {
			list = append(list, summary(t.name, t.took))
		}
	}
	return list
}

// reckoning returns arithmetic that takes half a millisecond while nothing is beside
// it. It neither allocates nor waits, so what it takes more is other work's.
func reckoning() func(context.Context) error {
	steps, best, x := 100_000, time.Duration(math.MaxInt64), uint64(1)
	for range 5 {
		began := time.Now()
		x = reckon(x, steps)
		best = min(best, time.Since(began))
	}
	steps = int(float64(steps) * float64(500*time.Microsecond) / float64(max(best, 1)))
	return func(context.Context) error {
		if x = reckon(x, steps); x == 0 {
			return errReckon
		}
		return nil
	}
}

var errReckon = errors.New("arithmetic came to 0, which it cannot")

// reckon is Marsaglia's xorshift, which never comes from another number to 0.
func reckon(x uint64, steps int) uint64 {
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// points reads and decodes.
func (r *run) points(ctx context.Context, req storage.ReadRequest) ([]block.Point, error) {
	sel, err := r.store.Read(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(req.Sketches) == 0 { // else points hold parts of blocks
		defer sel.Release()
	}
	n := len(sel.Blocks) + len(sel.Rollups)
	for _, c := range sel.Chunks {
		n += block.ChunkPoints(c.Data)
	}
	points := append(make([]block.Point, 0, n), sel.Rollups...)
	for _, c := range sel.Chunks {
		if points, err = block.DecodeChunk(c.Data, c.Start, points); err != nil {
			return nil, err
		}
	}
	for _, id := range append(req.IDs, req.Sketches...) {
		finder := block.NewFinder(id)
		for _, b := range sel.Blocks {
			if err := block.Check(b.Data); err != nil {
				return nil, err
			}
			if points, err = finder.Find(b.Data, points); err != nil {
				return nil, err
			}
		}
	}
	return points, nil
}

// summary makes a result of how long something took, in milliseconds.
func summary(name string, took []float64) Result {
	return Result{Name: name, Ops: int64(len(took)), P50: quantile(took, 0.5), P95: quantile(took, 0.95), P99: quantile(took, 0.99)}
}
