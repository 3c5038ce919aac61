package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

func TestPromName(t *testing.T) {
	for _, c := range []struct {
		name string
		typ  protocol.Type
		want string
	}{
		{"http.requests", protocol.Counter, "http_requests_total"},
		{"http.requests", protocol.Gauge, "http_requests"},
		{"http.requests", protocol.Histogram, "http_requests"},
		{"http.requests", protocol.Timer, "http_requests"},
		{"http.requests", protocol.Set, "http_requests"},
		{"requests_total", protocol.Counter, "requests_total"},
		{"requests.total", protocol.Counter, "requests_total"},
		{"requests_total", protocol.Gauge, "requests_total"},
		{"total", protocol.Counter, "total_total"},
		{"a-b/c.d", protocol.Gauge, "a_b_c_d"},
		{"job:rate:5m", protocol.Gauge, "job:rate:5m"},
		{"größe", protocol.Gauge, "gr__e"},
		{"_x9", protocol.Gauge, "_x9"},
		{"", protocol.Gauge, ""},
	} {
		if got := PromName(c.name, c.typ); got != c.want {
			t.Errorf("PromName(%q, %v) = %q, want %q", c.name, c.typ, got, c.want)
		}
	}
	for name, want := range map[string]string{"a.b": "a_b_decrements_total", "a_total": "a_decrements_total", "a.total": "a_decrements_total"} {
		if got := decrementsName(name); got != want {
			t.Errorf("the decrements of %q are %q, want %q", name, got, want)
		}
	}
	for key, want := range map[string]string{"env": "env", "http.status": "http_status", "a:b": "a_b", "9lives": "_9lives", "": "_", "ünder": "_nder"} {
		if got := promLabel(key); got != want {
			t.Errorf("the label of %q is %q, want %q", key, got, want)
		}
	}
}

// TestPromLabels: two tag keys that become one label keep the first.
func TestPromLabels(t *testing.T) {
	k := series.Key{Name: "x", Type: protocol.Gauge, Tags: []series.Tag{{Key: "a.b", Value: "1"}, {Key: "a_b", Value: "2"}, {Key: "z", Value: ""}}}
	if got := promLabels(labels.NewBuilder(labels.FromStrings(nameLabel, "x")), k).String(); got != `{__name__="x", a_b="1"}` {
		t.Errorf("labels are %s", got)
	}
}

// namesStore is a store that knows names alone.
type namesStore struct {
	Store
	list  []storage.Name
	calls int
	err   error
}

func (s *namesStore) Names(context.Context) ([]storage.Name, error) {
	s.calls++
	return slices.Clone(s.list), s.err
}

// TestNamesReload: names are read again beside questions, while there are any, and not
// over what a deletion has made void.
func TestNamesReload(t *testing.T) {
	store := &namesStore{list: []storage.Name{{Name: "first", Type: protocol.Gauge}}}
	catalog := admit.NewCatalog(100)
	now := time.UnixMilli(1_764_000_000_000)
	n := names{alone: true}
	knows := func(what, want string, calls int) {
		t.Helper()
		list, err := n.of(t.Context(), store, catalog, now, want)
		if err != nil || len(list) != 1 || store.calls != calls {
			t.Errorf("%s: %q is %v, %v, after %d questions to the store, want %d", what, want, list, err, store.calls, calls)
		}
	}
	reload := func(calls int) {
		t.Helper()
		if err := n.reload(t.Context(), store, catalog, now); err != nil || store.calls != calls {
			t.Errorf("reload: %v, %d questions to the store, want %d", err, store.calls, calls)
		}
	}
	reload(0)
	knows("at first", "first", 1)
	store.list = []storage.Name{{Name: "second", Type: protocol.Gauge}}
	now = now.Add(2 * namesRefreshAlone)
	knows("old, and kept", "first", 1)
	reload(2)
	intern(t, catalog, "local", protocol.Gauge)
	knows("read again", "second", 2)
	knows("new here", "local", 2)
	reload(3)
	reload(3) // nobody asked since
	knows("asked", "second", 3)
	n.forget()
	store.list = []storage.Name{{Name: "third", Type: protocol.Gauge}}
	knows("after a deletion", "third", 4)
	store.err = storage.ErrUnavailable
	if err := n.reload(t.Context(), store, catalog, now); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a store that is away: %v", err)
	}
	knows("while the store is away", "third", 5)

	store.err = nil
	others := names{}
	list, err := others.all(t.Context(), store, catalog, now)
	if err != nil || len(list) != 2 || others.tooOld(now.Add(namesRefresh)) || !others.tooOld(now.Add(namesRefresh+1)) {
		t.Errorf("a store that others write to is asked when it is due: %v, %v", list, err)
	}
	others.begin()
	if others.tooOld(now.Add(2*namesRefresh)) || !others.tooOld(now.Add(2*namesRefresh+1)) {
		t.Error("where names are kept a question waits for them when they are twice as old")
	}
}

