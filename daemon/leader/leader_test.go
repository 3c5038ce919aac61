package leader_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/leader"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// office is a database: one lock, that goes with a session.
type office struct {
	mu     sync.Mutex
	holder *seat
	away   bool
}

type seat struct {
	o    *office
	lost bool
}

var errAway = errors.New("away")

func (o *office) take(context.Context) (leader.Seat, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return nil, errAway
	}
	return &seat{o: o}, nil
}

func (s *seat) Lead(context.Context) (bool, error) {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if s.o.away || s.lost {
		return false, errAway
	}
	if s.o.holder == nil {
		s.o.holder = s
	}
	return s.o.holder == s, nil
}

func (s *seat) Close() error {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	if s.o.holder == s {
		s.o.holder = nil
	}
	return nil
}

// cut ends the session of whoever leads, as a network does.
func (o *office) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holder.lost = true
	o.holder = nil
}

func (o *office) leave(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away = away; away {
		o.holder = nil
	}
}

func leading(list []*leader.Elector) (n int) {
	for _, e := range list {
		if e.Leading() {
			n++
		}
	}
	return n
}

// TestOneLeads runs three electors through a leader's end, a cut session and a
// database that goes away and comes back.
func TestOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		handler := slog.NewTextHandler(&out, nil) // one, for it has the buffer's lock
		o := new(office)
		list := make([]*leader.Elector, 3)
		stop := make([]context.CancelFunc, 3)
		var wg sync.WaitGroup
		for i := range list {
			ctx, cancel := context.WithCancel(t.Context())
			list[i], stop[i] = leader.New(o.take, slog.New(handler), time.Now), cancel
			wg.Go(func() { list[i].Run(ctx) })
		}
		expect := func(what string, n int) int {
			t.Helper()
			synctest.Wait()
			at := -1
			for i, e := range list {
				if e.Leading() {
					at = i
				}
			}
			if got := leading(list); got != n {
				t.Errorf("%s: %d lead, want %d", what, got, n)
			}
			return at
		}
		first := expect("at the start", 1)
		stop[first]()
		time.Sleep(3 * time.Second)
		second := expect("after the leader's end", 1)
		if second == first {
			t.Error("who has ended leads")
		}
		o.cut()
		time.Sleep(4 * time.Second)
		expect("after its session was cut", 1)
		o.leave(true)
		time.Sleep(3 * time.Second)
		expect("while the database is away", 0)
		o.leave(false)
		time.Sleep(3 * time.Second)
		expect("when it is back", 1)
		for _, s := range stop {
			s()
		}
		wg.Wait()
		expect("at the end", 0)
		if !strings.Contains(out.String(), "leads no longer") {
			t.Error(out.String())
		}
	})
}

// TestWorkEndsWithTheLead: what a leader does is told at once that it leads no
// longer.
func TestWorkEndsWithTheLead(t *testing.T) {
	o := new(office)
	e := leader.New(o.take, slog.New(slog.DiscardHandler), time.Now)
	if e.Lead(t.Context(), func(context.Context) { t.Error("it works without the lead") }) {
		t.Error("it leads before it has asked")
	}
	e.Ask(t.Context())
	ended := false
	if !e.Lead(t.Context(), func(ctx context.Context) {
		o.cut()
		e.Ask(t.Context())
		<-ctx.Done()
		ended = true
	}) || !ended || e.Leading() || e.Changes() != 2 {
		t.Errorf("ended %v, leading %v, %d changes", ended, e.Leading(), e.Changes())
	}
}

// TestStandstill: who stood still for long does not believe that it leads.
func TestStandstill(t *testing.T) {
	now := time.Now()
	o := new(office)
	e := leader.New(o.take, slog.New(slog.DiscardHandler), func() time.Time { return now })
	e.Ask(t.Context())
	if !e.Leading() {
		t.Fatal("it does not lead")
	}
	now = now.Add(time.Minute)
	if e.Leading() {
		t.Error("it leads a minute later, and has not asked since")
	}
	e.Ask(t.Context())
	if !e.Leading() {
		t.Error("it has asked again, and does not lead")
	}
	_ = e.Close()
}

func TestAlone(t *testing.T) {
	e := leader.Alone()
	e.Run(t.Context()) // ends at once
	worked := false
	if !e.Lead(t.Context(), func(context.Context) { worked = true }) || !worked || !e.Leading() {
		t.Error("a daemon that is alone does not lead")
	}
}

// TestPostgres has three electors and a restore at a real database, and ends the
// leader's session as an administrator does.
func TestPostgres(t *testing.T) {
	dsn := pgtest.DSN(t)
	m, err := migrate.Open(t.Context(), dsn, "", "")
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, errors.Join(err, m.Close()))
	s, err := storage.Open(t.Context(), storage.Options{URL: dsn})
	check(t, err)
	defer s.Close()
	take := func(ctx context.Context) (leader.Seat, error) { return s.TakeSeat(ctx) }
	var list []*leader.Elector
	for range 3 {
		e := leader.New(take, slog.New(slog.DiscardHandler), time.Now)
		defer e.Close()
		list = append(list, e)
	}
	ask := func() {
		for _, e := range list {
			e.Ask(t.Context())
		}
	}
	ask()
	ask()
	if leading(list) != 1 || !list[0].Leading() {
		t.Fatalf("%d lead", leading(list))
	}
	admin, err := sql.Open("pgx", dsn)
	check(t, err)
	defer admin.Close()
	var ended bool
	check(t, admin.QueryRowContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'").Scan(&ended))
	ask()
	if list[0].Leading() {
		t.Error("who has lost its session leads")
	}
	ask()
	if leading(list) != 1 {
		t.Errorf("%d lead", leading(list))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
