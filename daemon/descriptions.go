package daemon

import (
	"context"
	"sync"

	"example.com/nexusctl/storage"
)

// alone tells that no other process writes to the store: an SQLite store is one
// daemon's, which the lock of its data directory holds.
func (d *Daemon) alone() bool { return d.store.Backend() == "sqlite" }

// maxDescriptions bounds the names whose descriptions are remembered. Where there
// are more, all are forgotten.
const maxDescriptions = 10_000

// descriptions remembers what people said of single metrics, also that they said
// nothing: every question for a metric asks.
type descriptions struct {
	mu      sync.Mutex
	changes uint64
	byName  map[string][]storage.Meta
}

func (d *descriptions) get(name string) (list []storage.Meta, changes uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, ok = d.byName[name]
	return list, d.changes, ok
}

// put keeps what was read, unless something has changed since.
func (d *descriptions) put(name string, list []storage.Meta, changes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changes != changes {
		return
	}
	if d.byName == nil || len(d.byName) >= maxDescriptions {
		d.byName = map[string][]storage.Meta{}
	}
	d.byName[name] = list
}

func (d *descriptions) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	delete(d.byName, name)
}

func (d *descriptions) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	d.byName = nil
}

// Describe sets what people say of a metric.
func (d *Daemon) Describe(ctx context.Context, name, description, unit string) error {
	defer d.said.forget(name) // also where it failed: it may be in the store
	return d.store.SetMeta(ctx, name, description, unit)
}

// Descriptions are what people said of one metric, or of every one.
func (d *Daemon) Descriptions(ctx context.Context, name string) ([]storage.Meta, error) {
	if name == "" || !d.alone() {
		return d.store.Metas(ctx, name)
	}
	list, changes, ok := d.said.get(name)
	if ok {
		return list, nil
	}
	list, err := d.store.Metas(ctx, name)
	if err == nil {
		d.said.put(name, list, changes)
	}
	return list, err
}
