package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

const (
	second = 1000 // milliseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Result is one figure, or several of one thing. Zero is what was not measured.
type Result struct {
	Name           string  `json:"name"`
	Ops            int64   `json:"ops"`
	P50            float64 `json:"p50_ms,omitempty"`
	P95            float64 `json:"p95_ms,omitempty"`
	P99            float64 `json:"p99_ms,omitempty"`
	PerSecond      float64 `json:"per_second,omitempty"`
	CPUSPerMillion float64 `json:"cpu_s_per_million,omitempty"` // points; client and server
	Bytes          int64   `json:"bytes,omitempty"`
	BytesPerPoint  float64 `json:"bytes_per_point,omitempty"`  // of ten seconds
	BytesPerValue  float64 `json:"bytes_per_value,omitempty"`  // that differs within its point
	BytesPerSeries float64 `json:"bytes_per_series,omitempty"` // of memory
}

// Options say what is measured.
type Options struct {
	Mix     Mix
	Series  int
	Hours   int                         // of points, compacted and rolled up
	Flushes int                         // that are timed one by one; 0: only the hours
	Beside  bool                        // time reads beside the flushes
	Compact bool                        // time the flushes while an hour of as many series is compacted
	Open    bool                        // flushes are of the hour that goes on now, as a daemon finds them that starts
	AtOnce  bool                        // store each hour in one flush: for reads of much, not for what it costs
	Retain  bool                        // give up the first day at the end
	Step    int64                       // between two points of a series, milliseconds
	CPU     func() float64              // seconds of processor time that this process has used
	Server  func() float64              // the same of a database server; nil: there is none
	Memory  func(*storage.Store) Memory // a daemon's reads beside flushes; nil: they are not measured
	GiveWay func()                      // called between two blocks of a flush, as a daemon lets others go first
	Tell    func(format string, args ...any)
}

// Writer names the log of what is written.
const Writer = "measure"

// run is one measurement on one store.
type run struct {
	Options
	store         *storage.Store
	set           *set
	now           int64
	seq           uint64
	spent, served spent
}

// Run measures an empty store.
func Run(ctx context.Context, s *storage.Store, o Options) ([]Result, error) {
	r := &run{Options: o, store: s, set: newSet(o.Mix, o.Series, o.GiveWay)}
	r.now = time.Now().UnixMilli()/day*day - int64((o.Hours+23)/24)*day
	if o.Open {
		r.now = time.Now().UnixMilli() / hour * hour
	}
	ids, err := s.Resolve(ctx, r.set.keys())
	if err != nil {
		return nil, err
	}
	r.set.sort(ids)
	switch {
	case o.Flushes > 0 && o.Beside:
		return r.beside(ctx)
	case o.Compact:
		return r.besideCompaction(ctx)
	case o.Flushes > 0:
		return r.flushes(ctx)
	}
	return r.hours(ctx)
}

// flushes times durable flushes, whose blocks were encoded before.
func (r *run) flushes(ctx context.Context) ([]Result, error) {
	var took []float64
	for range r.Flushes {
		d, err := r.flush(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, d.Seconds()*1000)
	}
	return []Result{summary(fmt.Sprintf("flush of %d series", r.Series), took)}, nil
}

// flush stores one bucket and returns how long the store took.
func (r *run) flush(ctx context.Context) (time.Duration, error) { return r.commit(ctx, r.draft()) }

// draft encodes the next bucket.
func (r *run) draft() storage.Flush {
	f := storage.Flush{Writer: Writer, From: r.seq, To: r.seq + 1, Seq: r.seq + 1, Hour: r.now / hour}
	at := r.now
	points := r.make()
	for _, b := range r.set.encode(points, at) {
		f.Blocks = append(f.Blocks, storage.Block{Shard: b.shard, Data: b.data})
	}
	r.seq++
	return f
}

// make makes the points of the next bucket, or of the next hour.
func (r *run) make() []block.Point {
	defer r.spend(making)()
	if !r.AtOnce {
		points := r.set.bucket(r.now)
		r.now += r.Step
		return points
	}
	n := int(hour / r.Step)
	all := make([]block.Point, n*len(r.set.ids)) // by series, then time
	for t := range n {
		for i, p := range r.set.bucket(r.now) {
			all[i*n+t] = p
		}
		r.now += r.Step
	}
	return all
}

func (r *run) commit(ctx context.Context, f storage.Flush) (time.Duration, error) {
	began := time.Now()
	_, err := r.store.Commit(ctx, f)
	return time.Since(began), err
}

// hours stores hours of points, compacts each as it ends, and reads.
func (r *run) hours(ctx context.Context) ([]Result, error) {
	before, err := r.store.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	first := r.now
	var grown []Result // reads, while the store grew
	for h := range r.Hours {
		if err := r.hour(ctx); err != nil {
			return nil, err
		}
		r.Tell("hour %d of %d, after %s", h+1, r.Hours, time.Since(began).Round(time.Second))
		if d := (h + 1) / 24; r.now%day == 0 && (d == 1 || d == 7 || d == 30) && h+1 < r.Hours {
			list, err := r.allReads(ctx, r.now-day)
			if err != nil {
				return nil, err
			}
			for _, one := range list {
				one.Name += fmt.Sprintf(" with %d days stored", d)
				grown = append(grown, one)
			}
		}
	}
	results := r.costs(time.Since(began))
	sizes, err := r.sizes(ctx, before)
	if err != nil {
		return nil, err
	}
	reads, err := r.allReads(ctx, first)
	if err == nil && r.Retain {
		var given []Result
		given, err = r.retain(ctx, first)
		reads = append(reads, given...)
	}
	return slices.Concat(results, sizes, grown, reads), err
}

// hour stores the next hour of points and does what is due when it is over.
func (r *run) hour(ctx context.Context) error {
	flushed, stored := r.spend(storing), r.serve(storing)
	for end := r.now + hour; r.now < end; {
		if _, err := r.flush(ctx); err != nil {
			return err
		}
	}
	flushed()
	stored()
	compacted, served := r.spend(compacting), r.serve(compacting)
	if _, err := r.store.Compact(ctx, r.now/hour); err != nil {
		return err
	}
	compacted()
	served()
	if r.now%day != 0 {
		return nil
	}
	defer r.spend(rolling)()
	defer r.serve(rolling)()
	_, err := r.store.RollDays(ctx, r.now/day)
	return err
}

// KeepEmpty is how long a store that is measured should keep partitions that
// compaction has emptied: nobody reads meanwhile.
const KeepEmpty = 100 * time.Millisecond

// settle waits until the partitions of blocks that compaction has emptied can go, and
// has them dropped. Hours are stored here in seconds: each would have left one, which
// every plan opens.
func (r *run) settle(ctx context.Context) error {
	if r.store.Backend() != dialect.Postgres {
		return nil
	}
	select {
	case <-time.After(2 * KeepEmpty):
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := r.store.Compact(ctx, r.now/hour)
	return err
}

// allReads times every kind of read that what was stored allows.
func (r *run) allReads(ctx context.Context, first int64) ([]Result, error) {
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	reads, err := r.reads(ctx, first)
	if err != nil || r.now-first < day || r.Mix.Timers > 0 {
		return reads, err
	}
	sums, err := r.sums(ctx)
	return append(reads, sums...), err
}

// sizes tells what each part takes of a ten-second point and of a value.
func (r *run) sizes(ctx context.Context, before storage.Sizes) (list []Result, err error) {
	z, err := r.store.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	had := map[string]int64{}
	for _, p := range before.Parts {
		had[p.Name] = p.Bytes
	}
	all := storage.Size{Name: "all", Bytes: z.Total - before.Total}
	if blocks, err := r.store.Blocks(ctx, 0, r.now/hour); err != nil {
		return nil, err
	} else if len(blocks) == 0 {
		// What compaction has emptied on Postgres is dropped a minute later.
		all.Name += " but emptied blocks"
		for _, p := range z.Parts {
			if p.Name == "flush_block" {
				all.Bytes -= p.Bytes - had[p.Name]
			}
		}
	}
	for _, p := range append(z.Parts, all) {
		n := p.Bytes - had[p.Name]
		list = append(list, Result{Name: "size of " + p.Name, Ops: r.set.points, Bytes: n,
			BytesPerPoint: float64(n) / float64(r.set.points), BytesPerValue: float64(n) / float64(r.set.distinct)})
	}
	return list, nil
}

// readTries is how many series each kind of read is asked for.
const readTries = 200

// reads times reads of one series, decoded into points.
func (r *run) reads(ctx context.Context, first int64) (list []Result, err error) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name       string
		back, step int64
		tries      int
	}{
		{"the last hour", hour, 0, readTries},
		{"the last 24 hours", day, 0, readTries},
		{"the last 7 days by the minute", 7 * day, minute, readTries},
		{"the last 30 days by the hour", 30 * day, hour, readTries},
		{"the last 30 days as gathered", 30 * day, 0, 20},
	} {
		if r.now-c.back < first {
			continue
		}
		var took []float64
		points := 0
		for i := range c.tries + warmUps {
			began := time.Now()
			n, err := r.read(ctx, r.set.ids[random.IntN(len(r.set.ids))], r.now-c.back, c.step)
			if err != nil {
				return nil, err
			}
			if points = n; i >= warmUps {
				took = append(took, time.Since(began).Seconds()*1000)
			}
		}
		list = append(list, summary(fmt.Sprintf("read one series, %s (%d points)", c.name, points), took))
	}
	return list, nil
}

func (r *run) read(ctx context.Context, id, from, step int64) (n int, err error) {
	req := storage.ReadRequest{From: from, To: r.now - 1, Step: step, BaseBefore: from / day * day}
	if r.Mix.Timers > 0 {
		req.Sketches = []int64{id}
	} else {
		req.IDs = []int64{id}
	}
	points, err := r.points(ctx, req)
	return len(points), err
}

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
