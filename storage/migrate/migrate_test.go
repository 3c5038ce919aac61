package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// place is where an empty database is.
type place struct{ url, dir string }

// each runs a test on both databases.
func each(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("sqlite", func(t *testing.T) { test(t, place{"sqlite:sub/nexus.db", t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { test(t, place{pgtest.DSN(t), t.TempDir()}) })
}

func (p place) open(t *testing.T) *migrate.Migrator {
	t.Helper()
	m, err := migrate.Open(t.Context(), p.url, p.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// database gives the tables as they are.
func (p place) database(t *testing.T) *dialect.Database {
	t.Helper()
	db, err := dialect.Open(t.Context(), dialect.Config{URL: p.url, DataDir: p.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func (p place) store(t *testing.T) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Options{URL: p.url, DataDir: p.dir})
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

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// says renders steps: +1 applied, -1 taken back.
func says(steps []migrate.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteByte("-+"[bit(s.Applied)])
		b.WriteString(strings.TrimLeft(strings.SplitN(s.Name, "_", 2)[0], "0"))
	}
	return b.String()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestUpAndDown(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		latest := m.Latest()
		up, down, none := "", "", ""
		for v := int64(1); v <= latest; v++ {
			up, none = up+fmt.Sprintf("+%d", v), none+fmt.Sprintf("-%d", v)
			down = fmt.Sprintf("-%d", v) + down
		}
		newest := fmt.Sprint(latest)
		expect := func(what, want string, version int64, f func(context.Context) ([]migrate.Step, error)) {
			t.Helper()
			if got := says(must[[]migrate.Step](t)(f(ctx))); got != want {
				t.Errorf("%s did %q, want %q", what, got, want)
			}
			if v, err := m.Version(ctx); v != version || err != nil {
				t.Errorf("after %s the schema is at %d, %v, want %d", what, v, err, version)
			}
		}
		expect("status", none, 0, m.Status)
		expect("down from nothing", "", 0, m.Down)
		expect("down to nothing from nothing", "", 0, m.DownToNothing)
		expect("up", up, latest, m.Up)
		expect("up again", "", latest, m.Up)
		expect("status", up, latest, m.Status)
		expect("redo", "-"+newest+"+"+newest, latest, m.Redo)
		for v := latest; v > 0; v-- {
			expect("down", fmt.Sprintf("-%d", v), v-1, m.Down)
		}
		expect("up", up, latest, m.Up)
		expect("down to nothing", down, 0, m.DownToNothing)
		expect("status", none, 0, m.Status)
	})
}

// TestDownLeavesNothing compares what is there before and after.
func TestDownLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		fill(t, p.store(t))
		foreign := filepath.Join(filepath.Dir(filepath.Join(p.dir, "sub/nexus.db")), "chunks-2001-01-01.db")
		if err := os.MkdirAll(filepath.Dir(foreign), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(foreign, []byte("not of this store"), 0o600); err != nil {
			t.Fatal(err)
		}
		must[[]migrate.Step](t)(m.DownToNothing(ctx))
		if left := tables(t, p.database(t)); len(left) != 1 || left["goose_db_version"] == nil {
			t.Errorf("left behind: %v", left)
		}
		if files := must[[]string](t)(filepath.Glob(filepath.Join(filepath.Dir(foreign), "chunks-*"))); len(files) != 1 || files[0] != foreign {
			t.Errorf("day files left: %v, want the one that the store does not list", files)
		}
	})
}

// TestIdentity: a store has one identity for its life, and another after it was
// made anew.
func TestIdentity(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		id := func() string { return p.store(t).ID() }
		first := id()
		must[[]migrate.Step](t)(m.Up(ctx))
		if second := id(); first == "" || second != first {
			t.Errorf("up again made %q of %q", second, first)
		}
		must[[]migrate.Step](t)(m.DownToNothing(ctx))
		must[[]migrate.Step](t)(m.Up(ctx))
		if third := id(); third == first {
			t.Error("a store that was taken down and made anew has the old identity")
		}
	})
}

// TestRunnersSideBySide lets four runners migrate one database at once: each
// migration runs once, and nobody fails.
func TestRunnersSideBySide(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		ran := 0
		for range 4 {
			m := p.open(t)
			wg.Go(func() {
				steps, err := m.Up(context.Background())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				ran += len(steps)
				mu.Unlock()
			})
		}
		wg.Wait()
		m := p.open(t)
		if ran != int(m.Latest()) {
			t.Errorf("%d migrations ran in all, want %d", ran, m.Latest())
		}
		var ids int
		if err := p.database(t).Read.QueryRow("SELECT count(*) FROM store_meta").Scan(&ids); err != nil || ids != 1 {
			t.Errorf("the store has %d identities, %v", ids, err)
		}
	})
}

