package powerfs

import (
	"fmt"
	"os"
	"path/filepath"
)

// Export writes the files, as programs see them, below a directory of another
// file system.
func (d *Disk) Export(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.export(dir)
}

func (n *node) export(path string) error {
	if n.dir == nil {
		if err := os.WriteFile(path, n.file.seen, 0o600); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for name, child := range n.dir.seen {
		if err := child.export(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}
