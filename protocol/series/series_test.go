package series

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

func keyGen() *rapid.Generator[Key] {
	return rapid.Custom(func(t *rapid.T) Key {
		k := Key{Name: rapid.StringMatching(`[a-z_][a-z0-9_.]{0,20}`).Draw(t, "name"), Type: protocol.Type(rapid.IntRange(1, protocol.NumTypes-1).Draw(t, "type"))}
		tags := rapid.MapOfN(rapid.StringN(1, 8, -1), rapid.StringN(0, 8, -1), 0, 15).Draw(t, "tags")
		for key, value := range tags {
			k.Tags = append(k.Tags, Tag{key, value})
		}
		slices.SortFunc(k.Tags, func(a, b Tag) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
		return k
	})
}

func TestKeyRoundTripAndTagOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := keyGen().Draw(t, "key")
		b := k.Append(nil)
		got, err := Parse(b)
		if err != nil || got.String() != k.String() || got.Type != k.Type {
			t.Fatalf("got %v, %v; want %v", got, err, k)
		}
		m := &protocol.Metric{Name: []byte(k.Name), Type: k.Type}
		for _, tag := range rapid.Permutation(k.Tags).Draw(t, "order") {
			m.Tags = append(m.Tags, protocol.Tag{Key: []byte(tag.Key), Value: []byte(tag.Value)})
		}
		if !bytes.Equal(AppendMetric(nil, m), b) {
			t.Fatal("the order in which tags are sent makes another series")
		}
	})
}

func TestMatchers(t *testing.T) {
	k := Key{Name: "http.requests", Type: protocol.Counter, Tags: []Tag{{"env", "prod"}, {"host", "web01"}}}
	for _, c := range []struct {
		tag   string
		op    MatchOp
		value string
		want  bool
	}{
		{NameTag, Equal, "http.requests", true},
		{NameTag, Regexp, "http", false}, // anchored
		{NameTag, Regexp, "http.*", true},
		{TypeTag, Equal, "counter", true},
		{"env", Equal, "prod", true},
		{"env", NotEqual, "prod", false},
		{"host", Regexp, "web.*|db.*", true},
		{"host", NotRegexp, "web.*", false},
		{"missing", Equal, "", true},
		{"missing", NotEqual, "", false},
		{"missing", Regexp, ".+", false},
	} {
		m, err := NewMatcher(c.tag, c.op, c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := MatchAll([]Matcher{m}, k); got != c.want {
			t.Errorf("%q %d %q: %v", c.tag, c.op, c.value, got)
		}
	}
	if _, err := NewMatcher("a", Regexp, "("); err == nil {
		t.Error("a broken expression is taken")
	}
	if _, err := NewMatcher("a", Regexp, string(make([]byte, 2000))); err == nil {
		t.Error("an endless expression is taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Key{Name: "a", Type: protocol.Gauge, Tags: []Tag{{"k", "v"}}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := Parse(b); err == nil {
			if _, err := Parse(k.Append(nil)); err != nil {
				t.Fatalf("what was parsed does not encode: %v", err)
			}
		}
	})
}
