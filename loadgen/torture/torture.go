// Package torture does to daemons of its own what machines do to real ones:
// kills, full disks, stores that go away, damaged logs, power cuts. Then it
// compares what the senders know with what the daemon says, to the unit.
//
// Contract: it signals processes that it started and no others, writes below
// the directory it is given and into the database it is given, and takes every
// random choice from one seed. A run that finds a fault says so in its report;
// an error means that it could not look.
//
// Limits: what threads do is the machine's choice, so the same seed repeats an
// experiment's choices and not its every interleaving.
package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options say what is tortured, where and for how long.
type Options struct {
	Executable string // nexusctl, which is run as daemon
	Dir        string // scratch: made where it is missing, refused where it holds anything
	Storage    string // postgres://…; empty for SQLite in the scratch directory
	Password   string // of Postgres, in place of the URL's
	Shared     bool   // use a database that holds data already
	SmallDir   string // on a small file system, which disk-full fills
	Only       []string
	Cycles     int           // of each experiment; 0 has each its own default
	Duration   time.Duration // of all experiments, shared evenly; 0 has no end but the cycles
	Seed       uint64
	Keep       bool // leave everything where it is
	Progress   func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Experiment    string
	Cycle, Cycles int     // of this experiment; Cycles is 0 where time decides
	Share         float64 // of the whole run, 0 to 1
	Elapsed, Left time.Duration
}

// Report is a run's verdict.
type Report struct {
	OK          bool   `json:"ok"`
	Seed        uint64 `json:"seed"`
	Storage     string `json:"storage"`
	Kept        string `json:"kept,omitempty"` // the directory, where it is still there
	Interrupted bool   `json:"interrupted,omitempty"`
	Experiments []Row  `json:"experiments"`
}

// Row is one experiment's verdict. Counts are units, as the ledger counts
// them; flips and power count frames of the log.
type Row struct {
	Experiment string   `json:"experiment"`
	Verdict    string   `json:"verdict"` // ok, failed, skipped or interrupted
	Cycles     int      `json:"cycles"`
	Sent       uint64   `json:"sent"`
	Lost       uint64   `json:"lost"`
	Duplicated uint64   `json:"duplicated"`
	Notes      []string `json:"notes,omitempty"`
	Faults     []string `json:"faults,omitempty"` // promises that were not kept
	Seconds    float64  `json:"seconds"`
}

// Verdicts.
const (
	OK          = "ok"
	Failed      = "failed"
	Skipped     = "skipped"
	Interrupted = "interrupted"
)

func (r *Row) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// experiment is one way of doing harm, together with the check that none was
// done.
type experiment struct {
	name   string
	does   string
	cycles int                           // where Options say nothing
	weight time.Duration                 // about what a cycle takes, for the time that is left
	fits   func(o *Options) (why string) // why it cannot be done; nil where it always can
	run    func(ctx context.Context, r *rig) error
}

// experiments are all there are, in the order in which they run.
var experiments = []experiment{
	{"kill", "kill -9 under load, then a restart", 20, 1800 * time.Millisecond, nil, runKill},
	{"recovery-kill", "kill -9 while the daemon recovers, several times in a row", 4, 5 * time.Second, nil, runRecoveryKill},
	{"term", "SIGTERM under load, then a restart", 5, 2200 * time.Millisecond, nil, runTerm},
	{"pause", "SIGSTOP for seconds, then SIGCONT", 4, 4 * time.Second, nil, runPause},
	{"store-away", "the store's connections are cut and refused", 4, 8 * time.Second, storeAwayFits, runStoreAway},
	{"disk-full", "the daemon's file system is filled", 4, 6 * time.Second, diskFullFits, runDiskFull},
	{"flips", "a copy of the log is damaged and read", 200, 50 * time.Millisecond, nil, runFlips},
	{"power", "power cuts of the log, on a disk that loses, tears and reorders", 500, 8 * time.Millisecond, nil, runPower},
}

// Names lists the experiments.
func Names() (names []string) {
	for _, e := range experiments {
		names = append(names, e.name)
	}
	return names
}

// Describe returns what each experiment does, in the order of Names.
func Describe() (lines []string) {
	for _, e := range experiments {
		lines = append(lines, fmt.Sprintf("%-14s %s", e.name, e.does))
	}
	return lines
}

