package storage

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// examples returns the documented queries of one language.
func examples(t *testing.T, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		query, _, _ := strings.Cut(part, "```")
		list = append(list, query)
	}
	return list
}

// TestDocumentedSQL runs the queries of docs/sql.md, on minutes that are not
// over and on hours that are compacted.
func TestDocumentedSQL(t *testing.T) {
	for language, url := range map[string]string{"sqlite": "sqlite:nexus.db", "sql": pgtest.DSN(t)} {
		t.Run(language, func(t *testing.T) {
			s, ctx := migrated(t, url), t.Context()
			now := time.Now().UnixMilli() / 10_000 * 10_000
			var keys [][]byte
			for name, typ := range map[string]protocol.Type{"http.requests": protocol.Counter, "queue.depth": protocol.Gauge, "http.time": protocol.Gauge, "nexus.own": protocol.Gauge} {
				keys = append(keys, series.Key{Name: name, Type: typ, Tags: []series.Tag{{Key: "service", Value: "a"}}}.Append(nil))
			}
			ids, err := s.Resolve(ctx, keys)
			if err != nil {
				t.Fatal(err)
			}
			for i, ago := range []int64{30 * hourMillis, 60_000} {
				var points []block.Point
				for j, id := range ids {
					p := block.Point{Series: id, Time: now - ago, Kind: block.Gauge, N: 1, Last: 7, LastAt: now - ago, Min: 7, Max: 7, Sum: 7}
					if k, err := series.Parse(keys[j]); err == nil && k.Type == protocol.Counter {
						p = block.Point{Series: id, Time: now - ago, Kind: block.Counter, N: 1, Sum: 7}
					}
					points = append(points, p)
				}
				f := Flush{Writer: "w", From: uint64(i), To: uint64(i + 1), Seq: uint64(i + 1), Hour: (now - ago) / hourMillis, Blocks: []Block{{Data: block.AppendBlock(nil, 0, now-ago, points)}}}
				if _, err := s.Commit(ctx, f); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Compact(ctx, now/hourMillis); err != nil {
				t.Fatal(err)
			}
			rows, err := s.RollMinutes(ctx, now-2*hourMillis, Chosen{Max: 10})
			if err != nil || rows != 3 {
				t.Fatalf("%d rows by the minute, %v, want 3: not the daemon's own", rows, err)
			}
			if rows, err := s.RollMinutes(ctx, now-2*hourMillis, Chosen{Max: 10, Names: []string{"http.*", "queue.nope"}}); err != nil || rows != 2 {
				t.Errorf("%d rows by the minute of http.*, %v", rows, err)
			}
			list := examples(t, language)
			if len(list) < 2 {
				t.Fatalf("%d examples", len(list))
			}
			for _, query := range list {
				n, err := count(s, query)
				if err != nil || n == 0 {
					t.Errorf("%d rows, %v, of\n%s", n, err, query)
				}
			}
		})
	}
}

// TestMinutesOfManyBlocks: an hour's blocks that hold nothing of the minutes that
// are computed neither count in them nor stay in memory, and are not read again.
func TestMinutesOfManyBlocks(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:nexus.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			s, ctx := migrated(t, url), t.Context()
			ids, err := s.Resolve(ctx, [][]byte{series.Key{Name: "many.blocks", Type: protocol.Counter}.Append(nil)})
			if err != nil {
				t.Fatal(err)
			}
			begin, seq := 500_000*int64(hourMillis), uint64(0)
			commit := func(writer string, at int64) {
				data := block.AppendBlock(nil, 0, at, []block.Point{{Series: ids[0], Time: at, Kind: block.Counter, N: 1, Sum: 1}})
				w, err := s.Writer(ctx, writer)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Commit(ctx, Flush{Writer: writer, From: w.Position, To: w.Position + 1, Seq: w.Seq + 1, Hour: begin / hourMillis, Blocks: []Block{{Data: data}}}); err != nil {
					t.Fatal(err)
				}
				seq++
			}
			for range 30 { // five minutes, a block every ten seconds
				commit("w", begin+int64(seq)*10_000)
			}
			if rows, err := s.RollMinutes(ctx, begin+3*60_000, Chosen{Max: 10}); err != nil || rows != 2 {
				t.Fatalf("%d rows, %v, want 2", rows, err)
			}
			var sum float64
			if err := s.db.Read.QueryRow("SELECT SUM(sum) FROM rollup_1m").Scan(&sum); err != nil || sum != 12 {
				t.Errorf("the minutes hold %v, %v, want 12", sum, err)
			}
			if got := s.passed.seqs["w"]; got != 18 {
				t.Errorf("passed are blocks up to %d, want 18", got)
			}
			// What is early, late, or of somebody else counts all the same.
			commit("w", begin+6*60_000)
			commit("w", begin+3*60_000)
			commit("w", begin+4*60_000)
			commit("v", begin+4*60_000)
			for _, c := range []struct {
				minute, rows int64
				sum          float64
				passed       uint64
			}{{4, 2, 6 + 2 + 1, 24}, {5, 1, 1, 30}, {4, 2, 6 + 2 + 1, 24}, {6, 1, 1, 30}, {7, 0, 0, 33}} {
				from := begin + c.minute*60_000
				rows, err := s.RollMinutes(ctx, from, Chosen{Max: 10})
				if err != nil || int64(rows) != c.rows || s.passed.seqs["w"] != c.passed {
					t.Errorf("from minute %d: %d rows, passed %v, %v, want %d and %d", c.minute, rows, s.passed.seqs, err, c.rows, c.passed)
				}
				if err := s.db.Read.QueryRow(s.db.Bind("SELECT COALESCE(SUM(sum), 0) FROM rollup_1m WHERE ts >= $1"), from).Scan(&sum); err != nil || sum != c.sum {
					t.Errorf("from minute %d they hold %v, %v, want %v", c.minute, sum, err, c.sum)
				}
			}
		})
	}
}

