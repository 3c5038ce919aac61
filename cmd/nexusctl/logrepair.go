package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage"
)

// repairShown is what a repair does, or would do.
type repairShown struct {
	Needed      bool         `json:"needed"`
	Done        bool         `json:"done"`
	Log         string       `json:"log"`
	Store       string       `json:"store"`
	Damage      *damageShown `json:"damage,omitempty"`
	Forgotten   uint64       `json:"forgotten_before,omitempty"`
	Lost        *lostShown   `json:"lost,omitempty"`
	SetAside    []string     `json:"set_aside,omitempty"`
	Checkpoints []uint64     `json:"checkpoints_set_aside,omitempty"`
}

// lostShown is what a repair costs.
type lostShown struct {
	From       uint64 `json:"from"`
	To         uint64 `json:"to"`
	GoesOnAt   uint64 `json:"goes_on_at"`
	Bytes      int64  `json:"bytes"`
	Unreadable int64  `json:"unreadable_bytes"`
	Units      uint64 `json:"units"`
	Exact      bool   `json:"units_exact"`
}

func repairLog(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	if c.Bool("yes") && c.Bool("dry-run") {
		return usage("--yes and --dry-run exclude each other")
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	cfg := &settings.Config
	dir, err := logDir(c, cfg)
	if err != nil {
		return err
	}
	release, err := daemon.LockDataDir(cfg.Server.DataDir)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	shown, err := repair(ctx, cfg, dir, c.Bool("yes"))
	if err := errors.Join(err, release()); err != nil {
		return err
	}
	if err := emit(c.App.Writer, format, shown, repairTable(shown)); err != nil {
		return err
	}
	if shown.Needed && !shown.Done {
		_, _ = fmt.Fprintln(c.App.ErrWriter, "nothing was changed; do it with --yes")
	}
	return nil
}

func repair(ctx context.Context, cfg *config.Config, dir string, yes bool) (*repairShown, error) {
	survey, err := wal.Look(dir, wal.OS)
	if err != nil {
		return nil, err
	}
	stored, how := askStore(ctx, cfg, survey.ID())
	plan, err := replay.PlanRepair(wal.OS, dir, stored)
	if errors.Is(err, wal.ErrNameless) {
		return nil, fmt.Errorf("%w; the store would know, and %s", err, how)
	}
	if err != nil {
		return nil, err
	}
	shown := &repairShown{
		Needed: plan.Needed(), Log: survey.ID(), Store: how, Damage: showDamage(plan.Damage),
		Forgotten: uint64(plan.Forget), SetAside: plan.Aside, Checkpoints: plan.Checkpoints,
	}
	if plan.Cut() {
		shown.Lost = &lostShown{
			From: uint64(plan.From), To: uint64(plan.Reached), GoesOnAt: uint64(plan.To), Bytes: plan.Bytes,
			Unreadable: plan.Unreadable, Units: plan.Units, Exact: plan.Exact,
		}
	}
	if !yes || !shown.Needed {
		return shown, nil
	}
	if err := plan.Apply(time.Now()); err != nil {
		return nil, err
	}
	shown.Done = true
	again, err := replay.PlanRepair(wal.OS, dir, stored)
	if err == nil && again.Needed() {
		err = fmt.Errorf("the log is still damaged: %w; repair it again", again.Damage)
	}
	return shown, err
}

// askStore asks how far the store has the log. It helps and is not needed: where
// the store is away, the repair goes by the log alone.
func askStore(ctx context.Context, cfg *config.Config, id string) (stored replay.Stored, how string) {
	writers, err := storedWriters(ctx, cfg)
	if err != nil {
		return stored, "it could not be asked: " + err.Error()
	}
	nameless := id == nobody && len(writers) == 1
	for _, w := range writers {
		if w.ID == id || nameless {
			return replay.Stored{Known: true, Log: w.ID, Position: w.Position}, fmt.Sprintf("it has the log up to %d", w.Position)
		}
	}
	return replay.Stored{Known: true}, "it has nothing of the log"
}

// nobody is the UUID of a log of which no file is left that has one.
const nobody = "00000000-0000-0000-0000-000000000000"

func storedWriters(ctx context.Context, cfg *config.Config) (list []storage.Writer, err error) {
	if name, ok := strings.CutPrefix(cfg.Storage.URL, "sqlite:"); ok {
		if !filepath.IsAbs(name) {
			name = filepath.Join(cfg.Server.DataDir, name)
		}
		if _, err := os.Stat(name); err != nil {
			return nil, err // opening it would make it
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	s, err := storage.Open(ctx, storage.Options{
		URL: cfg.Storage.URL, DataDir: cfg.Server.DataDir, Password: cfg.Storage.Password.Reveal(), Timeout: storePatience,
	})
	if err != nil {
		return nil, err
	}
	list, err = s.Writers(ctx)
	return list, errors.Join(err, s.Close())
}

func repairTable(r *repairShown) *table {
	t := &table{head: []string{"WHAT", "FOUND"}}
	t.add("log", r.Log)
	t.add("store", r.Store)
	if !r.Needed {
		t.add("repair", "none is needed")
		return t
	}
	if r.Damage != nil {
		t.add("damage", r.Damage.String())
	}
	if r.Forgotten > 0 {
		t.add("given up", fmt.Sprintf("the log before %d, which a checkpoint holds and the store has: no loss", r.Forgotten))
	}
	if l := r.Lost; l != nil {
		t.add("lost", l.String())
		t.add("goes on at", strconv.FormatUint(l.GoesOnAt, 10))
	} else {
		t.add("lost", "nothing")
	}
	for _, name := range r.SetAside {
		t.add("set aside", name)
	}
	for _, p := range r.Checkpoints {
		t.add("set aside", fmt.Sprintf("the checkpoint at %d", p))
	}
	if r.Done {
		t.add("repair", "done; the daemon can be started, and its ledger will count the loss")
	} else {
		t.add("repair", "not done")
	}
	return t
}

func (l *lostShown) String() string {
	units := fmt.Sprintf("%d units", l.Units)
	switch {
	case l.Exact:
	case l.Units > 0:
		units = "at least " + units
	default:
		units = "an unknown number of units"
	}
	return fmt.Sprintf("positions %d to %d: %s; %d bytes are there and are kept, %d of them cannot be read", l.From, l.To, units, l.Bytes, l.Unreadable)
}
