// Package backup takes a backup of a running daemon, and restores one: the
// store as of one moment, and with it the log of the data directory, which
// knows who sent what. A daemon that starts on what was restored goes on as
// after a crash at that moment: it says "duplicate" to what it has and takes
// what it lacks.
//
// docs/adr/0021-backup-with-log.md says why.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dump"
)

// Options say what is backed up.
type Options struct {
	Storage dump.Config
	DataDir string // of the daemon whose log goes along
	Version string // of nexusctl
	// WithoutLog leaves the log out, as where it is on another machine.
	WithoutLog bool
	// Progress, where set, is told how many bytes of about how many were read.
	Progress func(done, total int64)
}

// Report is what a backup holds.
type Report struct {
	Header   archive.Header
	Manifest archive.Manifest
	Bytes    int64 // of the backup
	Took     time.Duration
}

// ErrExists reports a file that would be written over.
var ErrExists = errors.New("the file exists already, and a backup never writes over one")

// TakeFile writes a backup to a file that must not exist. It has its name once
// it is whole and durable, and not before.
func TakeFile(ctx context.Context, o Options, path string) (r Report, err error) {
	if _, err := os.Lstat(path); err == nil {
		return r, fmt.Errorf("%s: %w", path, ErrExists)
	}
	half := fmt.Sprintf("%s.tmp-%d", path, os.Getpid())
	f, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return r, fmt.Errorf("write the backup: %w", err)
	}
	r, err = Take(ctx, o, f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = name(half, path)
	}
	if err != nil {
		return r, errors.Join(err, remove(half))
	}
	return r, wal.OS.SyncDir(filepath.Dir(path))
}

// name gives a file its name, unless another has it by now. A link does both at
// once; where the file system has none, a look must do.
func name(half, path string) error {
	err := os.Link(half, path)
	switch {
	case err == nil:
		return os.Remove(half)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return os.Rename(half, path)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Take writes a backup as a stream. The daemons may run meanwhile, and wait for
// nothing.
func Take(ctx context.Context, o Options, w io.Writer) (r Report, err error) {
	began := time.Now()
	snap, err := dump.Take(ctx, o.Storage)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, snap.Close()) }()
	r.Header = archive.Header{Made: snap.Made, By: o.Version, Backend: snap.Backend, Store: snap.Store, Schema: snap.Schema}
	a, err := archive.NewWriter(w, r.Header)
	if err != nil {
		return r, err
	}
	t := &taking{ctx: ctx, o: o, snap: snap, out: a, total: snap.Size}
	var log *archive.Log
	if !o.WithoutLog { // at once: the store is never ahead of its log, and the log goes on
		if log, err = t.log(); err != nil {
			return r, err
		}
	}
	if err := snap.Write(ctx, a, t.tell); err != nil {
		return r, err
	}
	r.Manifest, err = a.Close(log)
	r.Bytes, r.Took = a.Written(), time.Since(began)
	if o.Progress != nil {
		o.Progress(t.done, t.done)
	}
	return r, err
}

// taking is a backup that is being written.
type taking struct {
	ctx         context.Context
	o           Options
	snap        *dump.Snapshot
	out         *archive.Writer
	done, total int64
}

func (t *taking) tell(n int64) {
	t.done += n
	if t.o.Progress != nil {
		t.o.Progress(t.done, max(t.total, t.done))
	}
}

// log writes the log from a checkpoint on from which it can be folded to where
// the store is, and the dead letters. nil where the data directory has none.
func (t *taking) log() (*archive.Log, error) {
	dir := filepath.Join(t.o.DataDir, "log", t.snap.Store)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	survey, err := wal.Look(dir, wal.OS)
	if err != nil {
		return nil, err
	}
	if len(survey.Segments()) == 0 {
		return nil, nil
	}
	position, err := t.snap.Position(t.ctx, survey.ID())
	if err != nil {
		return nil, err
	}
	log := &archive.Log{Writer: survey.ID(), Position: position}
	checkpoints := replay.LookAtCheckpoints(wal.OS, dir)
	c, err := checkpoints.At(position)
	if err != nil {
		return nil, err
	}
	if c != nil {
		log.Checkpoint = c.Position
		if err := t.file(archive.Checkpoint, checkpoints.Name(c.Position), checkpoints.Path(c.Position)); err != nil {
			return nil, err
		}
	}
	if err := t.segments(survey, log); err != nil {
		return nil, err
	}
	return log, t.letters(log.Writer)
}

func (t *taking) segments(survey *wal.Survey, log *archive.Log) error {
	if survey.Start() > wal.Position(log.Checkpoint) {
		return fmt.Errorf("%w (%d); --without-log takes a backup of the store alone", replay.ErrGap, log.Position)
	}
	end, chain, err := survey.Copy(wal.Position(log.Checkpoint), func(name string, content []byte, reserve int64) error {
		return t.part(archive.Part{Kind: archive.Segment, Name: name, Reserve: reserve}, content)
	})
	if err != nil {
		return fmt.Errorf("%w; --without-log takes a backup of the store alone", err)
	}
	if uint64(end) < log.Position {
		return fmt.Errorf("the log ends at %d, and the store has it up to %d: `nexusctl log verify` says more", end, log.Position)
	}
	log.End, log.Chain = uint64(end), chain
	return nil
}

func (t *taking) letters(writer string) error {
	dir := filepath.Join(t.o.DataDir, deadletter.Folder, writer)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	for _, e := range entries {
		if !letterName.MatchString(e.Name()) {
			continue
		}
		err := t.file(archive.Letter, e.Name(), filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that was settled long ago goes
			return err
		}
	}
	return nil
}

// maxFile bounds checkpoints and letters, which are read whole.
const maxFile = 1 << 30

func (t *taking) file(kind, name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%s has %d bytes: too many for a %s", path, info.Size(), kind)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return t.part(archive.Part{Kind: kind, Name: name}, b)
}

func (t *taking) part(p archive.Part, content []byte) error {
	w, err := t.out.Part(p)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(content, 1<<20) {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		t.total += int64(len(piece))
		t.tell(int64(len(piece)))
	}
	return w.Close(0)
}

// Verify reads a backup to its end and checks all of it.
func Verify(ctx context.Context, in io.Reader, progress func(read int64)) (r Report, err error) {
	began := time.Now()
	a, err := archive.NewReader(in)
	if err != nil {
		return r, err
	}
	defer a.Close()
	r.Header = a.Header()
	for {
		p, content, err := a.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, err
		}
		if err := checkPart(p); err != nil {
			return r, err
		}
		if p.Kind == archive.Table {
			if err := dump.Check(p, content); err != nil {
				return r, err
			}
		}
		if progress != nil {
			progress(a.Read())
		}
		if err := ctx.Err(); err != nil {
			return r, err
		}
	}
	r.Manifest, r.Bytes, r.Took = *a.Manifest(), a.Read(), time.Since(began)
	return r, nil
}
