package dump_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dump"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// backends names where a test's stores are.
var backends = []string{"sqlite", "postgres"}

// at returns an empty place for a store.
func at(t *testing.T, backend string) dump.Config {
	t.Helper()
	if backend == "postgres" {
		return dump.Config{URL: pgtest.DSN(t)}
	}
	return dump.Config{URL: "sqlite:nexus.db", DataDir: t.TempDir()}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open makes a store, or opens the one that is there.
func open(t *testing.T, c dump.Config) *storage.Store {
	t.Helper()
	m, err := migrate.Open(t.Context(), c.URL, c.DataDir, "")
	check(t, err)
	_, err = m.Up(t.Context())
	check(t, errors.Join(err, m.Close()))
	s, err := storage.Open(t.Context(), storage.Options{URL: c.URL, DataDir: c.DataDir})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

const (
	day  = int64(20_416) // 2025-11-24
	hour = day*24 + 5
	ms   = int64(3_600_000)
)

// feeder commits flushes of one counter, one gauge and one timer each.
type feeder struct {
	t   *testing.T
	s   *storage.Store
	ids []int64
	seq uint64
}

func newFeeder(t *testing.T, s *storage.Store) *feeder {
	t.Helper()
	f := &feeder{t: t, s: s}
	var keys [][]byte
	for i := range 40 {
		kind := []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer}[i%3]
		key := series.Key{Name: fmt.Sprintf("dump.%d", i), Type: kind, Tags: []series.Tag{{Key: "env", Value: "ümläut \"quoted\"\n"}}}
		keys = append(keys, key.Append(nil))
	}
	ids, err := s.Resolve(t.Context(), keys)
	check(t, err)
	f.ids = ids
	return f
}

// flush commits one generation of an hour: a point of each series at a time.
func (f *feeder) flush(ctx context.Context, h, at int64) error {
	f.seq++
	byShard := map[int64][]block.Point{}
	for i, id := range f.ids {
		p := block.Point{Series: id, Time: at, N: 1}
		switch i % 3 {
		case 0:
			p.Kind, p.Sum = block.Counter, float64(f.seq)
		case 1:
			p.Kind, p.Sum, p.Min, p.Max, p.Last, p.LastAt = block.Gauge, 1.5, 1.5, 1.5, 1.5, at
		case 2:
			h := histogram.New(5)
			h.Add(float64(i+1), 1)
			p.Kind, p.Count, p.Sum, p.Min, p.Max, p.Sketch = block.Histogram, 1, float64(i+1), float64(i+1), float64(i+1), h.AppendBinary(nil)
		}
		byShard[id/block.ShardSize] = append(byShard[id/block.ShardSize], p)
	}
	fl := storage.Flush{
		Writer: "writer", From: (f.seq - 1) * 10, To: f.seq * 10, Seq: f.seq, Hour: h,
		Counts: storage.Counts{Stored: uint64(len(f.ids)), Rejected: map[string]uint64{"syntax": 1}},
		Events: []storage.Event{{EventID: storage.EventID{At: at, Writer: "writer", Seq: f.seq}, Kind: "event", Status: "info", Priority: "normal", Title: "t", Tags: map[string]string{"a": "b"}}},
	}
	for shard, points := range byShard {
		slices.SortStableFunc(points, func(a, b block.Point) int { return int(a.Series - b.Series) })
		fl.Blocks = append(fl.Blocks, storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, at, points)})
	}
	_, err := f.s.Commit(ctx, fl)
	return err
}

// fill makes a store that has something in every table.
func fill(t *testing.T, c dump.Config) *feeder {
	t.Helper()
	s, ctx := open(t, c), t.Context()
	f := newFeeder(t, s)
	for _, h := range []int64{hour, hour + 1, hour + 40} {
		for i := range int64(6) {
			check(t, f.flush(ctx, h, h*ms+i*10_000))
		}
	}
	check(t, f.flush(ctx, hour+60, (hour+3)*ms)) // late
	for _, before := range []int64{hour + 2, hour + 41} {
		_, err := s.Compact(ctx, before)
		check(t, err)
		_, err = s.RollDays(ctx, day+3)
		check(t, err)
	}
	_, err := s.RollMinutes(ctx, hour*ms, storage.Chosen{Max: 3})
	check(t, err)
	check(t, s.SetMeta(ctx, "dump.0", "a counter", "1"))
	return f
}

