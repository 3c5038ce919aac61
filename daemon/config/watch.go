package config

import (
	"context"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// quiet is how long a file must have been left alone before it is read: an
// editor writes in several steps.
const quiet = 200 * time.Millisecond

// Watch calls changed whenever the text of the file has changed, until ctx
// ends. It watches the directory, since editors and orchestrators replace
// files instead of writing them.
func Watch(ctx context.Context, path string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the settings file: %w", err)
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(path)); err != nil {
		return fmt.Errorf("watch the settings file: %w", err)
	}
	seed := maphash.MakeSeed()
	last := fingerprint(seed, path)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			timer.Reset(quiet)
		case err := <-w.Errors:
			return fmt.Errorf("watch the settings file: %w", err)
		case <-timer.C:
			if now := fingerprint(seed, path); now != last {
				last = now
				changed()
			}
		}
	}
}

// fingerprint tells one text of the file from another; 0 where there is none.
func fingerprint(seed maphash.Seed, path string) uint64 {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxFile {
		return 0
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return maphash.Bytes(seed, b)
}
