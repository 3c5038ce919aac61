package query

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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

const (
	// namesRefresh bounds the age of what is known of other daemons' names; this
	// one's are known at once.
	namesRefresh = 10 * time.Second
	// namesRefreshAlone is how long a name is known of which nothing is stored any
	// more, where this process alone writes to the store.
	namesRefreshAlone = 10 * time.Minute
)

// names is every metric name with its type, of the store and of this process.
type names struct {
	alone bool // no other process writes to the store

	mu    sync.Mutex
	known *register // nil: to be read from the store
	seen  int       // series of the catalog that were taken
	// looked says up to which series was looked for a name, where not all were taken.
	looked map[string]int

	used  bool   // somebody asked
	kept  bool   // who holds this reads the store's names again in time: reload
	asked bool   // since the last reload
	era   uint64 // grows when the names are forgotten

	deletions uint64 // of the catalog, as they were then
	returned  int    // series that came again and were looked at
	loaded    time.Time
}

// all returns the known names.
func (n *names) all(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time) ([]storage.Name, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used, n.asked = true, true
	if err := n.update(ctx, store, catalog, now); err != nil {
		return nil, err
	}
	n.take(catalog.Snapshot(), math.MaxInt)
	return slices.Clone(n.known.list), nil
}

// of returns the names that PromQL finds under one, without a look at all of them.
func (n *names) of(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time, shown string) ([]storage.Name, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used, n.asked = true, true
	if err := n.update(ctx, store, catalog, now); err != nil {
		return nil, err
	}
	local := catalog.Snapshot()
	n.take(local, takeAtOnce)
	n.look(local, shown)
	return n.known.find(shown), nil
}

// takeAtOnce is how many series' names are taken for one question, or between two: a
// hundred thousand take a third of a second.
const takeAtOnce = 250

// maxLooked bounds the names that series were looked through for and not taken.
const maxLooked = 10_000

// look takes those of the series not taken yet that may be meant by a name, and does
// not look at one again for the same.
func (n *names) look(local []*admit.Series, shown string) {
	from := max(n.seen, n.looked[shown])
	if from == len(local) {
		return
	}
	if n.looked == nil || n.seen == len(local) || len(n.looked) >= maxLooked {
		n.looked = map[string]int{}
	}
	n.looked[shown] = len(local)
	var tags []series.Tag
	for _, s := range local[from:] {
		k, err := series.View(s.Key, tags)
		if err != nil {
			continue
		}
		tags = k.Tags
		if mayShow(k.Name, shown) && !s.Gone() {
			n.known.put(storage.Name{Name: k.Name, Type: k.Type})
		}
	}
}

// mayShow tells at a glance, and says yes too often, whether PromQL may find a name as
// shown: both go on alike but for the end, which says what a counter is.
func mayShow(name, shown string) bool {
	for i := 0; i < len(name)-len(totalSuffix); i++ {
		switch {
		case name[i] >= utf8.RuneSelf:
			return true
		case i >= len(shown) || shown[i] != name[i] && rune(shown[i]) != promRune(rune(name[i])):
			return false
		}
	}
	return true
}

// prime reads the store's names before the first question.
func (n *names) prime(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.update(ctx, store, catalog, now)
}

// forget has the store asked anew.
func (n *names) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = nil
	n.era++
}

// reload reads the store's names again beside questions, which go on with what was
// known: of a hundred thousand names that takes half a second beside other work.
func (n *names) reload(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time) error {
	era, wanted := n.begin()
	if !wanted {
		return nil
	}
	var fresh names
	if err := fresh.update(ctx, store, catalog, now); err != nil {
		return err
	}
	fresh.take(catalog.Snapshot(), math.MaxInt)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.era != era || n.deletions != fresh.deletions { // names were deleted meanwhile: the next question reads anew
		return nil
	}
	n.known, n.seen, n.returned, n.loaded = fresh.known, fresh.seen, fresh.returned, fresh.loaded
	n.looked = nil
	return nil
}

// begin tells whether a reload is wanted: somebody asked since the last one. From here
// on reload keeps the names.
func (n *names) begin() (era uint64, wanted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted = n.asked && n.known != nil
	n.kept, n.asked = true, false
	return n.era, wanted
}

// tooOld tells whether a question has to wait for the store's names. Where they are
// kept it is after some time without a question.
func (n *names) tooOld(now time.Time) bool {
	age := now.Sub(n.loaded)
	switch {
	case n.alone && n.kept:
		return false
	case n.alone:
		return age > namesRefreshAlone
	case n.kept:
		return age > 2*namesRefresh
	}
	return age > namesRefresh
}

// keepUpEvery is how often new series' names are taken before a question comes.
const keepUpEvery = time.Second

// KeepNames reads the store's names again while somebody asks for them, until ctx
// ends. It tells fail of each time that it could not.
func (r *Reader) KeepNames(ctx context.Context, fail func(error)) {
	every := namesRefresh / 2
	if r.opts.Alone {
		every = namesRefreshAlone
	}
	r.names.begin()
	tick, again := time.NewTicker(keepUpEvery), time.NewTicker(every)
	defer tick.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.names.keepUp(r.catalog)
		case <-again.C:
			if err := r.names.reload(ctx, r.store, r.catalog, r.opts.Now()); err != nil && ctx.Err() == nil {
				fail(err)
			}
		}
	}
}

// update brings what is known up to date.
func (n *names) update(ctx context.Context, store Store, catalog *admit.Catalog, now time.Time) error {
	deletions, returned := catalog.Returned() // before the series: what is deleted meanwhile goes the next time
	if n.known == nil || n.tooOld(now) || n.deletions != deletions {
		stored, err := store.Names(ctx)
		if err != nil {
			return fmt.Errorf("list names: %w", err)
		}
		// Built anew, so that a deleted name goes; the catalog's come back below.
		n.known, n.seen, n.loaded = newRegister(len(stored)), 0, now
		n.looked = nil
		n.deletions, n.returned = deletions, 0
		for _, name := range stored {
			n.known.put(name)
		}
	}
	n.add(returned[n.returned:])
	n.returned = len(returned)
	return nil
}

// take adds the names of the catalog's next series, so many at most.
func (n *names) take(local []*admit.Series, most int) {
	to := min(len(local), n.seen+min(most, len(local)))
	n.add(local[n.seen:to])
	n.seen = to
}

// keepUp takes what series there are by now, where names were asked for, and lets
// questions in between.
func (n *names) keepUp(catalog *admit.Catalog) {
	for n.takeSome(catalog.Snapshot()) {
		runtime.Gosched()
	}
}

func (n *names) takeSome(local []*admit.Series) (more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || !n.used {
		return false
	}
	n.take(local, takeAtOnce)
	return n.seen < len(local)
}

// add takes the names of this process's series but those that were deleted.
func (n *names) add(list []*admit.Series) {
	var tags []series.Tag
	for _, s := range list {
		if s.Gone() {
			continue
		}
		if k, err := series.View(s.Key, tags); err == nil {
			tags = k.Tags
			n.known.put(storage.Name{Name: k.Name, Type: k.Type})
		}
	}
}