// TestNamesUntaken: names of series are found before all of them are taken, as those
// that are, and taken little by little once somebody asked.
func TestNamesUntaken(t *testing.T) {
	store, catalog, now := &namesStore{}, admit.NewCatalog(1<<20), time.UnixMilli(1_764_000_000_000)
	n := names{alone: true}
	if err := n.prime(t.Context(), store, catalog, now); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * takeAtOnce {
		intern(t, catalog, fmt.Sprint("filler.", i), protocol.Gauge)
	}
	sent := []string{"a", "a.b", "a_b", "http.requests", "http.requests_total", "http.requests.total", "größe.x.und.mehr", "gr__e.x.und.mehr", "total", "9.lives.of.a.cat"}
	for _, name := range sent {
		for _, typ := range []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Raw} {
			intern(t, catalog, name, typ)
		}
	}
	n.keepUp(catalog)
	if n.seen != 0 {
		t.Errorf("%d series were taken for nobody", n.seen)
	}
	taken := names{alone: true}
	all, err := taken.all(t.Context(), store, catalog, now)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]storage.Name{"nobody": nil} // what shownAs says, one name after the other
	for _, name := range all {
		for _, c := range shownAs(name, name.Name) {
			found[c.shown] = append(found[c.shown], name)
		}
	}
	for shown, want := range found {
		if strings.HasPrefix(shown, "filler") && shown != "filler_7" {
			continue
		}
		if got := taken.known.find(shown); !slices.Equal(got, want) {
			t.Fatalf("%q is found as %v, want %v", shown, got, want)
		}
		n.seen, n.known, n.looked = 0, newRegister(0), nil
		if _, err := n.of(t.Context(), store, catalog, now, "another"); err != nil {
			t.Fatal(err)
		}
		got, err := n.of(t.Context(), store, catalog, now, shown)
		byName := func(a, b storage.Name) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
		}
		slices.SortFunc(got, byName)
		slices.SortFunc(want, byName)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q is found as %v, %v, want %v", shown, got, err, want)
		}
		if n.seen != 2*takeAtOnce || n.looked[shown] != catalog.Len() {
			t.Fatalf("two questions took %d series, and looked up to %d", n.seen, n.looked[shown])
		}
	}
	n.keepUp(catalog)
	if n.seen != catalog.Len() || len(n.known.list) != len(all) || len(n.known.newest) != len(taken.known.newest) {
		t.Errorf("%d of %d series were taken, %d of %d names", n.seen, catalog.Len(), len(n.known.list), len(all))
	}
}

// deletingStore has names deleted while they are read.
type deletingStore struct {
	*namesStore
	delete func()
}

func (s deletingStore) Names(ctx context.Context) ([]storage.Name, error) {
	list, err := s.namesStore.Names(ctx)
	s.delete()
	return list, err
}

// TestNamesReloadOvertaken: a reload that a deletion overtook is not taken.
func TestNamesReloadOvertaken(t *testing.T) {
	store := &namesStore{list: []storage.Name{{Name: "gone", Type: protocol.Gauge}}}
	catalog := admit.NewCatalog(100)
	now := time.UnixMilli(1_764_000_000_000)
	n := names{alone: true}
	if _, err := n.all(t.Context(), store, catalog, now); err != nil {
		t.Fatal(err)
	}
	err := n.reload(t.Context(), deletingStore{store, func() {
		store.list = nil
		n.forget()
		if list, err := n.all(t.Context(), store, catalog, now); err != nil || len(list) > 0 {
			t.Errorf("deleted: %v, %v", list, err)
		}
	}}, catalog, now)
	if list, after := n.all(t.Context(), store, catalog, now); err != nil || after != nil || len(list) > 0 {
		t.Errorf("after a reload from before: %v, %v, %v", list, err, after)
	}
}

