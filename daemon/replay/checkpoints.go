package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/record"
)

const checkpointPrefix = "checkpoint-"

// Checkpoints is the directory of a log's checkpoints, one file each, named by
// position.
type Checkpoints struct{ dir string }

// OpenCheckpoints uses dir, which must exist, and removes what a kill left
// half-written.
func OpenCheckpoints(dir string) (*Checkpoints, error) {
	half, err := filepath.Glob(filepath.Join(dir, checkpointPrefix+"*.tmp"))
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	for _, path := range half {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove half-written checkpoint: %w", err)
		}
	}
	return &Checkpoints{dir: dir}, nil
}

// Write stores a checkpoint durably: it is whole under its name, or not there.
func (c *Checkpoints) Write(p *record.Checkpoint) error {
	path := c.path(p.Position)
	if err := writeSynced(path+".tmp", record.AppendCheckpoint(nil, p)); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return syncDir(c.dir)
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
		b, err := os.ReadFile(c.path(p))
		if err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		cp, err := record.DecodeCheckpoint(b)
		if err == nil {
			return cp, nil
		}
		damage = errors.Join(damage, fmt.Errorf("checkpoint %s: %w", c.path(p), err))
	}
	return nil, damage
}

// Positions returns the positions of all checkpoints, rising.
func (c *Checkpoints) Positions() ([]uint64, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var list []uint64
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), checkpointPrefix)
		if !ok || strings.HasSuffix(digits, ".tmp") {
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
	if err := os.Remove(c.path(position)); err != nil {
		return fmt.Errorf("remove checkpoint: %w", err)
	}
	return nil
}

func (c *Checkpoints) path(position uint64) string {
	return filepath.Join(c.dir, fmt.Sprintf("%s%020d", checkpointPrefix, position))
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
