package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/uuid"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dump"
)

// RestoreOptions say where a backup goes. The caller holds the data directory's
// lock.
type RestoreOptions struct {
	Storage dump.Config
	DataDir string
	// Force puts a store or a log that is there aside; without it that is
	// refused.
	Force bool
	// DropOld removes what was put aside, once all is done.
	DropOld  bool
	Progress func(read int64)
	Now      func() time.Time
}

// What became of the log.
const (
	LogRestored = "restored" // the backup's is in place
	LogKept     = "kept"     // the one that was there continues the backup's: nothing is lost
	LogNone     = "none"     // the backup has none
)

// Restored says what a restore did.
type Restored struct {
	Report
	Log     string
	Aside   string // name of the directory, or schema, that the old store is in; empty where there was none
	Emptied bool   // what was put aside is gone
}

// ErrLogNotEmpty reports a log that does not continue the backup's and would be
// replaced.
var ErrLogNotEmpty = errors.New("there is a log here already, and it does not continue the backup's")

// Names of files in a backup: nothing else is written.
var (
	segmentName    = regexp.MustCompile(`^[0-9]{20}\.seg$`)
	checkpointName = regexp.MustCompile(`^checkpoint-[0-9]{20}$`)
	letterName     = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}\.nxd(\.(replay|drop)-[0-9]{1,20})?$`)
)

// checkPart refuses parts that are not known, and names that lead elsewhere.
func checkPart(p archive.Part) error {
	names := map[string]*regexp.Regexp{archive.Segment: segmentName, archive.Checkpoint: checkpointName, archive.Letter: letterName}
	if p.Kind == archive.Table {
		return nil
	}
	if n, ok := names[p.Kind]; !ok || !n.MatchString(p.Name) {
		return fmt.Errorf("%w: a %q called %q", archive.ErrDamaged, p.Kind, p.Name)
	}
	if p.Reserve < 0 || p.Reserve > maxFile {
		return fmt.Errorf("%w: %s is to have %d bytes", archive.ErrDamaged, p.Name, p.Reserve)
	}
	return nil
}

// Restore puts a backup in place. Everything is written beside what is there
// and checked; only then do they change places.
func Restore(ctx context.Context, o RestoreOptions, in io.Reader) (r Restored, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	began := time.Now()
	if _, err := Finish(o.DataDir); err != nil {
		return r, err
	}
	a, err := archive.NewReader(in)
	if err != nil {
		return r, err
	}
	defer a.Close()
	r.Header = a.Header()
	if _, err := uuid.Parse(r.Header.Store); err != nil {
		return r, fmt.Errorf("%w: the store's identity %q is none", archive.ErrDamaged, r.Header.Store)
	}
	t := newRestoring(ctx, o, a)
	if err := t.begin(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.end()) }()
	if err := t.run(&r); err != nil {
		return r, err
	}
	r.Bytes, r.Took = a.Read(), time.Since(began)
	return r, nil
}

// restoring is a restore at work.
type restoring struct {
	ctx    context.Context
	o      RestoreOptions
	in     *archive.Reader
	loader *dump.Loader
	stamp  string
	dir    string // where files come about
	log    string // where the log is to be
	moved  bool
}

func newRestoring(ctx context.Context, o RestoreOptions, in *archive.Reader) *restoring {
	stamp := o.Now().UTC().Format("20060102t150405")
	return &restoring{
		ctx: ctx, o: o, in: in, stamp: stamp, dir: filepath.Join(o.DataDir, "restore-"+stamp+"-files"),
		log: filepath.Join(o.DataDir, "log", in.Header().Store),
	}
}

// aside names where the old store goes.
func (t *restoring) aside() string { return "before_restore_" + t.stamp }

func (t *restoring) begin() (err error) {
	if t.loader, err = dump.NewLoader(t.ctx, t.o.Storage, t.in.Header(), "restore-"+t.stamp); err != nil {
		return err
	}
	occupied, err := t.loader.Occupied(t.ctx)
	if err == nil && occupied && !t.o.Force {
		err = dump.ErrNotEmpty
	}
	if err == nil {
		err = wal.OS.MkdirAll(t.dir)
	}
	if err != nil {
		return errors.Join(err, t.end())
	}
	return nil
}

// end removes what is left over.
func (t *restoring) end() error {
	err := t.loader.Discard(context.WithoutCancel(t.ctx))
	if t.moved {
		return err // what is in it may be on its way
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

func (t *restoring) run(r *Restored) error {
	if err := t.unpack(); err != nil {
		return err
	}
	r.Manifest = *t.in.Manifest()
	if err := t.loader.Verify(t.ctx, &r.Manifest); err != nil {
		return err
	}
	if err := t.checkLog(r.Manifest.Log); err != nil {
		return err
	}
	var moves []dump.Move
	var err error
	if r.Log, moves, err = t.placeLog(r.Manifest.Log); err != nil {
		return err
	}
	if err := t.ctx.Err(); err != nil {
		return err
	}
	return t.swap(r, moves)
}

// unpack puts every part where it comes about.
func (t *restoring) unpack() error {
	for {
		p, content, err := t.in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = checkPart(p)
		}
		if err != nil {
			return err
		}
		content = &watched{content, t}
		if p.Kind == archive.Table {
			err = t.loader.Table(t.ctx, p, content)
		} else {
			err = t.file(p, content)
		}
		if err != nil {
			return err
		}
	}
}

// watched tells how far the reading is, and ends it with its context.
type watched struct {
	in io.Reader
	t  *restoring
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.t.ctx.Err(); err != nil {
		return 0, err
	}
	if w.t.o.Progress != nil {
		w.t.o.Progress(w.t.in.Read())
	}
	return w.in.Read(b)
}

// folder is where a kind of file comes about.
func (t *restoring) folder(kind string) string {
	if kind == archive.Letter {
		return filepath.Join(t.dir, deadletter.Folder)
	}
	return filepath.Join(t.dir, "log")
}

func (t *restoring) file(p archive.Part, content io.Reader) error {
	dir := t.folder(p.Kind)
	if err := wal.OS.MkdirAll(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, p.Name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, content)
	if err == nil && n < p.Reserve {
		err = f.Truncate(p.Reserve)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), wal.OS.SyncDir(dir))
}

// checkLog reads the log that came, as a daemon will.
func (t *restoring) checkLog(log *archive.Log) error {
	if log == nil {
		return nil
	}
	if _, err := uuid.Parse(log.Writer); err != nil {
		return fmt.Errorf("%w: the log's identity %q is none", archive.ErrDamaged, log.Writer)
	}
	dir := t.folder(archive.Segment)
	survey, err := wal.Look(dir, wal.OS)
	if err != nil {
		return err
	}
	walked, err := survey.Walk(func([]byte, wal.Span) error { return t.ctx.Err() })
	switch {
	case err != nil:
		return err
	case walked.Damage != nil:
		return fmt.Errorf("%w: its %w", archive.ErrDamaged, walked.Damage)
	case survey.ID() != log.Writer || uint64(walked.End) != log.End || uint64(survey.Start()) > log.Checkpoint:
		return fmt.Errorf("%w: its log %s goes from %d to %d, and should be %s and end at %d", archive.ErrDamaged, survey.ID(), survey.Start(), walked.End, log.Writer, log.End)
	}
	if log.Checkpoint > 0 {
		if _, err := replay.LookAtCheckpoints(wal.OS, dir).Read(log.Checkpoint); err != nil {
			return fmt.Errorf("%w: its %w", archive.ErrDamaged, err)
		}
	}
	return nil
}

// placeLog decides which log the restored store goes on with. One that is there
// and continues the backup's knows all that came after it, and is kept. Any
// other would be at odds with the store.
func (t *restoring) placeLog(log *archive.Log) (fate string, moves []dump.Move, err error) {
	if log == nil {
		return LogNone, nil, nil
	}
	there, err := filled(t.log)
	if err != nil {
		return "", nil, err
	}
	if there {
		keep, err := t.continues(log)
		if err != nil || keep {
			return LogKept, nil, err
		}
		if !t.o.Force {
			return "", nil, fmt.Errorf("%s: %w", t.log, ErrLogNotEmpty)
		}
	}
	letters := filepath.Join(t.o.DataDir, deadletter.Folder, log.Writer)
	old := filepath.Join(t.o.DataDir, t.aside())
	for _, m := range []dump.Move{
		{From: t.log, To: filepath.Join(old, "log", filepath.Base(t.log))},
		{From: letters, To: filepath.Join(old, deadletter.Folder, log.Writer)},
		{From: t.folder(archive.Segment), To: t.log},
		{From: t.folder(archive.Letter), To: letters},
	} {
		if _, err := os.Stat(m.From); err == nil {
			moves = append(moves, m)
		}
	}
	return LogRestored, moves, nil
}

// filled tells whether a directory has something in it.
func filled(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(entries) > 0, err
}

// continues tells whether the log that is there has all of the backup's, which
// its chained checksum says, and can be folded from where the restored store is.
func (t *restoring) continues(log *archive.Log) (bool, error) {
	survey, err := wal.Look(t.log, wal.OS)
	if err != nil || survey.ID() != log.Writer {
		return false, nil // a log that cannot be read does not help
	}
	if walked, err := survey.Walk(func([]byte, wal.Span) error { return t.ctx.Err() }); err != nil || walked.Damage != nil {
		return false, t.ctx.Err()
	}
	chain, ok, err := survey.Chain(wal.Position(log.End))
	if err != nil || !ok || chain != log.Chain {
		return false, err
	}
	c, err := replay.LookAtCheckpoints(wal.OS, t.log).At(log.Position)
	if err != nil {
		return false, nil
	}
	from := wal.Position(0)
	if c != nil {
		from = wal.Position(c.Position)
	}
	return survey.Start() <= from, nil
}

// swap changes the places. SQLite's files and the log go together; Postgres's
// tables go first, in a transaction: a kill between the two leaves the old log,
// which the next start replays, or refuses by name.
func (t *restoring) swap(r *Restored, moves []dump.Move) error {
	done := false
	occupied, err := t.loader.Occupied(t.ctx)
	if err != nil {
		return err
	}
	err = t.loader.Swap(t.ctx, dump.Aside{Name: t.aside(), Move: func(more []dump.Move) error {
		done, t.moved = true, true
		return move(t.o.DataDir, append(more, moves...))
	}})
	if err == nil && !done {
		t.moved = true
		err = move(t.o.DataDir, moves)
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(t.dir); err != nil {
		return err
	}
	if occupied || t.hasAside() {
		r.Aside = t.aside()
	}
	if t.o.DropOld {
		r.Emptied = true
		return errors.Join(t.loader.DropAside(t.ctx, t.aside()), os.RemoveAll(filepath.Join(t.o.DataDir, t.aside())))
	}
	return nil
}

func (t *restoring) hasAside() bool {
	_, err := os.Stat(filepath.Join(t.o.DataDir, t.aside()))
	return err == nil
}
