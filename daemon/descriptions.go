package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/nexusctl/daemon/query"
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
	whole   bool // byName has everything that people said
	many    bool // they said something of more names than are remembered
}

func (d *descriptions) get(name string) (list []storage.Meta, changes uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, ok = d.byName[name]
	return list, d.changes, ok || d.whole
}

// putAll keeps what was read of every name, unless something has changed since or it
// is too much: then single names are remembered from here on.
func (d *descriptions) putAll(list []storage.Meta, changes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.many = len(list) > maxDescriptions; d.many || d.changes != changes {
		return
	}
	d.byName, d.whole = make(map[string][]storage.Meta, len(list)), true
	for _, m := range list {
		d.byName[m.Name] = []storage.Meta{m}
	}
}

// few tells that everything people said may be remembered.
func (d *descriptions) few() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.many
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
	d.whole = false
	delete(d.byName, name)
}

func (d *descriptions) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	d.whole = false
	d.byName = nil
}

// Describe sets what people say of a metric.
func (d *Daemon) Describe(ctx context.Context, name, description, unit string) error {
	defer d.said.forget(name) // also where it failed: it may be in the store
	return d.store.SetMeta(ctx, name, description, unit)
}

// Descriptions are what people said of one metric, or of every one. Most questions are
// for a metric of which nobody said anything: that is known without the store where
// everything that was said is.
func (d *Daemon) Descriptions(ctx context.Context, name string) ([]storage.Meta, error) {
	if name == "" || !d.alone() {
		return d.store.Metas(ctx, name)
	}
	list, changes, ok := d.said.get(name)
	if ok {
		return list, nil
	}
	if d.said.few() {
		all, err := d.store.Metas(ctx, "")
		if err != nil {
			return nil, err
		}
		d.said.putAll(all, changes)
		return described(all, name), nil
	}
	list, err := d.store.Metas(ctx, name)
	if err == nil {
		d.said.put(name, list, changes)
	}
	return list, err
}

// described returns what was said of a name, in a list by name.
func described(all []storage.Meta, name string) []storage.Meta {
	i, ok := slices.BinarySearchFunc(all, name, func(m storage.Meta, name string) int { return strings.Compare(m.Name, name) })
	if !ok {
		return nil
	}
	return all[i : i+1 : i+1]
}

const (
	// learnPause is after how long a failed look at the store's names is made again.
	learnPause = 10 * time.Second
	// followPause and followTries are how often the follower's first look at the others
	// is waited for.
	followPause, followTries = 100 * time.Millisecond, 100
)

// learnNames has the reader know which names the store had before this process: reads
// of the others need no store. Then it keeps the names that PromQL knows.
func (d *Daemon) learnNames(ctx context.Context) {
	log := d.component("query")
	for tries := 0; ; tries++ {
		err := d.reader.Learn(ctx)
		unfollowed := errors.Is(err, query.ErrNotFollowed)
		if err == nil || unfollowed && tries > followTries {
			break // without it the store is asked
		}
		pause := learnPause
		if unfollowed {
			pause = followPause
		} else {
			log.Warn("the store's names could not be read; until they are, each new question asks it", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	d.reader.KeepNames(ctx, func(err error) {
		log.Warn("the store's names could not be read again; PromQL knows those from before", "error", err)
	})
}
