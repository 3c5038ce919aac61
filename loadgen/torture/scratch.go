package torture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// scratch is the directory that a run may write to.
type scratch struct {
	dir  string
	name string // of this run: no other has used it in the same store
	made bool   // the directory itself was made
	subs []string
}

// openScratch takes a directory that is empty, or makes it.
func openScratch(dir string) (*scratch, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	s := &scratch{dir: dir, name: "t" + strconv.FormatInt(time.Now().UnixMicro(), 36)}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		s.made = true
		err = os.MkdirAll(dir, 0o700)
	case err == nil && len(entries) > 0:
		return nil, fmt.Errorf("scratch directory %s: %w: name one that is, or that is not there yet", dir, ErrOccupied)
	}
	if err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	return s, nil
}

func (s *scratch) sub(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	s.subs = append(s.subs, dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("scratch directory: %w", err)
	}
	return dir, nil
}

// remove takes away what was made here, and nothing that somebody else has put
// beside it.
func (s *scratch) remove() error {
	var errs []error
	for _, dir := range s.subs {
		errs = append(errs, os.RemoveAll(dir))
	}
	if s.made {
		errs = append(errs, os.Remove(s.dir))
	}
	return errors.Join(errs...)
}
