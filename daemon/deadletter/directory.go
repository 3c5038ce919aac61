package deadletter

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Folder is where letters lie within a data directory: a directory for each
// log, since generations are numbered by log.
const Folder = "dead"

const (
	suffix = ".nxd"
	half   = ".tmp"
)

// Action is what becomes of a letter.
type Action string

// The two ends of a letter.
const (
	Replay Action = "replay" // its points are sent to the store again
	Drop   Action = "drop"   // its points go
)

// Directory holds one log's letters.
//
// A letter waits as <generation>-<shard>.nxd. To have it settled it is claimed
// for a later generation, by renaming it to <name>.replay-<generation> or
// <name>.drop-<generation>: that generation's flush then takes it along, in its
// own transaction. So a generation's flush is a function of the log and of this
// directory, and the store's position says whether a claim is settled.
type Directory struct {
	path string

	mu    sync.Mutex
	files map[string]file // by letter's name
}

// file is one letter as it lies on the disk.
type file struct {
	generation uint64 // of the letter
	action     Action // empty while it waits
	by         uint64 // the generation that settles it
}

func (f file) path(dir, name string) string {
	if f.action != "" {
		name = fmt.Sprintf("%s.%s-%d", name, f.action, f.by)
	}
	return filepath.Join(dir, name)
}

// Open uses the directory of the log named writer in a data directory, which
// it makes where it is missing, and removes what a kill left half-written.
func Open(dataDir, writer string) (*Directory, error) {
	d := &Directory{path: filepath.Join(dataDir, Folder, writer), files: map[string]file{}}
	if err := makeDir(dataDir, Folder, writer); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), half) {
			if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
				return nil, fmt.Errorf("dead letters: %w", err)
			}
			continue
		}
		if name, f, ok := parse(e.Name()); ok {
			d.files[name] = f
		}
	}
	return d, nil
}

// makeDir makes directories below base, so that they outlive a power cut.
// One that is there already may have been made by a process that was killed
// before it was durable.
func makeDir(base string, below ...string) error {
	for _, name := range below {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(base); err != nil {
			return err
		}
		base = path
	}
	return nil
}

// parse takes a file's name apart.
func parse(base string) (name string, f file, ok bool) {
	head, claim, found := strings.Cut(base, suffix)
	generation, _, cut := strings.Cut(head, "-")
	f.generation, ok = number(generation)
	if !found || !cut || !ok {
		return "", f, false
	}
	if claim == "" {
		return base, f, true
	}
	action, by, _ := strings.Cut(strings.TrimPrefix(claim, "."), "-")
	f.action = Action(action)
	f.by, ok = number(by)
	return head + suffix, f, ok && (f.action == Replay || f.action == Drop)
}

func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// Name returns the name of a letter's file.
func (l *Letter) Name() string { return fmt.Sprintf("%d-%d%s", l.Generation, l.Shard, suffix) }

// Keep makes the letters of a generation exactly these, durably. It must come
// before the commit that counts them: a kill between the two leaves letters
// that the next try of the same flush writes over, or takes away.
func (d *Directory) Keep(generation uint64, letters []*Letter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep := map[string]bool{}
	changed := false
	for _, l := range letters {
		name := l.Name()
		keep[name], changed = true, true
		f, ok := d.files[name]
		if !ok {
			f = file{generation: generation}
		}
		if err := d.write(f.path(d.path, name), Append(nil, l)); err != nil {
			return fmt.Errorf("keep dead letter: %w", err)
		}
		d.files[name] = f
	}
	for name, f := range d.files {
		if f.generation != generation || keep[name] {
			continue
		}
		if err := os.Remove(f.path(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a letter that is no longer dead: %w", err)
		}
		delete(d.files, name)
		changed = true
	}
	if !changed {
		return nil
	}
	return syncDir(d.path)
}

// write puts bytes under a name, whole or not at all.
func (d *Directory) write(path string, b []byte) error {
	f, err := os.OpenFile(path+half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+half))
	}
	return os.Rename(path+half, path)
}

