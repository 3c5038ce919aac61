package replay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
)

const checkpointPrefix = "checkpoint-"

// Checkpoints is the directory of a log's checkpoints, one file each, named by
// position.
type Checkpoints struct {
	fs  wal.FS
	dir string
}

// OpenCheckpoints uses dir, which must exist, and removes what a kill left
// half-written.
func OpenCheckpoints(dir string) (*Checkpoints, error) { return OpenCheckpointsOn(wal.OS, dir) }

// OpenCheckpointsOn is OpenCheckpoints on another file system.
func OpenCheckpointsOn(fsys wal.FS, dir string) (*Checkpoints, error) {
	c := LookAtCheckpoints(fsys, dir)
	names, err := fsys.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, checkpointPrefix) || !strings.HasSuffix(name, ".tmp") {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("remove half-written checkpoint: %w", err)
		}
	}
	return c, nil
}

// LookAtCheckpoints uses dir and changes nothing by itself.
func LookAtCheckpoints(fsys wal.FS, dir string) *Checkpoints { return &Checkpoints{fs: fsys, dir: dir} }

// Write stores a checkpoint durably: it is whole under its name, or not there.
func (c *Checkpoints) Write(d *record.Draft) error {
	path := c.path(d.Position)
	err := c.writeSynced(path+".tmp", d)
	if err == nil {
		err = c.fs.Rename(path+".tmp", path)
	}
	if err == nil {
		err = c.fs.SyncDir(c.dir)
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

func (c *Checkpoints) writeSynced(path string, content io.WriterTo) error {
	f, err := c.fs.Open(path, true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = content.WriteTo(io.NewOffsetWriter(f, 0))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Read returns the checkpoint at a position.
func (c *Checkpoints) Read(position uint64) (*record.Checkpoint, error) {
	b, err := c.content(c.path(position))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	p, err := record.DecodeCheckpoint(b)
	if err == nil && p.Position != position {
		err = fmt.Errorf("%w: it is of position %d", record.ErrMalformed, p.Position)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", c.path(position), err)
	}
	return p, nil
}

func (c *Checkpoints) content(path string) ([]byte, error) {
	f, err := c.fs.Open(path, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// At returns the newest readable checkpoint at or before the position; nil
// where there is none. A damaged one is passed over, and named in the error
// where no older one can take its place.
func (c *Checkpoints) At(position uint64) (*record.Checkpoint, error) {
	positions, err := c.Positions()
	if err != nil {
		return nil, err
	}
	var damage error
	for _, p := range slices.Backward(positions) {
		if p > position {
			continue
		}
		cp, err := c.Read(p)
		if err == nil {
			return cp, nil
		}
		damage = errors.Join(damage, err)
	}
	return nil, damage
}

// Positions returns the positions of all checkpoints, rising.
func (c *Checkpoints) Positions() ([]uint64, error) {
	names, err := c.fs.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var list []uint64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, checkpointPrefix)
		if !ok || len(digits) != 20 {
			continue
		}
		if p, err := strconv.ParseUint(digits, 10, 64); err == nil {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Written returns when the checkpoint at the position was made, as its file
// says.
func (c *Checkpoints) Written(position uint64) (fs.FileInfo, error) { return os.Stat(c.path(position)) }

// Remove deletes the checkpoint at the position.
func (c *Checkpoints) Remove(position uint64) error {
	if err := c.fs.Remove(c.path(position)); err != nil {
		return fmt.Errorf("remove checkpoint: %w", err)
	}
	return nil
}

func (c *Checkpoints) path(position uint64) string { return filepath.Join(c.dir, c.Name(position)) }

// Name returns the name of the file of the checkpoint at the position.
func (c *Checkpoints) Name(position uint64) string {
	return fmt.Sprintf("%s%020d", checkpointPrefix, position)
}

// Path returns where that file is.
func (c *Checkpoints) Path(position uint64) string { return c.path(position) }

// setAside gives a checkpoint a name under which nobody looks for it.
func (c *Checkpoints) setAside(position uint64) error {
	path := c.path(position)
	return errors.Join(c.fs.Rename(path, filepath.Join(c.dir, "cut-"+filepath.Base(path))), c.fs.SyncDir(c.dir))
}
