package postings

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

func matcher(t testing.TB, tag string, op series.MatchOp, value string) series.Matcher {
	t.Helper()
	m, err := series.NewMatcher(tag, op, value)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestScan: an index finds what a scan of all keys finds.
func TestScan(t *testing.T) {
	value := rapid.SampledFrom([]string{"", "a", "web1", "web2", "web10", "db1", "WEB1", "\xff", "web\n"})
	pattern := rapid.SampledFrom([]string{"", "a", "web.*", "web1|web2", "web(1|2|10)?", "|a", ".*", ".+", "(?i)web1", "^web1$", "web[0-9]", "db1|.*0", "\ufffd", "a*", "web\\d+|", "(?:^a|db)1?"})
	tag := rapid.SampledFrom([]string{"env", "host", "nope", series.NameTag, series.TypeTag})
	op := rapid.SampledFrom([]series.MatchOp{series.Equal, series.NotEqual, series.Regexp, series.NotRegexp})
	rapid.Check(t, func(rt *rapid.T) {
		x, keys := New(), map[int64]series.Key{}
		for range rapid.IntRange(0, 60).Draw(rt, "series") {
			k := series.Key{Name: value.Draw(rt, "name"), Type: protocol.Type(rapid.IntRange(1, 3).Draw(rt, "type"))}
			for _, key := range []string{"env", "host"} {
				if rapid.Bool().Draw(rt, "has") {
					k.Tags = append(k.Tags, series.Tag{Key: key, Value: value.Draw(rt, key)})
				}
			}
			id := rapid.Int64Range(1, 200_000).Draw(rt, "id")
			if _, twice := keys[id]; twice {
				continue
			}
			keys[id] = k
			if err := errors.Join(x.Add(Entry{id, k}), x.Add(Entry{id, k})); err != nil {
				rt.Fatal(err)
			}
		}
		for id := range keys {
			if rapid.IntRange(0, 4).Draw(rt, "remove") == 0 {
				x.Remove(id, id)
				if err := x.Add(Entry{id, keys[id]}); err != nil { // what came late must not bring it back
					rt.Fatal(err)
				}
				delete(keys, id)
			}
		}
		var ms []series.Matcher
		for range rapid.IntRange(0, 3).Draw(rt, "matchers") {
			o := op.Draw(rt, "op")
			v := value.Draw(rt, "value")
			if o == series.Regexp || o == series.NotRegexp {
				v = pattern.Draw(rt, "pattern")
			}
			m, err := series.NewMatcher(tag.Draw(rt, "tag"), o, v)
			if err != nil {
				rt.Fatal(err)
			}
			ms = append(ms, m)
		}
		after, limit := rapid.Int64Range(0, 200_000).Draw(rt, "after"), rapid.IntRange(1, 50).Draw(rt, "limit")
		var want []int64
		for id, k := range keys {
			if id > after && series.MatchAll(ms, k) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		want = want[:min(limit, len(want))]
		if got := x.Find(ms, after, limit); !slices.Equal(got, want) {
			rt.Fatalf("found %v, want %v", got, want)
		}
		if x.Len() != len(keys) {
			rt.Fatalf("%d series, want %d", x.Len(), len(keys))
		}
	})
}

func TestAlternatives(t *testing.T) {
	for pattern, want := range map[string][]string{
		"web1": {"web1"}, "web1|web2|db": {"db", "web1", "web2"}, "a(b|c)?": {"a", "ab", "ac"}, "": {""},
		"web.*": nil, "(?i)a": nil, "[a-z][a-z]": nil, "\ufffd": nil, "^a": nil,
	} {
		got, ok := alternatives(pattern)
		slices.Sort(got)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q is spelled %q, %t, want %q", pattern, got, ok, want)
		}
	}
}

// TestReadersBesideWriters is for the race detector: look-ups of every shape,
// those that answer with the index's own bitmaps among them, while series come
// and go. Ids that are in from the first to the last are always found.
func TestReadersBesideWriters(t *testing.T) {
	x := New()
	entry := func(id int) Entry {
		return Entry{int64(id), series.Key{Name: fmt.Sprint("n", id%7), Type: protocol.Gauge, Tags: []series.Tag{{Key: "host", Value: fmt.Sprint("web", id%50)}}}}
	}
	const lasting = 300
	for id := range lasting {
		if err := x.Add(entry(id)); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for _, ms := range [][]series.Matcher{
		nil,
		{matcher(t, series.NameTag, series.Equal, "n3")},
		{matcher(t, "host", series.Regexp, "web.*")},
		{matcher(t, "host", series.NotEqual, "web1"), matcher(t, series.TypeTag, series.Equal, "gauge")},
	} {
		want := 0
		for id := range lasting {
			if series.MatchAll(ms, entry(id).Key) {
				want++
			}
		}
		readers.Go(func() {
			for {
				found := x.Find(ms, -1, math.MaxInt)
				if n := len(found); n < want || !slices.IsSorted(found) {
					t.Errorf("%d found of %d at least", n, want)
				}
				_, _, _, _ = x.Len(), x.Size(), x.Stale(), x.Tags()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 300 {
				id := lasting + 2*i + w
				if err := x.Add(entry(id)); err != nil {
					t.Error(err)
				}
				if i%3 == 0 {
					x.Remove(int64(id))
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if got := len(x.Find(nil, -1, math.MaxInt)); got != lasting+400 || x.Stale() != 200 {
		t.Errorf("%d series at the end, %d stale", got, x.Stale())
	}
}

func TestIDTooLarge(t *testing.T) {
	for _, id := range []int64{-1, math.MaxUint32 + 1} {
		if err := New().Add(Entry{id, series.Key{Name: "a", Type: protocol.Gauge}}); !errors.Is(err, ErrID) {
			t.Errorf("id %d: %v", id, err)
		}
	}
}

// million fills an index with a million series: 63 names on 16,000 places, of
// 2,000 hosts, 8 regions and 4 environments.
func million() *Index {
	x := New()
	for i := range 1_000_000 {
		host := i % 2000
		kind := "web"
		if host%2 == 1 {
			kind = "db"
		}
		_ = x.Add(Entry{int64(i + 1), series.Key{Name: fmt.Sprint("service.metric.", i/16000), Type: protocol.Counter, Tags: []series.Tag{
			{Key: "env", Value: []string{"prod", "staging", "test", "dev"}[i/2000%4]},
			{Key: "host", Value: fmt.Sprintf("%s%04d", kind, host)},
			{Key: "region", Value: fmt.Sprint("region-", i/2000%8)},
		}}})
	}
	return x
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkFindMillion(b *testing.B) {
	before := heap()
	x := million()
	taken := float64(heap()-before) / float64(x.Len())
	for name, ms := range map[string][]series.Matcher{
		"equal and expression": {matcher(b, "env", series.Equal, "prod"), matcher(b, "host", series.Regexp, "web.*")},
		"two equalities":       {matcher(b, "env", series.Equal, "prod"), matcher(b, "host", series.Equal, "web0042")},
		"unequal":              {matcher(b, "env", series.NotEqual, "prod"), matcher(b, "host", series.Regexp, "web0042|web0044")},
	} {
		b.Run(name, func(b *testing.B) {
			var n int
			for b.Loop() {
				n = len(x.Find(ms, 0, 1_000_000))
			}
			b.ReportMetric(float64(n), "series")
			b.ReportMetric(taken, "heap-B/series")
			b.ReportMetric(float64(x.Size())/float64(x.Len()), "reckoned-B/series")
		})
	}
	runtime.KeepAlive(x)
}
