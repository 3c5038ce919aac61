package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// nameBatch is how many new series the store is given at once, as a flush does.
const nameBatch = 20_000

// ErrNoIndex reports a store that made no index of its series.
var ErrNoIndex = errors.New("the store has no index of its series: they may be too many for it")

// Lookups names series in an empty store, has them indexed, and times look-ups
// by tags: what the index alone answers, and with the rows.
func Lookups(ctx context.Context, s *storage.Store, o Options) ([]Result, error) {
	r := &run{Options: o, store: s}
	named, err := r.nameAll(ctx)
	if err != nil {
		return nil, err
	}
	built, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	list := []Result{named, built}
	for _, q := range lookups {
		more, err := r.lookUp(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// lookupKey is the canonical key of series i: a name for 16,000 neighbours,
// 2,000 hosts, 4 environments and 8 regions.
func lookupKey(i int) []byte {
	host, kind := i%2000, "web"
	if host%2 == 1 {
		kind = "db"
	}
	return series.Key{Name: fmt.Sprint("service.metric.", i/16_000), Type: protocol.Counter, Tags: []series.Tag{
		{Key: "env", Value: []string{"prod", "staging", "test", "dev"}[i/2000%4]},
		{Key: "host", Value: fmt.Sprintf("%s%04d", kind, host)},
		{Key: "region", Value: fmt.Sprint("region-", i/2000%8)},
	}}.Append(nil)
}

// nameAll has the store give every series its id.
func (r *run) nameAll(ctx context.Context) (Result, error) {
	var took []float64
	cpu, began := r.CPU(), time.Now()
	for from := 0; from < r.Series; from += nameBatch {
		var keys [][]byte
		for i := from; i < min(from+nameBatch, r.Series); i++ {
			keys = append(keys, lookupKey(i))
		}
		begin := time.Now()
		if _, err := r.store.Resolve(ctx, keys); err != nil {
			return Result{}, err
		}
		took = append(took, time.Since(begin).Seconds()*1000)
		r.Tell("named %d of %d series, after %s", min(from+nameBatch, r.Series), r.Series, time.Since(began).Round(time.Second))
	}
	return Result{
		Name: fmt.Sprintf("name %d new series, %d at once", r.Series, nameBatch), Ops: int64(len(took)), P50: quantile(took, 0.5), P95: quantile(took, 0.95),
		PerSecond: float64(r.Series) / time.Since(began).Seconds(), CPUSPerMillion: (r.CPU() - cpu) / float64(r.Series) * 1e6,
	}, nil
}

// build makes the index, and weighs it on the heap.
func (r *run) build(ctx context.Context) (Result, error) {
	before, cpu, began := heap(), r.CPU(), time.Now()
	if err := r.store.BuildIndex(ctx); err != nil {
		return Result{}, err
	}
	took, used := time.Since(began), r.CPU()-cpu
	n, _ := r.store.IndexSize()
	if n != r.Series {
		return Result{}, fmt.Errorf("%w: it holds %d series of %d", ErrNoIndex, n, r.Series)
	}
	bytes := int64(heap()) - int64(before)
	return Result{
		Name: "make the index", Ops: 1, P50: took.Seconds() * 1000, PerSecond: float64(n) / took.Seconds(),
		CPUSPerMillion: used / float64(n) * 1e6, Bytes: bytes, BytesPerSeries: float64(bytes) / float64(n),
	}, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// lookup is a question, and how often it is put.
type lookup struct {
	name     string
	matchers []matcher
	times    int
}

type matcher struct {
	tag   string
	op    series.MatchOp
	value string
}

var lookups = []lookup{
	{`env="prod",host=~"web.*"`, []matcher{{"env", series.Equal, "prod"}, {"host", series.Regexp, "web.*"}}, 50},
	{`env="prod",host="web0042"`, []matcher{{"env", series.Equal, "prod"}, {"host", series.Equal, "web0042"}}, 500},
	{`env!="prod",host=~"web0042|web0044"`, []matcher{{"env", series.NotEqual, "prod"}, {"host", series.Regexp, "web0042|web0044"}}, 200},
	{`host!~"web.*",nosuch=""`, []matcher{{"host", series.NotRegexp, "web.*"}, {"nosuch", series.Equal, ""}}, 50},
}

// fewRows is up to how many series are read with their rows too: with more the
// rows alone are what is measured.
const fewRows = 10_000

func (r *run) lookUp(ctx context.Context, q lookup) ([]Result, error) {
	ms := make([]series.Matcher, len(q.matchers))
	for i, m := range q.matchers {
		var err error
		if ms[i], err = series.NewMatcher(m.tag, m.op, m.value); err != nil {
			return nil, err
		}
	}
	found := 0
	ids, err := timed(q.times, func() error {
		list, indexed, err := r.store.FindIDs(ctx, ms, 0, r.Series)
		if err == nil && !indexed {
			err = ErrNoIndex
		}
		found = len(list)
		return err
	})
	ids.Name = fmt.Sprintf("ids of %s (%d series)", q.name, found)
	if err != nil || found > fewRows {
		return []Result{ids}, err
	}
	rows, err := timed(q.times, func() error {
		list, err := r.store.FindSeries(ctx, ms, 0, r.Series)
		if err == nil && len(list) != found {
			err = fmt.Errorf("%s: %d rows of %d series", q.name, len(list), found)
		}
		return err
	})
	rows.Name = fmt.Sprintf("the same, with their rows (%d series)", found)
	return []Result{ids, rows}, err
}

func timed(times int, f func() error) (Result, error) {
	took := make([]float64, 0, times)
	for range times {
		began := time.Now()
		if err := f(); err != nil {
			return Result{}, err
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	slices.Sort(took)
	return Result{Ops: int64(times), P50: quantile(took, 0.5), P95: quantile(took, 0.95)}, nil
}
