package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/storage/storagetest/pgtest"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nexusctl-torture-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "nexusctl")
	build := exec.Command("go", "build", "-o", program, "example.com/nexusctl/cmd/nexusctl")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build nexusctl: %v\n%s", err, out)
		os.Exit(1)
	}
	code := pgtest.Run(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// once runs one experiment and returns its row.
func once(t *testing.T, o Options) Row {
	t.Helper()
	o.Executable, o.Dir, o.Seed = program, filepath.Join(t.TempDir(), "scratch"), 5
	ticks := 0
	o.Progress = func(Progress) { ticks++ }
	report, err := Run(t.Context(), o)
	must(t, err)
	row := report.Experiments[0]
	t.Logf("%+v", row)
	if report.OK != (row.Verdict == OK || row.Verdict == Skipped) || (row.Verdict == OK) != (ticks > 0) {
		t.Errorf("%d ticks, %+v", ticks, report)
	}
	if _, err := os.Stat(o.Dir); report.OK && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch directory is still there: %v", err)
	}
	return row
}

func wantOK(t *testing.T, row Row, cycles int) {
	t.Helper()
	if row.Verdict != OK || row.Cycles != cycles || row.Sent == 0 || row.Lost+row.Duplicated > 0 {
		t.Errorf("%+v", row)
	}
}

func TestExperiments(t *testing.T) {
	if testing.Short() {
		t.Skip("an experiment takes seconds")
	}
	defer goleak.VerifyNone(t)
	for _, c := range []struct {
		name   string
		cycles int
	}{{"kill", 2}, {"recovery-kill", 1}, {"term", 2}, {"pause", 1}, {"flips", 20}, {"power", 60}} {
		t.Run(c.name, func(t *testing.T) {
			wantOK(t, once(t, Options{Only: []string{c.name}, Cycles: c.cycles}), c.cycles)
		})
	}
}

func TestStoreAway(t *testing.T) {
	if testing.Short() {
		t.Skip("an experiment takes seconds")
	}
	if row := once(t, Options{Only: []string{"store-away"}, Cycles: 1}); row.Verdict != Skipped {
		t.Errorf("on SQLite: %+v", row)
	}
	dsn := pgtest.DSN(t)
	wantOK(t, once(t, Options{Only: []string{"store-away"}, Cycles: 2, Storage: dsn}), 2)
	// The database is as empty as it was: it is taken once more.
	wantOK(t, once(t, Options{Only: []string{"kill"}, Cycles: 1, Storage: dsn}), 1)
}

func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("an experiment takes seconds")
	}
	row := once(t, Options{Only: []string{"disk-full"}, Cycles: 2})
	if row.Verdict == Skipped {
		t.Skip(row.Notes)
	}
	wantOK(t, row, 2)
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err == nil && strings.Contains(string(mounts), "/disk-full/small ") {
		t.Error("the small file system is still mounted")
	}
}

// TestOccupied: what holds something is not touched.
func TestOccupied(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	if _, err := Run(t.Context(), Options{Dir: dir, Only: []string{"power"}}); !errors.Is(err, ErrOccupied) {
		t.Errorf("a directory that holds a file: %v", err)
	}
	if testing.Short() {
		return
	}
	dsn := pgtest.DSN(t)
	o := Options{Executable: program, Dir: filepath.Join(t.TempDir(), "s"), Storage: dsn, Only: []string{"kill"}, Cycles: 1, Keep: true}
	report, err := Run(t.Context(), o)
	if err != nil || report.Kept == "" {
		t.Fatalf("%+v, %v", report, err)
	}
	o.Dir, o.Keep = filepath.Join(t.TempDir(), "s"), false
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrOccupied) {
		t.Errorf("a database that holds data: %v", err)
	}
	if _, err := os.Stat(o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was refused, and %s is there: %v", o.Dir, err)
	}
	o.Shared = true
	if report, err = Run(t.Context(), o); err != nil || !report.OK {
		t.Errorf("a database that is shared: %+v, %v", report, err)
	}
}

// TestInterrupted: processes are ended and files removed.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a daemon")
	}
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "scratch")
	report, err := Run(ctx, Options{Executable: program, Dir: dir, Only: []string{"pause", "kill"}, Seed: 1})
	if !errors.Is(err, context.DeadlineExceeded) || !report.Interrupted || report.OK {
		t.Errorf("%+v, %v", report, err)
	}
	if len(report.Experiments) != 1 || report.Experiments[0].Verdict != Interrupted {
		t.Errorf("%+v", report.Experiments)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch directory is still there: %v", err)
	}
}

