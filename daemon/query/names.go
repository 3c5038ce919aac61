package query

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

const (
	totalSuffix      = "_total"
	decrementsSuffix = "_decrements_total"
)

// PromName returns the name under which PromQL knows a metric: characters that
// its names may not hold become _, counters end in _total.
func PromName(name string, t protocol.Type) string {
	clean := strings.Map(promRune, name)
	if t == protocol.Counter && !strings.HasSuffix(clean, totalSuffix) {
		clean += totalSuffix
	}
	return clean
}

// decrementsName is where a counter's negative increments are found.
func decrementsName(name string) string {
	return strings.TrimSuffix(strings.Map(promRune, name), totalSuffix) + decrementsSuffix
}

func promRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == ':':
		return r
	}
	return '_'
}

// promLabel returns the label name of a tag key.
func promLabel(key string) string {
	clean := strings.ReplaceAll(strings.Map(promRune, key), ":", "_")
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "_" + clean
	}
	return clean
}

// namesRefresh bounds the age of what is known of other daemons' names; this
// one's are known at once.
const namesRefresh = 10 * time.Second

// names is every metric name with its type, of the store and of this process.
type names struct {
	mu    sync.Mutex
	known map[storage.Name]struct{}
	seen  int // series of the catalog looked at

	deletions uint64 // of the catalog, as they were then
	returned  int    // series that came again and were looked at
	loaded    time.Time
}

// all returns the known names. The set must not be changed by the caller and
// only grows.
func (n *names) all(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time) ([]storage.Name, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	deletions, returned := catalog.Returned() // before the series: what is deleted meanwhile goes the next time
	if n.known == nil || now.Sub(n.loaded) > namesRefresh || n.deletions != deletions {
		stored, err := store.Names(ctx)
		if err != nil {
			return nil, fmt.Errorf("list names: %w", err)
		}
		// Built anew, so that a deleted name goes; the catalog's come back below.
		n.known, n.seen, n.loaded = make(map[storage.Name]struct{}, len(stored)), 0, now
		n.deletions, n.returned = deletions, 0
		for _, name := range stored {
			n.known[name] = struct{}{}
		}
	}
	local := catalog.Snapshot()
	n.add(local[n.seen:])
	n.add(returned[n.returned:])
	n.seen, n.returned = len(local), len(returned)
	list := make([]storage.Name, 0, len(n.known))
	for name := range n.known {
		list = append(list, name)
	}
	return list, nil
}

// add takes the names of this process's series but those that were deleted.
func (n *names) add(list []*admit.Series) {
	for _, s := range list {
		if s.Gone() {
			continue
		}
		if k, err := series.Parse([]byte(s.Key)); err == nil {
			n.known[storage.Name{Name: k.Name, Type: k.Type}] = struct{}{}
		}
	}
}
