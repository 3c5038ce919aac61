package storage

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/postings"
)

// maxRun is the largest run of neighbouring ids that one name is allotted.
// Series of a name are read together, so they should share shards; but a name
// with one series must not leave holes, so a run is as large as what the name
// has or brings.
const maxRun = 64

// keyHash hashes canonical key bytes; tests replace it to make keys collide.
var keyHash = series.Sum

// Resolve returns the store's ids of series, given by their canonical keys, in
// the same order, and makes the ones it does not know. Ids are dense and the
// same for every daemon on the store. Keys whose hashes collide are told apart
// by the whole key.
func (s *Store) Resolve(ctx context.Context, keys [][]byte) ([]int64, error) {
	r := newResolution(s, keys)
	err := s.read(ctx, "look series up", r.look)
	if err == nil && len(r.missing()) > 0 {
		err = s.write(ctx, "add series", r.add)
	}
	if err != nil {
		return nil, err
	}
	if len(r.made) > 0 {
		s.index.note(r.change)
	}
	return r.ids, nil
}

// Lookup returns the ids of series that the store has, given by their canonical
// keys, in the same order, and 0 for those that it has not.
func (s *Store) Lookup(ctx context.Context, keys [][]byte) ([]int64, error) {
	r := newResolution(s, keys)
	if err := s.read(ctx, "look series up", r.lookup); err != nil {
		return nil, err
	}
	return r.ids, nil
}

// resolution is the naming of some keys.
type resolution struct {
	store  *Store
	keys   [][]byte
	hashes []series.Hash // of the keys
	// order has the keys by hash. The index over hashes is far larger than a
	// connection's cache, and so each of its pages is read once, not once for
	// each key that falls on it.
	order []int32
	ids   []int64               // of the keys, 0 where the store has none
	next  map[series.Hash]int64 // ordinal of the next key of a hash, where it has one
	seen  int64                 // the change to the series that look saw last
	tried bool                  // a transaction that adds was begun
	entry []int32               // of the keys that were allotted an id, in made

	change // what was added
}

func newResolution(s *Store, keys [][]byte) *resolution {
	r := &resolution{
		store: s, keys: keys, hashes: make([]series.Hash, len(keys)), order: make([]int32, len(keys)),
		ids: make([]int64, len(keys)), next: map[series.Hash]int64{},
	}
	for i, k := range keys {
		r.hashes[i], r.order[i] = keyHash(k), int32(i)
	}
	slices.SortFunc(r.order, func(a, b int32) int {
		return cmp.Or(bytes.Compare(r.hashes[a][:], r.hashes[b][:]), bytes.Compare(keys[a], keys[b]), cmp.Compare(a, b))
	})
	return r
}

// look looks the keys up and notes which change to the series it saw last: both
// are of one snapshot.
func (r *resolution) look(ctx context.Context, tx *sql.Tx) error {
	if err := tx.QueryRowContext(ctx, "SELECT changes FROM series_next").Scan(&r.seen); err != nil {
		return err
	}
	return r.lookup(ctx, tx)
}

func (r *resolution) lookup(ctx context.Context, tx *sql.Tx) error {
	step := r.store.db.MaxRows(1)
	wanted := make([][]byte, 0, step)
	for from := 0; from < len(r.order); {
		wanted = wanted[:0]
		for ; from < len(r.order); from++ {
			h := &r.hashes[r.order[from]]
			if n := len(wanted); n > 0 && bytes.Equal(wanted[n-1], h[:]) {
				continue
			} else if n == step {
				break
			}
			wanted = append(wanted, h[:])
		}
		body, args := r.store.db.Rows([]dialect.Column{{Name: "h", Values: wanted}})
		rows, err := tx.QueryContext(ctx, lookupQuery(body), args...)
		if err != nil {
			return err
		}
		if err := scanAll(rows, func() error { return r.take(rows) }); err != nil {
			return err
		}
	}
	return nil
}

// take takes over one row that the store has.
func (r *resolution) take(rows *sql.Rows) error {
	var id, ordinal int64
	var key, found sql.RawBytes
	if err := rows.Scan(&id, &key, &found, &ordinal); err != nil {
		return err
	}
	var hash series.Hash
	copy(hash[:], found)
	r.next[hash] = max(r.next[hash], ordinal+1)
	at, _ := slices.BinarySearchFunc(r.order, hash, func(i int32, h series.Hash) int { return bytes.Compare(r.hashes[i][:], h[:]) })
	for ; at < len(r.order) && r.hashes[r.order[at]] == hash; at++ {
		if i := r.order[at]; bytes.Equal(r.keys[i], key) {
			r.ids[i] = id
		}
	}
	return nil
}