// save writes a backup.
func save(t *testing.T, c dump.Config) ([]byte, archive.Manifest) {
	t.Helper()
	var out bytes.Buffer
	snap, err := dump.Take(t.Context(), c)
	check(t, err)
	defer func() { check(t, snap.Close()) }()
	return saveSnapshot(t, snap, &out)
}

func saveSnapshot(t *testing.T, snap *dump.Snapshot, out *bytes.Buffer) ([]byte, archive.Manifest) {
	t.Helper()
	w, err := archive.NewWriter(out, archive.Header{Made: snap.Made, Backend: snap.Backend, Store: snap.Store, Schema: snap.Schema})
	check(t, err)
	var told int64
	check(t, snap.Write(t.Context(), w, func(n int64) { told += n }))
	m, err := w.Close(nil)
	check(t, err)
	if told != m.Bytes() || snap.Size == 0 {
		t.Errorf("progress tells of %d bytes of %d, about %d", told, m.Bytes(), snap.Size)
	}
	return out.Bytes(), m
}

// load puts a backup in, as a restore does.
func load(t *testing.T, b []byte, c dump.Config, aside string) (occupied bool, err error) {
	t.Helper()
	ctx := t.Context()
	r, err := archive.NewReader(bytes.NewReader(b))
	check(t, err)
	defer r.Close()
	l, err := dump.NewLoader(ctx, c, r.Header(), aside+"-new")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, l.Discard(context.Background())) }()
	for {
		p, in, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		if err := l.Table(ctx, p, in); err != nil {
			return false, err
		}
	}
	if err := l.Verify(ctx, r.Manifest()); err != nil {
		return false, err
	}
	if occupied, err = l.Occupied(ctx); err != nil {
		return occupied, err
	}
	return occupied, l.Swap(ctx, dump.Aside{Name: aside, Move: func(list []dump.Move) error {
		for _, m := range list {
			if err := os.MkdirAll(filepath.Dir(m.To), 0o700); err != nil {
				return err
			}
			if err := os.Rename(m.From, m.To); err != nil {
				return err
			}
		}
		return nil
	}})
}

// rows renders every row of a backup, sorted, by table.
func rows(t *testing.T, b []byte) map[string][]string {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(b))
	check(t, err)
	defer r.Close()
	all := map[string][]string{}
	for {
		p, in, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		tuples, err := dump.NewTupleReader(in, p.Columns)
		check(t, err)
		for {
			v, err := tuples.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			all[p.Name] = append(all[p.Name], render(p.Columns, v))
		}
	}
	for name := range all {
		slices.Sort(all[name])
	}
	return all
}