// TestPassed: a flush is passed when the blocks of all of its shards are, and no more
// writers are told apart than there may be.
func TestPassed(t *testing.T) {
	m := blockMerge{from: 100, wanted: func(block.Point) bool { return true }, points: map[string][]block.Point{}, empty: map[string]uint64{}, held: map[string]bool{}}
	add := func(writer string, seq uint64, shard, at int64) {
		p := []block.Point{{Series: shard * block.ShardSize, Time: at, Kind: block.Counter, N: 1, Sum: 1}}
		if err := m.add(writer, seq, block.AppendBlock(nil, shard, at, p)); err != nil {
			t.Fatal(err)
		}
	}
	add("a", 1, 0, 0)
	add("a", 2, 0, 0)
	add("a", 2, 1, 100)
	add("a", 3, 0, 0)
	add("b", 7, 0, 99)
	for i := range maxPassed {
		add("c"+strconv.Itoa(i), 1, 0, 0)
	}
	none := passed{}
	p := none.from(100, []int64{0, 1})
	m.pass(&p)
	if len(p.seqs) != maxPassed || p.seqs["a"] > 1 || p.seqs["b"] != 0 && p.seqs["b"] != 7 {
		t.Errorf("passed are %v", p.seqs)
	}
	if next := p.from(101, []int64{0, 1}); !maps.Equal(next.seqs, p.seqs) {
		t.Errorf("later on passed are %v", next.seqs)
	}
	if earlier, others := p.from(99, []int64{0, 1}), p.from(101, []int64{0}); len(earlier.seqs)+len(others.seqs) != 0 {
		t.Errorf("of what was not looked through passed are %v and %v", earlier.seqs, others.seqs)
	}
}

func count(s *Store, query string) (n int, err error) {
	rows, err := s.db.Read.Query(query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// TestSizes: every tier is there, and the sum is the sum.
func TestSizes(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:nexus.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			s, ctx := migrated(t, url), t.Context()
			if _, err := s.Resolve(ctx, [][]byte{series.Key{Name: "a", Type: protocol.Gauge}.Append(nil)}); err != nil {
				t.Fatal(err)
			}
			day := int64(20_000)
			data := block.AppendBlock(nil, 0, day*dayMillis, []block.Point{{Series: 1, Time: day * dayMillis, Kind: block.Gauge, N: 1}})
			if _, err := s.Commit(ctx, Flush{Writer: "w", To: 1, Seq: 1, Hour: day * 24, Blocks: []Block{{Data: data}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Compact(ctx, day*24+1); err != nil {
				t.Fatal(err)
			}
			if _, err := s.RollDays(ctx, day+1); err != nil {
				t.Fatal(err)
			}
			z, err := s.Sizes(ctx)
			if err != nil || z.Series != 1 {
				t.Fatalf("%+v, %v", z, err)
			}
			seen, total := map[string]Size{}, int64(0)
			for _, p := range z.Parts {
				seen[p.Name] = p
				total += p.Bytes
			}
			for _, tier := range []string{"chunk_10s", "chunk_1m"} {
				if p := seen[tier]; p.Bytes == 0 || p.Count != 1 {
					t.Errorf("%s: %+v", tier, p)
				}
			}
			if total != z.Total || total == 0 {
				t.Errorf("%d bytes in all, %d by part", z.Total, total)
			}
		})
	}
}
