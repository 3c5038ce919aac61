package storage

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// eachStore runs a test with two handles on one store, as of two daemons.
func eachStore(t *testing.T, test func(t *testing.T, stores []*Store)) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "sqlite:nexus.db" },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			at, s := url(t), (*Store)(nil)
			s = migrated(t, at)
			if s.files != nil {
				at = "sqlite:" + s.db.Path
			}
			again, err := Open(t.Context(), Options{URL: at})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, []*Store{s, again})
		})
	}
}

func drawKey(rt *rapid.T) []byte {
	k := series.Key{
		Name: rapid.SampledFrom([]string{"http.requests", "http.errors", "db.time"}).Draw(rt, "name"),
		Type: protocol.Type(rapid.IntRange(1, 3).Draw(rt, "type")),
	}
	for _, tag := range []string{"env", "host"} {
		if rapid.Bool().Draw(rt, "has") {
			value := rapid.SampledFrom([]string{"", "prod", "web1", "web2", "web10", "db1"}).Draw(rt, tag)
			k.Tags = append(k.Tags, series.Tag{Key: tag, Value: value})
		}
	}
	return k.Append(nil)
}

func drawMatchers(rt *rapid.T) (ms []series.Matcher) {
	tags := rapid.SampledFrom([]string{"env", "host", "nope", series.NameTag, series.TypeTag})
	ops := rapid.SampledFrom([]series.MatchOp{series.Equal, series.NotEqual, series.Regexp, series.NotRegexp})
	values := rapid.SampledFrom([]string{"", "prod", "web1", "web.*", "web1|web2", "http\\..*", "counter", ".*", ".+", "|prod", "db.time"})
	for range rapid.IntRange(0, 3).Draw(rt, "matchers") {
		m, err := series.NewMatcher(tags.Draw(rt, "tag"), ops.Draw(rt, "op"), values.Draw(rt, "value"))
		if err != nil {
			rt.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// TestIndexAgreesWithScan: whoever added the series, before the index was made
// or after, it finds what a scan of the rows does.
func TestIndexAgreesWithScan(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		rapid.Check(t, func(rt *rapid.T) {
			if rapid.IntRange(0, 9).Draw(rt, "forget") == 0 {
				stores[0].index.forget()
			}
			adder := stores[rapid.IntRange(0, 1).Draw(rt, "adder")]
			if _, err := adder.Resolve(t.Context(), rapid.SliceOfN(rapid.Custom(drawKey), 0, 4).Draw(rt, "keys")); err != nil {
				rt.Fatal(err)
			}
			s := stores[rapid.IntRange(0, 1).Draw(rt, "reader")]
			ms, after, limit := drawMatchers(rt), rapid.Int64Range(0, 50).Draw(rt, "after"), rapid.IntRange(1, 100).Draw(rt, "limit")
			want, err := s.scanSeries(t.Context(), ms, after, limit)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := s.FindSeries(t.Context(), ms, after, limit)
			if err != nil || len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				rt.Fatalf("found %v, %v, want %v", got, err, want)
			}
		})
		for _, s := range stores {
			if err := s.IndexSeries(t.Context()); err != nil {
				t.Fatal(err)
			}
			z, err := s.Sizes(t.Context())
			if n, bytes := s.IndexSize(); err != nil || int64(n) != z.Series || bytes == 0 {
				t.Errorf("the index holds %d series in %d bytes, the store %d, %v", n, bytes, z.Series, err)
			}
		}
	})
}

// TestIndexFollowsAStoreThatWentBack: a replica that lacked the last additions
// gives their ids to others.
func TestIndexFollowsAStoreThatWentBack(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		s, ctx := stores[0], t.Context()
		resolve(t, s, "a", "b")
		if got := named(t, s, "b"); len(got) != 1 {
			t.Fatal(got)
		}
		err := s.write(ctx, "go back", func(ctx context.Context, tx *sql.Tx) error {
			for _, q := range []string{"DELETE FROM series WHERE name = 'b'", "DELETE FROM series_run WHERE name = 'b'", "UPDATE series_next SET changes = changes - 1"} {
				if _, err := tx.ExecContext(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := s.IndexSize(); n != 2 {
			t.Fatalf("%d series before", n)
		}
		if got := named(t, s, "b"); len(got) != 0 {
			t.Errorf("found %v", got)
		}
		if n, _ := s.IndexSize(); n != 1 {
			t.Errorf("the index holds %d series", n)
		}
	})
}

// TestIndexBeyondItsLimit: what does not fit is found by scans.
func TestIndexBeyondItsLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		resolve(t, stores[1], "a", "b", "c")
		full, growing := stores[0], stores[1]
		full.index.limit = 100
		if got := named(t, full, "c"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
		if got := named(t, growing, "c"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
		growing.index.limit = 100
		resolve(t, growing, "d")
		for _, s := range stores {
			if n, bytes := s.IndexSize(); n != 0 || bytes != 0 {
				t.Errorf("an index of %d series in %d bytes is kept", n, bytes)
			}
			if got := named(t, s, "d"); len(got) != 1 {
				t.Errorf("found %v", got)
			}
		}
	})
}

func resolve(t *testing.T, s *Store, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := s.Resolve(t.Context(), [][]byte{series.Key{Name: n, Type: protocol.Gauge}.Append(nil)}); err != nil {
			t.Fatal(err)
		}
	}
}

func named(t *testing.T, s *Store, name string) []Series {
	t.Helper()
	m, err := series.NewMatcher(series.NameTag, series.Equal, name)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.FindSeries(t.Context(), []series.Matcher{m}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clip(list)
}