// TestNewerIsRefused: a binary that does not know a schema changes nothing of
// it, up or down.
func TestNewerIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		fill(t, p.store(t))
		db := p.database(t)
		if _, err := db.Write.Exec(db.Bind("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)"), m.Latest()+1); err != nil {
			t.Fatal(err)
		}
		before := must[[]string](t)(filepath.Glob(filepath.Join(p.dir, "sub", "chunks-*.db")))
		for name, f := range map[string]func(context.Context) ([]migrate.Step, error){
			"up": m.Up, "down": m.Down, "down to nothing": m.DownToNothing, "redo": m.Redo,
		} {
			if steps, err := f(ctx); !errors.Is(err, migrate.ErrNewer) || len(steps) != 0 {
				t.Errorf("%s: %v, %v", name, steps, err)
			}
		}
		if v := must[int64](t)(m.Version(ctx)); v != m.Latest()+1 {
			t.Errorf("the schema is at %d", v)
		}
		after := must[[]string](t)(filepath.Glob(filepath.Join(p.dir, "sub", "chunks-*.db")))
		if len(after) != len(before) {
			t.Errorf("the refused runs left %d of %d day files", len(after), len(before))
		}
		if _, err := storage.Open(ctx, storage.Options{URL: p.url, DataDir: p.dir}); !errors.Is(err, storage.ErrSchemaNew) || !strings.Contains(err.Error(), "newer binary") {
			t.Errorf("the store opens with %v", err)
		}
	})
}

// TestOldIsRefused: a store that was not migrated says what to do.
func TestOldIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		if _, err := storage.Open(t.Context(), storage.Options{URL: p.url, DataDir: p.dir}); !errors.Is(err, storage.ErrSchemaOld) || !strings.Contains(err.Error(), "nexusctl migrate up") {
			t.Errorf("an empty database opens with %v", err)
		}
	})
}

func TestHints(t *testing.T) {
	if _, err := migrate.Open(t.Context(), "mysql://localhost/x", t.TempDir(), ""); !errors.Is(err, dialect.ErrURL) {
		t.Errorf("an unknown database: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := migrate.Open(t.Context(), "postgres://nexus:hunter22@"+addr+"/nexus", t.TempDir(), "")
	if err == nil {
		defer m.Close()
		_, err = m.Version(t.Context())
	}
	if !errors.Is(err, dialect.ErrUnavailable) || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("nobody listens: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.Open(t.Context(), "sqlite:nexus.db", filepath.Join(file, "below"), ""); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a directory that cannot be: %v", err)
	}
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database at all\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err = migrate.Open(t.Context(), "sqlite:"+text, "", "")
	if err == nil {
		defer m.Close()
		_, err = m.Up(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("a file that is no database: %v", err)
	}
}

// TestCanceled leaves a database that the next run can use.
func TestCanceled(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m := p.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if steps, err := m.Up(ctx); err == nil {
			t.Errorf("a canceled run did %v", steps)
		}
		if got := says(must[[]migrate.Step](t)(m.Up(t.Context()))); !strings.HasPrefix(got, "+1") || must[int64](t)(m.Version(t.Context())) != m.Latest() {
			t.Errorf("the next run did %q", got)
		}
	})
}