// TestNames: this process's names are known at once, the store's within the
// refresh, and a name that was deleted goes.
func TestNames(t *testing.T) {
	store := &namesStore{list: []storage.Name{{Name: "stored", Type: protocol.Gauge}}}
	catalog := admit.NewCatalog(100)
	now := time.UnixMilli(1_764_000_000_000)
	var n names
	expect := func(what string, want ...string) {
		t.Helper()
		list, err := n.all(t.Context(), store, catalog, now)
		var got []string
		for _, one := range list {
			got = append(got, one.Name+"|"+one.Type.Symbol())
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
	expect("at first", "stored|g")
	intern(t, catalog, "local", protocol.Counter)
	expect("a new series here", "local|c", "stored|g")
	intern(t, catalog, "local", protocol.Timer)
	intern(t, catalog, "local", protocol.Counter, series.Tag{Key: "a", Value: "b"})
	expect("another type of the name", "local|c", "local|ms", "stored|g")
	store.list = []storage.Name{{Name: "other", Type: protocol.Set}}
	expect("before the refresh", "local|c", "local|ms", "stored|g")
	now = now.Add(namesRefresh + time.Second)
	expect("after the refresh", "local|c", "local|ms", "other|s")
	if store.calls != 2 {
		t.Errorf("the store was asked %d times", store.calls)
	}
	now = now.Add(namesRefresh + time.Second)
	store.err = storage.ErrUnavailable
	if _, err := n.all(t.Context(), store, catalog, now); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a store that is away: %v", err)
	}
}

func intern(t testing.TB, c *admit.Catalog, name string, typ protocol.Type, tags ...series.Tag) *admit.Series {
	t.Helper()
	s, err := c.Intern(series.Key{Name: name, Type: typ, Tags: tags}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSelector(t *testing.T) {
	key := func(name string, typ protocol.Type, env string) series.Key {
		return series.Key{Name: name, Type: typ, Tags: []series.Tag{{Key: "env", Value: env}, {Key: "http.status", Value: "200"}}}
	}
	for _, c := range []struct {
		selector string
		types    []protocol.Type
		key      series.Key
		want     bool
	}{
		{"shop.orders", nil, key("shop.orders", protocol.Counter, "prod"), true},
		{"shop.orders", nil, key("shop_orders", protocol.Counter, "prod"), false},
		{`shop.orders{env="prod"}`, nil, key("shop.orders", protocol.Counter, "prod"), true},
		{`shop.orders{env!="prod"}`, nil, key("shop.orders", protocol.Counter, "prod"), false},
		{`shop.orders{env=~"p.*d"}`, nil, key("shop.orders", protocol.Counter, "prod"), true},
		{`shop.orders{env=~"p"}`, nil, key("shop.orders", protocol.Counter, "prod"), false},
		{`shop.orders{env!~"d.*"}`, nil, key("shop.orders", protocol.Counter, "prod"), true},
		{`{"shop.orders","http.status"="200"}`, nil, key("shop.orders", protocol.Counter, "prod"), true},
		{"shop.orders", []protocol.Type{protocol.Counter}, key("shop.orders", protocol.Gauge, "prod"), false},
		{"shop.orders", []protocol.Type{protocol.Timer, protocol.Histogram}, key("shop.orders", protocol.Histogram, "prod"), true},
	} {
		ms, err := ParseSelector(c.selector, c.types...)
		if err != nil {
			t.Errorf("%s: %v", c.selector, err)
			continue
		}
		if got := series.MatchAll(ms, c.key); got != c.want {
			t.Errorf("%s %v on %v %v: %v, want %v", c.selector, c.types, c.key.Type, c.key, got, c.want)
		}
	}
	for _, bad := range []string{"", "sum(x)", "x[5m]", "x offset 5m", "x @ 100", "x @ end()", "1", "x{", `x{env=~"("}`} {
		if ms, err := ParseSelector(bad); err == nil {
			t.Errorf("%q selects %v", bad, ms)
		}
	}
}

// TestNamesOfOne: a name is found among the others by each name that PromQL knows it
// under, also where the other names are not looked at; and a deletion is seen at once.
func TestNamesOfOne(t *testing.T) {
	r := newRig(t, Options{Alone: true})
	r.series(true, "shop.orders", protocol.Counter)
	r.series(false, "shop.stock", protocol.Gauge)
	r.series(true, "shop_stock", protocol.Timer)
	for shown, want := range map[string]int{
		"shop_orders_total": 1, "shop.orders": 1, "shop_orders_decrements_total": 1,
		"shop_stock": 2, "shop.stock": 1, "shop": 0,
	} {
		got, err := r.reader.names.of(t.Context(), r.store, r.catalog, time.UnixMilli(r.now), shown)
		if err != nil || len(got) != want {
			t.Errorf("%q is that of %v, %v, want %d", shown, got, err, want)
		}
	}
	before := r.reader.names.loaded
	r.now += 60_000
	if _, err := r.reader.names.all(t.Context(), r.store, r.catalog, time.UnixMilli(r.now)); err != nil || r.reader.names.loaded != before {
		t.Errorf("the store is asked again after a minute, %v, though nobody else writes to it", err)
	}
	r.reader.Forget()
	if _, err := r.reader.names.all(t.Context(), r.store, r.catalog, time.UnixMilli(r.now)); err != nil || r.reader.names.loaded == before {
		t.Errorf("the store is not asked after a deletion: %v", err)
	}
}