// lookupQuery finds the series of hashes. CROSS JOIN fixes which side SQLite looks
// up: with a plain JOIN a batch of 20,000 new series took 1.3 s where 220,000 were
// there already, and more with each, and takes 0.4 s.
func lookupQuery(hashes string) string {
	return "WITH wanted(h) AS (" + hashes + ") SELECT series.id, series.key, series.key_hash, series.ordinal FROM wanted CROSS JOIN series WHERE series.key_hash = wanted.h"
}

func scanAll(rows *sql.Rows, scan func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// missing returns which keys have no id, each key once, by hash.
func (r *resolution) missing() (list []int32) {
	for at, i := range r.order {
		if r.ids[i] == 0 && !r.again(at) {
			list = append(list, i)
		}
	}
	return list
}

// again says that a key stands in the order before already.
func (r *resolution) again(at int) bool {
	return at > 0 && bytes.Equal(r.keys[r.order[at-1]], r.keys[r.order[at]])
}

// add allots ids under the lock of the one row that knows the next. Where a
// change has come since the keys were looked up, another daemon may have been here,
// and it looks again first.
func (r *resolution) add(ctx context.Context, tx *sql.Tx) error {
	s := r.store
	var next int64
	if err := tx.QueryRowContext(ctx, "SELECT next, changes FROM series_next"+s.db.ForUpdate).Scan(&next, &r.after); err != nil {
		return err
	}
	if r.tried || r.after != r.seen {
		clear(r.ids) // a try that was rolled back left ids that nobody has
		clear(r.next)
		r.made = nil
		if err := r.lookup(ctx, tx); err != nil {
			return err
		}
	}
	r.tried = true
	missing := r.missing()
	if len(missing) == 0 {
		return nil
	}
	count, err := r.countNames(missing)
	if err != nil {
		return err
	}
	runs, err := r.openRuns(ctx, tx, count)
	if err != nil {
		return err
	}
	a := allotment{next: next, runs: runs, left: count}
	if err := r.allot(missing, &a); err != nil {
		return err
	}
	for part := range slices.Chunk(missing, insertRows) {
		if err := r.insert(ctx, tx, part); err != nil {
			return err
		}
	}
	r.repeat()
	if r.seq, err = s.countChange(ctx, tx, r.after); err != nil {
		return err
	}
	if err := a.save(ctx, tx, s, r.seq); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE series_next SET next = $1"), a.next)
	return err
}

// insertRows is how many rows are made ready at once: what they take beside the
// keys is gone before the next ones need it.
const insertRows = 5_000

// countNames counts the new series of each name.
func (r *resolution) countNames(missing []int32) (map[string]int64, error) {
	count := map[string]int64{}
	var tags []series.Tag
	for _, m := range missing {
		// The caller's bytes outlive the map.
		k, err := series.View(unsafe.String(unsafe.SliceData(r.keys[m]), len(r.keys[m])), tags)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		count[k.Name]++
		tags = k.Tags
	}
	return count, nil
}

// repeat gives keys that were asked for more than once the id of the first.
func (r *resolution) repeat() {
	for at, i := range r.order {
		if r.ids[i] == 0 && r.again(at) {
			r.ids[i] = r.ids[r.order[at-1]]
		}
	}
}

// run is a stretch of ids of one name.
type run struct {
	start, size, used int64
	changed           bool
}

// openRuns reads the newest run of each name; older ones are full.
func (r *resolution) openRuns(ctx context.Context, tx *sql.Tx, names map[string]int64) (map[string]*run, error) {
	var list []string
	for n := range names {
		list = append(list, n)
	}
	db, runs := r.store.db, map[string]*run{}
	step := db.MaxRows(1)
	for from := 0; from < len(list); from += step {
		body, args := db.Rows([]dialect.Column{{Name: "n", Values: list[from:min(from+step, len(list))]}})
		rows, err := tx.QueryContext(ctx, "WITH wanted(n) AS ("+body+") SELECT name, start, size, used FROM wanted CROSS JOIN series_run WHERE name = n ORDER BY start", args...)
		if err != nil {
			return nil, err
		}
		err = scanAll(rows, func() error {
			var name string
			g := new(run)
			err := rows.Scan(&name, &g.start, &g.size, &g.used)
			runs[name] = g
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// allotment hands out ids.
type allotment struct {
	next int64
	runs map[string]*run
	full []namedRun
	left map[string]int64 // new series of each name still to come
}

type namedRun struct {
	name string
	*run
}

// id returns the next id of a name.
func (a *allotment) id(name string) int64 {
	g := a.runs[name]
	if g == nil || g.used == g.size {
		size := a.left[name]
		if g != nil {
			size = max(size, 2*g.size)
			a.full = append(a.full, namedRun{name, g})
		}
		size = min(int64(1)<<bits.Len64(uint64(size-1)), maxRun)
		g = &run{start: a.next, size: size}
		a.next += size
		a.runs[name] = g
	}
	a.left[name]--
	g.used++
	g.changed = true
	return g.start + g.used - 1
}

func (a *allotment) save(ctx context.Context, tx *sql.Tx, s *Store, seq int64) error {
	for name, g := range a.runs {
		a.full = append(a.full, namedRun{name, g})
	}
	var names []string
	var starts, sizes, used, changed []int64
	for _, g := range a.full {
		if g.changed {
			names, starts, sizes, used = append(names, g.name), append(starts, g.start), append(sizes, g.size), append(used, g.used)
			changed = append(changed, seq)
		}
	}
	return s.insert(ctx, tx, "INSERT INTO series_run (name, start, size, used, changed)", []dialect.Column{
		{Name: "name", Values: names}, {Name: "start", Values: starts}, {Name: "size", Values: sizes}, {Name: "used", Values: used},
		{Name: "changed", Values: changed},
	}, "ON CONFLICT (name, start) DO UPDATE SET used = excluded.used, changed = excluded.changed")
}

// allot gives ids to missing keys, in the order in which the keys were given.
func (r *resolution) allot(missing []int32, a *allotment) error {
	r.made = make([]postings.Entry, 0, len(missing))
	r.entry = make([]int32, len(r.keys))
	for _, m := range slices.Sorted(slices.Values(missing)) {
		k, err := series.Parse(r.keys[m])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		r.ids[m], r.entry[m] = a.id(k.Name), int32(len(r.made))
		r.made = append(r.made, postings.Entry{ID: r.ids[m], Key: k})
	}
	return nil
}

// insert writes rows of keys that were allotted ids. They come by hash: the index
// over hashes is the one of the three that has new rows all over, and outgrows the
// cache of the connection first.
func (r *resolution) insert(ctx context.Context, tx *sql.Tx, missing []int32) error {
	n := len(missing)
	ids, ordinals, hashes, raw := make([]int64, n), make([]int64, n), make([][]byte, n), make([][]byte, n)
	names, types, tags := make([]string, n), make([]string, n), make([]string, n)
	for i, m := range missing {
		k, hash := &r.made[r.entry[m]].Key, &r.hashes[m]
		text, err := tagsJSON(k.Tags)
		if err != nil {
			return err
		}
		ids[i], hashes[i], raw[i] = r.ids[m], hash[:], r.keys[m]
		names[i], types[i], tags[i] = k.Name, k.Type.String(), text
		ordinals[i] = r.next[*hash]
		r.next[*hash]++
	}
	return r.store.insert(ctx, tx, "INSERT INTO series (id, key_hash, ordinal, key, name, type, tags)", []dialect.Column{
		{Name: "id", Values: ids}, {Name: "key_hash", Values: hashes}, {Name: "ordinal", Values: ordinals}, {Name: "key", Values: raw},
		{Name: "name", Values: names}, {Name: "type", Values: types}, {Name: "tags", Values: tags, JSON: true},
	}, "")
}

// tagsJSON writes tags as a JSON object, the keys sorted.
func tagsJSON(tags []series.Tag) (string, error) {
	size := 2
	for i, t := range tags {
		if i > 0 && tags[i-1].Key >= t.Key || !literal(t.Key) || !literal(t.Value) {
			return marshalTags(tags)
		}
		size += len(t.Key) + len(t.Value) + 6
	}
	b := append(make([]byte, 0, size), '{')
	for i, t := range tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), t.Key...), `":"`...)
		b = append(append(b, t.Value...), '"')
	}
	return string(append(b, '}')), nil
}

// literal says that JSON writes a text as it is, between quotes.
func literal(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

func marshalTags(tags []series.Tag) (string, error) {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	b, err := json.Marshal(m)
	return string(b), err
}