// choose returns the experiments that only names, all where it is empty.
func choose(only []string) (chosen []experiment, err error) {
	for _, name := range only {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%w: %q is none of %s", ErrChoice, name, strings.Join(Names(), ", "))
		}
	}
	for _, e := range experiments {
		if len(only) == 0 || slices.Contains(only, e.name) {
			chosen = append(chosen, e)
		}
	}
	return chosen, nil
}

var (
	// ErrChoice reports an experiment that does not exist.
	ErrChoice = errors.New("no such experiment")
	// ErrOccupied reports a directory or a database that holds something.
	ErrOccupied = errors.New("it is not empty")
)

// Run does the experiments one after the other. Where ctx ends it takes away
// what it made and returns what it has, with ctx's error.
func Run(ctx context.Context, o Options) (report Report, err error) {
	report = Report{Seed: o.Seed, Storage: "sqlite"}
	chosen, err := choose(o.Only)
	if err != nil {
		return report, err
	}
	place, err := openScratch(o.Dir)
	if err != nil {
		return report, err
	}
	var database *database
	if o.Storage != "" {
		report.Storage = "postgres"
		if database, err = openDatabase(ctx, &o, place.dir); err != nil {
			return report, errors.Join(err, place.remove())
		}
	}
	err = runAll(ctx, &o, chosen, place, &report)
	http.DefaultClient.CloseIdleConnections()
	keep := o.Keep || !report.OK && ctx.Err() == nil
	if keep {
		report.Kept = place.dir
		return report, err
	}
	return report, errors.Join(err, database.clear(), place.remove())
}

func runAll(ctx context.Context, o *Options, chosen []experiment, place *scratch, report *Report) error {
	plan := newPlan(o, chosen)
	report.OK = true
	for i, e := range chosen {
		if ctx.Err() != nil {
			break
		}
		row, err := runOne(ctx, o, e, place, plan.at(i))
		report.Experiments = append(report.Experiments, row)
		report.OK = report.OK && (row.Verdict == OK || row.Verdict == Skipped)
		if err != nil {
			report.OK = false
			return fmt.Errorf("experiment %s: %w", e.name, err)
		}
	}
	report.Interrupted = ctx.Err() != nil
	report.OK = report.OK && !report.Interrupted
	return ctx.Err()
}

func runOne(ctx context.Context, o *Options, e experiment, place *scratch, s stage) (row Row, err error) {
	row = Row{Experiment: e.name}
	if e.fits != nil {
		if why := e.fits(o); why != "" {
			row.Verdict = Skipped
			row.note("%s", why)
			return row, nil
		}
	}
	dir, err := place.sub(e.name)
	if err != nil {
		return row, err
	}
	began := time.Now()
	inner, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r := &rig{opts: o, row: &row, rand: source(o.Seed, e.name), dir: dir, run: place.name, stage: s, lost: lost}
	err = e.run(inner, r)
	r.close()
	if ctx.Err() == nil && inner.Err() != nil {
		err = context.Cause(inner)
	}
	row.Seconds = time.Since(began).Seconds()
	return row, row.judge(ctx, err)
}

// judge turns how an experiment ended into its verdict. What is left over is
// an error that says nothing of the daemon.
func (r *Row) judge(ctx context.Context, err error) error {
	var b *breach
	var u *unfit
	switch {
	case errors.As(err, &u):
		r.Verdict = Skipped
		r.note("%s", u.why)
		return nil
	case ctx.Err() != nil:
		err = nil // what was cut short says nothing
	case errors.As(err, &b):
		r.Faults = append(r.Faults, err.Error())
		err = nil
	}
	switch {
	case len(r.Faults) > 0 || r.Lost > 0 || r.Duplicated > 0:
		r.Verdict = Failed
	case ctx.Err() != nil:
		r.Verdict = Interrupted
	default:
		r.Verdict = OK
	}
	return err
}

// breach is a promise that the daemon did not keep.
type breach struct{ text string }

func (b *breach) Error() string { return b.text }

func broken(format string, args ...any) error { return &breach{fmt.Sprintf(format, args...)} }

// unfit is why an experiment cannot be done here, where that shows late.
type unfit struct{ why string }

func (u *unfit) Error() string { return u.why }

// source returns the choices of one experiment: the same ones whichever others
// run beside it.
func source(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