func render(cols []archive.Column, values []any) string {
	var list []string
	for i, v := range values {
		var doc any
		if s, ok := v.(string); ok && strings.HasPrefix(s, "{") && json.Unmarshal([]byte(s), &doc) == nil {
			canonical, _ := json.Marshal(doc)
			v = string(canonical)
		}
		list = append(list, fmt.Sprintf("%s=%v", cols[i].Name, v))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// same compares two backups row by row.
func same(t *testing.T, got, want map[string][]string) {
	t.Helper()
	for name, list := range want {
		if !slices.Equal(got[name], list) {
			t.Errorf("%s has %d rows, want %d", name, len(got[name]), len(list))
			for i := range list {
				if i >= len(got[name]) || got[name][i] != list[i] {
					t.Errorf("row %d of %s: want %.300s", i, name, list[i])
					break
				}
			}
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s was empty and has %d rows", name, len(got[name]))
		}
	}
}

// TestEveryTableTravels holds that a backup carries every table of the schema,
// to either database and back, row by row, and that the restored store answers.
func TestEveryTableTravels(t *testing.T) {
	for _, from := range backends {
		for _, to := range backends {
			t.Run(from+" to "+to, func(t *testing.T) {
				src := at(t, from)
				f := fill(t, src)
				b, m := save(t, src)
				want := rows(t, b)
				tables, err := migrate.Tables(from)
				check(t, err)
				for _, name := range tables {
					switch name {
					case "chunk_file", "chunk_file_2", "series_2":
						continue // files are listed anew; the others are scaffolding
					}
					if len(want[name]) == 0 && filled[name] {
						t.Errorf("the backup has nothing of %s", name)
					}
				}
				dst := at(t, to)
				if occupied, err := load(t, b, dst, "aside"); err != nil || occupied {
					t.Fatalf("occupied %v, %v", occupied, err)
				}
				again, _ := save(t, dst)
				same(t, rows(t, again), want)
				s := open(t, dst)
				if s.ID() == "" || m.Rows("series") != 40 {
					t.Errorf("store %q, %d series", s.ID(), m.Rows("series"))
				}
				// The store goes on where it was.
				g := &feeder{t: t, s: s, ids: f.ids, seq: f.seq}
				check(t, g.flush(t.Context(), hour+70, (hour+70)*ms))
				if _, err := s.Compact(t.Context(), hour+71); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// filled are the tables in which fill leaves something.
var filled = map[string]bool{
	"store_meta": true, "metric": true, "series": true, "series_next": true, "series_run": true, "series_change": true, "writer_position": true, "counter_day": true,
	"flush_block": true, "chunk_10s": true, "sketch_10s": true, "chunk_1m": true, "rollup_1h": true, "rollup_1m": true, "compaction": true,
	"minute_day": true, "tier": true, "event": true,
}

// stored adds up what a backup says was stored, and what points are in it.
func stored(t *testing.T, all map[string][]string, b []byte) (said, points uint64, sum float64) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(b))
	check(t, err)
	defer r.Close()
	add := func(list []block.Point, err error) {
		check(t, err)
		for _, p := range list {
			points += p.N
			if p.Kind == block.Counter {
				sum += p.Sum
			}
		}
	}
	for {
		p, in, err := r.Next()
		if errors.Is(err, io.EOF) {
			return said, points, sum
		}
		check(t, err)
		tuples, err := dump.NewTupleReader(in, p.Columns)
		check(t, err)
		for {
			v, err := tuples.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			switch p.Name {
			case "writer_position":
				var c storage.Counts
				check(t, json.Unmarshal([]byte(v[3].(string)), &c))
				said += c.Stored
			case "flush_block":
				add(block.DecodeBlock(v[4].([]byte), nil))
			case "chunk_10s", "sketch_10s":
				add(block.DecodeChunk(v[3].([]byte), v[1].(int64), nil))
			}
		}
	}
}

// TestWhileWriting takes backups while flushes, compactions and the making of
// days go on, and puts each back: what it says was stored is in it, to the
// point, and no flush waited.
func TestWhileWriting(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			src := at(t, backend)
			s := open(t, src)
			f := newFeeder(t, s)
			for i := range int64(30) {
				check(t, f.flush(t.Context(), hour+i/5, (hour+i/5)*ms+i%5*10_000))
			}
			ctx, cancel := context.WithCancel(t.Context())
			var flushes atomic.Int64
			done := make(chan error, 2)
			go func() {
				for i := int64(0); ctx.Err() == nil; i++ {
					h := hour + 6 + i/10
					if err := f.flush(context.Background(), h, h*ms+i%10*10_000); err != nil {
						done <- err
						return
					}
					flushes.Add(1)
				}
				done <- nil
			}()
			go func() {
				for ctx.Err() == nil {
					before := hour + 5 + flushes.Load()/10
					if _, err := s.Compact(context.Background(), before); err != nil {
						done <- err
						return
					}
					if _, err := s.RollDays(context.Background(), before/24); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			var last uint64
			for range 2 {
				began := flushes.Load()
				snap, err := dump.Take(t.Context(), src)
				check(t, err)
				for wait := flushes.Load(); flushes.Load() < wait+8; time.Sleep(time.Millisecond) {
				} // others go on while the snapshot is held
				var out bytes.Buffer
				b, _ := saveSnapshot(t, snap, &out)
				check(t, snap.Close())
				if flushes.Load() == began {
					t.Error("no flush was made meanwhile")
				}
				said, points, sum := stored(t, nil, b)
				if said != points || said <= last {
					t.Errorf("the backup says that %d are stored, after %d, and has %d", said, last, points)
				}
				n := float64(said / 40)
				if want := 14 * n * (n + 1) / 2; sum != want {
					t.Errorf("after %v flushes the counters add up to %v, want %v", n, sum, want)
				}
				last = said
				dst := at(t, backend)
				if _, err := load(t, b, dst, "aside"); err != nil {
					t.Fatal(err)
				}
				again, _ := save(t, dst)
				if said2, points2, sum2 := stored(t, nil, again); said2 != said || points2 != points || sum2 != sum {
					t.Errorf("restored: %d, %d, %v, want %d, %d, %v", said2, points2, sum2, said, points, sum)
				}
			}
			cancel()
			check(t, errors.Join(<-done, <-done))
		})
	}
}

// TestAside puts a backup over a store that goes on existing, aside.
func TestAside(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			src, dst := at(t, backend), at(t, backend)
			fill(t, src)
			b, _ := save(t, src)
			s := open(t, dst)
			old := s.ID()
			f := newFeeder(t, s)
			check(t, f.flush(t.Context(), hour, hour*ms))
			occupied, err := load(t, b, dst, "aside")
			if err != nil || !occupied {
				t.Fatalf("occupied %v, %v", occupied, err)
			}
			again, _ := save(t, dst)
			same(t, rows(t, again), rows(t, b))
			kept := dump.Config{URL: "sqlite:aside/nexus.db", DataDir: dst.DataDir}
			if backend == "postgres" {
				kept = dump.Config{URL: dst.URL + "&search_path=aside"}
			}
			snap, err := dump.Take(t.Context(), kept)
			check(t, err)
			defer snap.Close()
			if snap.Store != old {
				t.Errorf("aside is the store %s, want %s", snap.Store, old)
			}
		})
	}
}

// TestInUse: a store on which a daemon works is not replaced. (SQLite's daemon
// holds its data directory.)
func TestInUse(t *testing.T) {
	src, dst := at(t, "postgres"), at(t, "postgres")
	fill(t, src)
	b, _ := save(t, src)
	r, err := archive.NewReader(bytes.NewReader(b))
	check(t, err)
	defer r.Close()
	first, err := dump.NewLoader(t.Context(), dst, r.Header(), "a")
	check(t, err)
	if _, err := dump.NewLoader(t.Context(), dst, r.Header(), "b"); !errors.Is(err, dump.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	check(t, first.Discard(t.Context()))
	second, err := dump.NewLoader(t.Context(), dst, r.Header(), "b")
	check(t, err)
	check(t, second.Discard(t.Context()))
}

// TestMissingFile: a day's file that is gone and should not be fails a backup.
func TestMissingFile(t *testing.T) {
	src := at(t, "sqlite")
	fill(t, src)
	found, err := filepath.Glob(filepath.Join(src.DataDir, "chunks-*.db"))
	check(t, err)
	check(t, os.Rename(found[0], filepath.Join(src.DataDir, "elsewhere")))
	if snap, err := dump.Take(t.Context(), src); err == nil {
		_ = snap.Close()
		t.Error("the backup of a store that lacks a file was taken")
	}
}

func TestNoStore(t *testing.T) {
	for _, backend := range backends {
		if _, err := dump.Take(t.Context(), at(t, backend)); !errors.Is(err, dump.ErrNoStore) {
			t.Errorf("%s: %v", backend, err)
		}
	}
}

// TestNewerSchema: a backup of a newer nexusctl is refused before anything is
// made of it.
func TestNewerSchema(t *testing.T) {
	for _, backend := range backends {
		_, err := dump.NewLoader(t.Context(), at(t, backend), archive.Header{Schema: []int64{1, 9999}}, "new")
		if !errors.Is(err, migrate.ErrNewer) {
			t.Errorf("%s: %v", backend, err)
		}
	}
}
