package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage/dump"
)

// journalFile lists, in the data directory, the moves that a restore is about
// to make. It is written once everything that is moved is checked and durable,
// so whoever finds it makes what is left of them: there is no way back that is
// better.
const journalFile = "restore-journal"

// move makes all moves, over kills in between.
func move(dataDir string, moves []dump.Move) error {
	if len(moves) == 0 {
		return nil
	}
	b, err := json.Marshal(moves)
	if err != nil {
		return err
	}
	path := filepath.Join(dataDir, journalFile)
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the restore's journal: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err == nil {
		err = wal.OS.SyncDir(dataDir)
	}
	if err != nil {
		return fmt.Errorf("write the restore's journal: %w", err)
	}
	_, err = Finish(dataDir)
	return err
}

// Finish ends a restore that was killed while it changed the places, and says
// whether there was one. Whoever uses a data directory calls it first, under
// the directory's lock.
func Finish(dataDir string) (bool, error) {
	path := filepath.Join(dataDir, journalFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var moves []dump.Move
	if err == nil {
		err = json.Unmarshal(b, &moves)
	}
	for _, m := range moves {
		if err == nil {
			err = one(m)
		}
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = wal.OS.SyncDir(dataDir)
	}
	if err != nil {
		return false, fmt.Errorf("finish the restore that %s describes: %w", path, err)
	}
	return true, nil
}

// one makes a move unless it is made. What is at the end of a way was nowhere
// before: the name aside is new, and what stood in a file's place was moved.
func one(m dump.Move) error {
	if _, err := os.Lstat(m.To); err == nil {
		return nil
	}
	if err := wal.OS.MkdirAll(filepath.Dir(m.To)); err != nil {
		return err
	}
	if err := os.Rename(m.From, m.To); err != nil {
		return err
	}
	return errors.Join(wal.OS.SyncDir(filepath.Dir(m.From)), wal.OS.SyncDir(filepath.Dir(m.To)))
}