// TestDaemonEnds: a daemon that ends by itself is a fault, told with its last
// words, and what was made stays.
func TestDaemonEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	quitter := filepath.Join(t.TempDir(), "daemon")
	must(t, os.WriteFile(quitter, []byte("#!/bin/sh\necho I give up >&2\nexit 3\n"), 0o700))
	dir := t.TempDir()
	report, err := Run(t.Context(), Options{Executable: quitter, Dir: dir, Only: []string{"kill"}})
	must(t, err)
	row := report.Experiments[0]
	if report.OK || row.Verdict != Failed || len(row.Faults) != 1 || !strings.Contains(row.Faults[0], "exit status 3: I give up") {
		t.Errorf("%+v", report)
	}
	if _, err := os.Stat(filepath.Join(report.Kept, "kill", "daemon.log")); err != nil {
		t.Error(err)
	}
}

func TestUnknownExperiment(t *testing.T) {
	if _, err := Run(t.Context(), Options{Dir: t.TempDir(), Only: []string{"fire"}}); !errors.Is(err, ErrChoice) {
		t.Errorf("%v", err)
	}
}

// TestSeed: the same seed draws the same damage, another one another.
func TestSeed(t *testing.T) {
	m := image{"a.seg": make([]byte, 5000), "b.seg": make([]byte, 5000), markName: make([]byte, 64)}
	draw := func(seed uint64) (text string) {
		r := source(seed, "flips")
		for range 20 {
			text += drawDamage(r, m).text + "\n"
		}
		return text
	}
	first, again, other := draw(1), draw(1), draw(2)
	if first != again || first == other {
		t.Error("choices are not the seed's")
	}
}

// TestFlipsFindSilence: a reader that gets fewer frames and hears nothing must
// show as a breach.
func TestFlipsFindSilence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "copy")
	whole := image{}
	want, err := whole.read(dir)
	must(t, err)
	harmless := damage{"none", "nothing", func(image) {}}
	if told, err := harmless.trial(whole, want, dir); told || err != nil {
		t.Errorf("%t, %v", told, err)
	}
	if _, err := harmless.trial(whole, append(want, frame{}), dir); err == nil {
		t.Error("a frame is missing, and nothing is said")
	}
}

func TestPlan(t *testing.T) {
	last := Progress{}
	o := &Options{Cycles: 4, Progress: func(p Progress) { last = p }}
	p := newPlan(o, experiments[:2])
	s := p.at(1)
	s.tell(2)
	first, second := experiments[0].weight.Seconds(), experiments[1].weight.Seconds()
	if want := (first + second/2) / (first + second); last.Share < want-1e-9 || last.Share > want+1e-9 || last.Cycles != 4 {
		t.Errorf("%+v, want a share of %v", last, want)
	}
	if !s.more(3) || s.more(4) {
		t.Error("4 cycles were wanted")
	}
	o.Cycles, o.Duration = 0, time.Nanosecond
	timed := p.at(0)
	if time.Sleep(time.Millisecond); !timed.more(0) || timed.more(1) {
		t.Error("one cycle is done however short the time is")
	}
}

func TestThrough(t *testing.T) {
	for _, c := range []struct{ in, url, network, target string }{
		{"postgres://u:p@db.example:6000/x?sslmode=require", "postgres://u:p@127.0.0.1:9/x?sslmode=require", "tcp", "db.example:6000"},
		{"postgres://u@localhost/x", "postgres://u@127.0.0.1:9/x", "tcp", "localhost:5432"},
		{"postgres:///x?host=/run/pg&user=u", "postgres://127.0.0.1:9/x?sslmode=disable&user=u", "unix", "/run/pg/.s.PGSQL.5432"},
	} {
		url, network, target, err := through(c.in, "127.0.0.1:9")
		if err != nil || url != c.url || network != c.network || target != c.target {
			t.Errorf("%s: %s, %s %s, %v", c.in, url, network, target, err)
		}
	}
	if _, _, _, err := through("postgres:///x", "127.0.0.1:9"); err == nil {
		t.Error("no host, and nothing is said")
	}
}

// TestLossIsFound: a daemon that comes back without its log has lost what it
// acknowledged, and that must show.
func TestLossIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a daemon")
	}
	defer goleak.VerifyNone(t)
	ctx, lost := context.WithCancelCause(t.Context())
	defer lost(nil)
	o, row := &Options{Executable: program, Cycles: 1}, &Row{Experiment: "kill"}
	r := &rig{opts: o, row: row, rand: source(1, "kill"), dir: t.TempDir(), run: "test", lost: lost, stage: newPlan(o, experiments[:1]).at(0)}
	defer r.close()
	must(t, r.begin(ctx))
	l, err := r.open(ctx, usual)
	must(t, err)
	defer l.abandon()
	l.connect(ctx)
	must(t, l.progress(ctx, ackWait))
	must(t, l.confirm(ctx))
	must(t, r.daemon.kill())
	l.disconnect()
	must(t, os.RemoveAll(filepath.Join(r.data(), "log")))
	err = r.start(ctx)
	if err == nil {
		_, err = l.aftermath(ctx, l.unanswered())
	}
	if err == nil {
		err = l.finish(ctx)
	}
	var b *breach
	if !errors.As(err, &b) && row.Lost == 0 {
		t.Errorf("the log was removed, and nothing is missed: %v, %+v", err, row)
	}
	t.Log(err)
}
