package storage

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/postings"
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
		build(t, stores[1])
		rapid.Check(t, func(rt *rapid.T) {
			switch rapid.IntRange(0, 9).Draw(rt, "index") {
			case 0:
				stores[0].index.forget()
			case 1, 2:
				build(t, stores[0])
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
			build(t, s)
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
		build(t, s)
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
		if n, _ := s.IndexSize(); n != 0 {
			t.Fatalf("an index of %d series is kept", n)
		}
		build(t, s)
		if n, _ := s.IndexSize(); n != 1 {
			t.Errorf("the index holds %d series", n)
		}
	})
}

// TestIndexTellsOneHistoryFromAnother: a store that went back, and since was given
// as many other series as it lost, has the ids of the lost ones with them.
func TestIndexTellsOneHistoryFromAnother(t *testing.T) {
	for name, adds := range map[string]int{"as many changes": 1, "more changes": 2} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, stores []*Store) {
				s := stores[0]
				resolve(t, s, "a")
				build(t, s)
				before := snapshotSeries(t, s)
				resolve(t, s, "b")
				heard, err := s.GoneSince(t.Context(), -1)
				if got := named(t, s, "b"); len(got) != 1 || err != nil {
					t.Fatal(got, err)
				}
				goBack(t, s, before)
				for i := range adds { // by one that knows nothing of what was lost
					resolve(t, stores[i], "c"+strconv.Itoa(i))
				}
				if got := named(t, s, "b"); len(got) != 0 {
					t.Errorf("the lost series is found as %v", got)
				}
				if got := named(t, s, "c0"); len(got) != 1 {
					t.Errorf("the new series is not found: %v", got)
				}
				build(t, s)
				if got := named(t, s, "c0"); len(got) != 1 {
					t.Errorf("the new series is not indexed: %v", got)
				}
				if g, err := s.GoneSince(t.Context(), heard.Changes); err != nil || g.Complete {
					t.Errorf("deletions since a lost change are complete: %+v, %v", g, err)
				}
			})
		})
	}
}

// seriesState are the changes that a later goBack returns to.
type seriesState struct{ next, changes int64 }