// Claim has the generation settle waiting letters: those named, or all where
// names is empty. It returns how many there are. A letter that cannot be read
// cannot be settled.
func (d *Directory) Claim(by uint64, action Action, names []string) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names, err := d.wanted(names)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	for _, name := range names {
		if err := d.move(name, file{generation: d.files[name].generation, action: action, by: by}); err != nil {
			return 0, fmt.Errorf("claim dead letter: %w", err)
		}
	}
	return len(names), syncDir(d.path)
}

// wanted returns the waiting letters that are meant, each of them readable.
func (d *Directory) wanted(names []string) ([]string, error) {
	if len(names) == 0 {
		names = d.waiting()
	}
	var list []string
	for _, given := range names {
		dir, name := filepath.Split(given)
		if dir != "" && filepath.Clean(dir) != filepath.Base(d.path) {
			return nil, fmt.Errorf("dead letter %s is of another log than the daemon's, %s", given, filepath.Base(d.path))
		}
		f, ok := d.files[name]
		if !ok || f.action != "" {
			return nil, fmt.Errorf("no dead letter %s waits", given)
		}
		l, err := read(f.path(d.path, name))
		if err == nil {
			err = l.check()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func (d *Directory) move(name string, to file) error {
	if err := os.Rename(d.files[name].path(d.path, name), to.path(d.path, name)); err != nil {
		return err
	}
	d.files[name] = to
	return nil
}

func (d *Directory) waiting() (names []string) {
	for name, f := range d.files {
		if f.action == "" {
			names = append(names, name)
		}
	}
	return names
}

// Claimed is a letter that a generation settles.
type Claimed struct {
	Letter *Letter
	Action Action
}

// Claimed returns the letters that the generation settles, by their own
// generation and shard. One that was damaged since it was claimed waits again,
// and err says so: the others are settled without it.
func (d *Directory) Claimed(by uint64) ([]Claimed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []Claimed
	var errs []error
	for name, f := range d.files {
		if f.action == "" || f.by != by {
			continue
		}
		l, err := read(f.path(d.path, name))
		if err != nil {
			errs = append(errs, err, d.move(name, file{generation: f.generation}))
			continue
		}
		list = append(list, Claimed{l, f.action})
	}
	slices.SortFunc(list, func(a, b Claimed) int {
		return cmp.Or(cmp.Compare(a.Letter.Generation, b.Letter.Generation), cmp.Compare(a.Letter.Shard, b.Letter.Shard))
	})
	return list, errors.Join(errs...)
}

// Forget removes what generations before the given one have settled: no flush
// of theirs can come again.
func (d *Directory) Forget(before uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		if f.action == "" || f.by >= before {
			continue
		}
		if err := os.Remove(f.path(d.path, name)); err != nil {
			return fmt.Errorf("remove settled dead letter: %w", err)
		}
		delete(d.files, name)
	}
	return nil
}

// Settled reports whether there is anything that Forget might remove.
func (d *Directory) Settled() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.action != "" {
			return true
		}
	}
	return false
}

// Waiting is a letter that waits, and its file.
type Waiting struct {
	File   string // below the data directory's Folder
	Letter *Letter
	Err    error // why the file cannot be read
}

// List returns the waiting letters of every log in a data directory, by log,
// generation and shard. It needs no daemon, and none to be stopped.
func List(dataDir string) ([]Waiting, error) {
	base := filepath.Join(dataDir, Folder)
	paths, err := filepath.Glob(filepath.Join(base, "*", "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	var list []Waiting
	for _, path := range paths {
		l, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // claimed just now
		}
		name, relErr := filepath.Rel(base, path)
		if relErr != nil {
			return nil, relErr
		}
		list = append(list, Waiting{File: name, Letter: l, Err: err})
	}
	slices.SortFunc(list, func(a, b Waiting) int { return slices.Compare(order(a.File), order(b.File)) })
	return list, nil
}

// order takes a file's place apart, so that generation 9 comes before 10.
func order(path string) []string {
	dir, base := filepath.Split(path)
	parts := []string{dir}
	for _, n := range strings.Split(strings.TrimSuffix(base, suffix), "-") {
		parts = append(parts, fmt.Sprintf("%20s", n))
	}
	return parts
}

func read(path string) (*Letter, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	l, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
