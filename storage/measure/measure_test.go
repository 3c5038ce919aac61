package measure

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
)

// empty opens an empty SQLite store.
func empty(t *testing.T) *storage.Store {
	t.Helper()
	dir := t.TempDir()
	m, err := migrate.Open(t.Context(), "sqlite:nexus.db", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(t.Context(), storage.Options{URL: "sqlite:nexus.db", DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestBeside reads while flushes go on.
func TestBeside(t *testing.T) {
	memory := &fakeMemory{}
	list, err := Run(t.Context(), empty(t), Options{
		Mix: Realistic, Series: 2000, Flushes: 150, Beside: true, Step: 10 * second, Memory: func(*storage.Store) Memory { return memory },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 7 || list[0].Ops != 150 || memory.flushes.Load() != 150 || memory.reads.Load() == 0 || memory.starts.Load() != 1 || memory.runs.Load() != 1 {
		t.Fatalf("%d flushes, %d reads: %+v", memory.flushes.Load(), memory.reads.Load(), list)
	}
	for _, r := range list {
		if r.P50 <= 0 || r.P99 < r.P50 || r.Ops == 0 {
			t.Errorf("%+v", r)
		}
	}
}

type fakeMemory struct{ starts, runs, flushes, reads atomic.Int64 }

func (m *fakeMemory) Start(context.Context) error {
	m.starts.Add(1)
	return nil
}

func (m *fakeMemory) Run(ctx context.Context) {
	<-ctx.Done()
	m.runs.Add(1)
}

func (m *fakeMemory) Stored(storage.Flush) { m.flushes.Add(1) }

func (m *fakeMemory) LastHour(context.Context, int64, int64, bool) (int, error) {
	m.reads.Add(1)
	return 0, nil
}

// TestRun measures two days of a few series, with points far apart, so that every
// figure is there.
func TestRun(t *testing.T) {
	s := empty(t)
	list, err := Run(t.Context(), s, Options{
		Mix: Realistic, Series: 50, Hours: 48, Step: 10 * minute, CPU: func() float64 { return 0 }, Tell: func(string, ...any) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Result{}
	for _, r := range list {
		name, _, _ := strings.Cut(r.Name, " (")
		seen[name] = r
	}
	if r := seen["size of all but emptied blocks"]; r.Ops != 50*48*6 || r.Bytes <= 0 || r.BytesPerValue >= r.BytesPerPoint {
		t.Errorf("%+v", r)
	}
	if r := seen["sum by a tag of 50 series, the last 24 hours by the minute"]; r.Ops != sumTries || r.P50 <= 0 {
		t.Errorf("%+v", list)
	}
	grown := 0
	for _, r := range list {
		if strings.HasSuffix(r.Name, " with 1 days stored") {
			grown++
		}
	}
	if grown != 3 {
		t.Errorf("%d reads of a store of one day: %+v", grown, list)
	}
	if r := seen["read one series, the last 24 hours"]; !strings.Contains(r.Name, "(144 points)") || r.P50 <= 0 || r.P95 < r.P50 {
		t.Errorf("%+v", list)
	}
}

// TestUpkeep: what is timed beside work on the store is there, and the work is done.
func TestUpkeep(t *testing.T) {
	list, err := Run(t.Context(), empty(t), Options{Mix: Realistic, Series: 100, Compact: true, Step: minute})
	if err != nil || len(list) != 2 || list[0].P50 <= 0 || list[1].Ops < 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	list, err = Run(t.Context(), empty(t), Options{Mix: Realistic, Series: 50, Hours: 24, Step: 10 * minute, AtOnce: true, Retain: true, Tell: func(string, ...any) {}})
	if err != nil {
		t.Fatal(err)
	}
	given := list[len(list)-2]
	if given.Name != "give up a day (1 partitions or files)" || given.P50 <= 0 {
		t.Errorf("%+v", list)
	}
	for _, r := range list {
		if strings.HasPrefix(r.Name, "read one series, the last 24 hours") && !strings.Contains(r.Name, "(144 points)") {
			t.Errorf("hours that were stored at once: %+v", r)
		}
	}
}

// TestAddUp: adding up one column gives what whole points give.
func TestAddUp(t *testing.T) {
	const from = 20_000 * day
	sel := storage.Selection{}
	var want totals
	for id := range int64(25) {
		points := make([]block.Point, 0, day/minute)
		for at := int64(from); at < from+day; at += (id + 1) * minute {
			v := float64(id*1000 + at%977)
			points = append(points, block.Point{Time: at, Kind: block.Gauge, N: 1, Last: v, Min: v, Max: v, Sum: v})
			want[id%sumGroups][(at-from)/minute] += v
		}
		sel.Chunks = append(sel.Chunks, storage.Chunk{
			Series: id, Start: from, Data: block.AppendChunk(nil, from, block.Gauge, points), Span: storage.Span{From: from, To: from + day - 1, Width: minute},
		})
	}
	got, err := addUp(sel, from)
	if err != nil || *got != want {
		t.Errorf("%v, sums differ", err)
	}
	if _, err := addUp(storage.Selection{Blocks: make([]storage.StoredBlock, 1)}, from); err == nil {
		t.Error("blocks are left out in silence")
	}
}

// TestLookups: the look-ups find what the set was made of, and have figures.
func TestLookups(t *testing.T) {
	list, err := Lookups(t.Context(), empty(t), Options{Series: 16_000, CPU: func() float64 { return 0 }, Tell: func(string, ...any) {}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Result{}
	for _, r := range list {
		seen[r.Name] = r
	}
	for _, name := range []string{`ids of env="prod",host=~"web.*" (2000 series)`, `ids of env="prod",host="web0042" (2 series)`, "the same, with their rows (2 series)"} {
		if r := seen[name]; r.P50 <= 0 || r.P95 < r.P50 {
			t.Errorf("%s: %+v", name, list)
		}
	}
	if r := seen["make the index"]; r.BytesPerSeries <= 0 {
		t.Errorf("%+v", r)
	}
}

// TestSet: the set is of the kinds that it says, and counts its values.
func TestSet(t *testing.T) {
	s := newSet(Mix{Counters: 40, Gauges: 30, Timers: 20}, 1000, nil)
	found := map[kind]int{}
	for _, k := range s.kinds {
		found[k]++
	}
	if found[counter] != 400 || found[gauge] != 300 || found[timer] != 200 || found[constant] != 100 {
		t.Errorf("%v", found)
	}
	s.sort(make([]int64, 1000))
	for i := range 1000 {
		p := s.point(i, 0)
		n := distinct(&p)
		if p.Min > p.Max || n < 1 || n > 5 {
			t.Fatalf("%+v has %d values", p, n)
		}
	}
}