func snapshotSeries(t *testing.T, s *Store) (at seriesState) {
	t.Helper()
	err := s.read(t.Context(), "look", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT next, changes FROM series_next").Scan(&at.next, &at.changes)
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// goBack takes later series out of the store, as a replica that lags lacks them.
func goBack(t *testing.T, s *Store, at seriesState) {
	t.Helper()
	err := s.write(t.Context(), "go back", func(ctx context.Context, tx *sql.Tx) error {
		for q, arg := range map[string]int64{
			"DELETE FROM series WHERE id >= $1":        at.next,
			"DELETE FROM series_run WHERE start >= $1": at.next,
			"DELETE FROM series_change WHERE seq > $1": at.changes,
			"UPDATE series_next SET next = $1":         at.next,
			"UPDATE series_next SET changes = $1 + 0":  at.changes,
		} {
			if _, err := tx.ExecContext(ctx, s.db.Bind(q), arg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIndexIsMadeAnewAfterDamage: what the index says is held against the rows,
// and what it leaves out against their count.
func TestIndexIsMadeAnewAfterDamage(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		s, ctx := stores[0], t.Context()
		resolve(t, s, "a", "b")
		for _, damage := range []func(){
			func() {
				if err := s.index.found.Add(postings.Entry{ID: 4711, Key: series.Key{Name: "a", Type: protocol.Gauge}}); err != nil {
					t.Fatal(err)
				}
				if got := named(t, s, "a"); len(got) != 1 {
					t.Errorf("found %v", got)
				}
			},
			func() {
				s.index.found.Remove(named(t, s, "b")[0].ID)
				if err := s.auditIndex(ctx); err != nil {
					t.Fatal(err)
				}
			},
		} {
			build(t, s)
			if err := s.auditIndex(ctx); err != nil {
				t.Fatal(err)
			}
			before := s.IndexStats().Damaged.Load()
			damage()
			if n, _ := s.IndexSize(); n != 0 || s.IndexStats().Damaged.Load() != before+1 {
				t.Errorf("a damaged index of %d series is kept", n)
			}
			if err := s.followIndex(ctx); err != nil {
				t.Fatal(err)
			}
			if got := named(t, s, "b"); len(got) != 1 {
				t.Errorf("found %v", got)
			}
		}
	})
}

// TestIndexBesideWriters is for the race detector: two daemons name series,
// each looks for them at once, and indexes are made, kept and thrown away
// meanwhile. What was named before is always found.
func TestIndexBesideWriters(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		ctx, stop := context.WithCancel(t.Context())
		var keepers, workers sync.WaitGroup
		for _, s := range stores {
			keepers.Go(func() { s.KeepIndex(ctx) })
			workers.Go(func() {
				for range 20 {
					time.Sleep(time.Millisecond)
					s.index.forget()
				}
			})
		}
		host, err := series.NewMatcher("host", series.Regexp, "web.*")
		if err != nil {
			t.Fatal(err)
		}
		for w := range 4 {
			s := stores[w%2]
			workers.Go(func() {
				for i := range 25 {
					k := series.Key{Name: fmt.Sprint("n", i), Type: protocol.Gauge, Tags: []series.Tag{{Key: "host", Value: fmt.Sprint("web", w)}}}
					if _, err := s.Resolve(t.Context(), [][]byte{k.Append(nil)}); err != nil {
						t.Error(err)
						return
					}
					for _, ms := range [][]series.Matcher{nil, {host}} {
						list, err := stores[i%2].FindSeries(t.Context(), ms, 0, 1000)
						if err != nil || !slices.ContainsFunc(list, func(f Series) bool { return f.Key.String() == k.String() }) {
							t.Errorf("%s is not among %d series, %v", k, len(list), err)
						}
					}
				}
			})
		}
		workers.Wait()
		stop()
		keepers.Wait()
		build(t, stores[0])
		if n, _ := stores[0].IndexSize(); n != 100 {
			t.Errorf("%d series at the end", n)
		}
	})
}

// TestIndexQueueIsBounded: what does not fit the queue is read from the store.
func TestIndexQueueIsBounded(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		s := stores[0]
		build(t, s)
		s.index.queued = maxQueued // as if so many waited
		resolve(t, s, "a", "b")
		if s.IndexStats().Dropped.Load() == 0 {
			t.Error("nothing was dropped")
		}
		if got := named(t, s, "a"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
		if n, _ := s.IndexSize(); n != 2 {
			t.Errorf("%d series are indexed", n)
		}
	})
}

// TestIndexOfALostNaming: a name that was given, and lost before the index was brought
// up to it, when the store went back. Where its change has a higher number than those
// that came since, the index is not taken to be up to them.
func TestIndexOfALostNaming(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		s, ctx := stores[0], t.Context()
		resolve(t, s, "a")
		build(t, s)
		_, before, _ := s.index.state()
		alter := func(what string, queries ...string) {
			t.Helper()
			err := s.write(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
				for _, q := range queries {
					if _, err := tx.ExecContext(ctx, s.db.Bind(q), before); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		resolve(t, s, "lost")
		alter("go back", "DELETE FROM series_change WHERE seq > $1", "DELETE FROM series_run WHERE changed > $1", "DELETE FROM series WHERE name = 'lost' AND $1 > 0", "UPDATE series_next SET changes = $1")
		resolve(t, s, "new")
		alter("draw a low number", "UPDATE series_change SET seq = $1 + 1 WHERE seq > $1", "UPDATE series_run SET changed = $1 + 1 WHERE changed > $1", "UPDATE series_next SET changes = $1 + 1")
		if got := named(t, s, "new"); len(got) != 1 {
			t.Errorf("what was named since is not found: %v", got)
		}
		if got := named(t, s, "lost"); len(got) != 0 {
			t.Errorf("what was lost is found: %v", got)
		}
	})
}

func build(t *testing.T, s *Store) {
	t.Helper()
	if err := s.BuildIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestIndexBeyondItsLimit: what does not fit is found by scans.
func TestIndexBeyondItsLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, stores []*Store) {
		resolve(t, stores[1], "a", "b", "c")
		full, growing := stores[0], stores[1]
		full.index.limit = 100
		build(t, full)
		build(t, growing)
		if got := named(t, full, "c"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
		if got := named(t, growing, "c"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
		growing.index.limit = 100
		resolve(t, growing, "d")
		if got := named(t, growing, "d"); len(got) != 1 {
			t.Errorf("found %v", got)
		}
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
