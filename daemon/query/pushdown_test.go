package query

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// TestPushedMatchersDropNothing: whatever the tags are, and however they become
// labels, a series whose labels a selector takes is among those that the store is
// asked for.
func TestPushedMatchersDropNothing(t *testing.T) {
	keys := []string{"a", "b", "a.b", "a_b", "a-b", "a:b", "1a", "_1a", "env", "ENV", "é", "_", "", "__name__"}
	names := []string{"a", "b", "a_b", "_1a", "env", "ENV", "_", "a.b", "é", "", "__name__", "none"}
	values := []string{"", "x", "y", "xy", "x.y", "web1", "web2", "x\ny", "\xff", "X"}
	patterns := append(slices.Clone(values[:8]), "x|y", ".*", ".+", "web[12]", "(?i)x", "(?i:x)|y", "x.*", "^x$", "(x", "x|", "[^x]*", "", "(?s).y", "\\Qx.y\\E", "$", "x.y")
	pushedSome := 0
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer, protocol.Raw}).Draw(t, "type")
		k := series.Key{Name: "m", Type: typ}
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 5, rapid.ID[string]).Draw(t, "keys") {
			if typ == protocol.Raw && (key == "" || key == nameLabel) {
				continue
			}
			k.Tags = append(k.Tags, series.Tag{Key: key, Value: rapid.SampledFrom(values).Draw(t, "value")})
		}
		slices.SortFunc(k.Tags, func(a, b series.Tag) int { return strings.Compare(a.Key, b.Key) })
		var ms []*labels.Matcher
		for range rapid.IntRange(1, 3).Draw(t, "matchers") {
			op := rapid.SampledFrom([]labels.MatchType{labels.MatchEqual, labels.MatchNotEqual, labels.MatchRegexp, labels.MatchNotRegexp}).Draw(t, "op")
			value := rapid.SampledFrom(values).Draw(t, "want")
			if op == labels.MatchRegexp || op == labels.MatchNotRegexp {
				value = rapid.SampledFrom(patterns).Draw(t, "pattern")
			}
			m, err := labels.NewMatcher(op, rapid.SampledFrom(names).Draw(t, "label"), value)
			if err != nil {
				continue // the parser refuses it, too
			}
			ms = append(ms, m)
		}
		c := target{shown: "m", typ: typ}
		stored, err := storedMatchers(storage.Name{Name: k.Name, Type: typ}, ms)
		if err != nil {
			t.Fatal(err)
		}
		pushedSome += len(stored) - 2
		if matchAll(withoutName(ms), c.labels(k)) && !series.MatchAll(stored, k) {
			t.Fatalf("%v takes %v, and the store drops %q", ms, c.labels(k), k.Tags)
		}
	})
	if pushedSome == 0 {
		t.Error("nothing is ever asked of the store")
	}
}

// withoutName: names are told by the targets.
func withoutName(ms []*labels.Matcher) (out []*labels.Matcher) {
	for _, m := range ms {
		if m.Name != nameLabel {
			out = append(out, m)
		}
	}
	return out
}

// BenchmarkSelectOneOfMany looks for one of 100,000 series of a name by its tag.
func BenchmarkSelectOneOfMany(b *testing.B) {
	const many = 100_000
	r := newRig(b, Options{MaxSeries: 2 * many})
	keys := make([][]byte, many)
	for i := range keys {
		keys[i] = series.Key{Name: "m", Type: protocol.Gauge, Tags: []series.Tag{{Key: "env", Value: fmt.Sprint("e", i%10)}, {Key: "host", Value: fmt.Sprint("h", i)}}}.Append(nil)
	}
	for part := range slices.Chunk(keys, 10_000) {
		if _, err := r.store.Resolve(b.Context(), part); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.store.BuildIndex(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, ms := range map[string][]*labels.Matcher{
		"equal":  {labels.MustNewMatcher(labels.MatchEqual, "host", "h77777")},
		"regexp": {labels.MustNewMatcher(labels.MatchRegexp, "host", "h7777[0-9]")},
		"both":   {labels.MustNewMatcher(labels.MatchEqual, "env", "e7"), labels.MustNewMatcher(labels.MatchRegexp, "host", "h7777.*")},
	} {
		for _, push := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/pushed=%v", name, push), func(b *testing.B) {
				said := ms
				if !push {
					said = nil
				}
				stored, err := storedMatchers(storage.Name{Name: "m", Type: protocol.Gauge}, said)
				if err != nil {
					b.Fatal(err)
				}
				q := &querier{reader: r.reader}
				targets := []target{{matchers: stored, shown: "m", stored: "m", typ: protocol.Gauge}}
				found := 0
				for b.Loop() {
					list, err := q.pick(b.Context(), targets, ms)
					if err != nil {
						b.Fatal(err)
					}
					found = len(list)
				}
				if found == 0 {
					b.Fatal("nothing is found")
				}
				b.ReportMetric(float64(found), "series")
			})
		}
	}
}
