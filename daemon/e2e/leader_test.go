package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// standing asks a daemon for its role.
func (p *process) standing() (s api.Status) {
	p.t.Helper()
	res, err := http.Get(p.url("/ready"))
	check(p.t, err)
	defer res.Body.Close()
	check(p.t, json.NewDecoder(res.Body).Decode(&s))
	return s
}

// past stores what a daemon of hours ago would have left: blocks that are to be
// compacted.
type past struct {
	t   *testing.T
	s   *storage.Store
	id  int64
	seq uint64
	sum float64
}

func openPast(t *testing.T, dsn string) *past {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Options{URL: dsn})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	ids, err := s.Resolve(t.Context(), [][]byte{series.Key{Name: "past.count", Type: protocol.Counter}.Append(nil)})
	check(t, err)
	return &past{t: t, s: s, id: ids[0]}
}

// leave stores ten blocks of an hour.
func (p *past) leave(hour int64) {
	p.t.Helper()
	for i := range int64(10) {
		p.seq++
		p.sum += float64(p.seq)
		at := hour*3_600_000 + i*10_000
		_, err := p.s.Commit(p.t.Context(), storage.Flush{
			Writer: "past", From: p.seq - 1, To: p.seq, Seq: p.seq, Hour: hour, Counts: storage.Counts{Stored: 1},
			Blocks: []storage.Block{{Shard: p.id / block.ShardSize, Data: block.AppendBlock(nil, p.id/block.ShardSize, at, []block.Point{{Series: p.id, Time: at, Kind: block.Counter, N: 1, Sum: float64(p.seq)}})}},
		})
		check(p.t, err)
	}
}

// compacted tells how often an hour was.
func compacted(t *testing.T, db *sql.DB, hour int64) (gens int64) {
	t.Helper()
	check(t, db.QueryRowContext(t.Context(), "SELECT COALESCE(MAX(gens), 0) FROM compaction WHERE hour = $1", hour).Scan(&gens))
	return gens
}

// TestTwoDaemons has two daemons on one Postgres. Both answer for what either
// has stored; one leads, and when it is killed the other does within ten
// seconds, and goes on with what the first would have done. Nothing is lost,
// counted twice or compacted twice.
func TestTwoDaemons(t *testing.T) {
	dsn := pgtest.DSN(t)
	dirs := []string{t.TempDir(), t.TempDir()}
	p := start(t, dirs[0], dsn, swift...)
	p.tell()
	p.within(20*time.Second, "the first daemon's lead", func() bool { return p.standing().Role == "leader" })
	q := start(t, dirs[1], dsn, swift...)
	q.tell()
	if role := q.standing().Role; role != "follower" {
		t.Errorf("the second daemon is %s", role)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	one, two := &fleet{t: t, lines: 100, every: 20 * time.Millisecond}, &fleet{t: t, lines: 130, every: 15 * time.Millisecond}
	one.launch(ctx, p.addr)
	two.launch(ctx, q.addr)
	time.Sleep(3 * time.Second)
	valuesOne, sums := one.end(ctx)
	valuesTwo, more := two.end(ctx)
	for key, v := range more {
		sums[key] += v
	}
	db, err := sql.Open("pgx", dsn)
	check(t, err)
	defer db.Close()
	old := openPast(t, dsn)
	hour := time.Now().UnixMilli()/3_600_000 - 5
	old.leave(hour) // is for whoever leads at the next minute, or wins before
	p.kill()        // with what it has acknowledged and not yet stored
	killed := time.Now()
	q.within(20*time.Second, "the second daemon's lead", func() bool { return q.standing().Role == "leader" })
	took := time.Since(killed)
	if took > 10*time.Second {
		t.Errorf("it took %s until the other daemon led", took)
	}
	t.Logf("the other daemon led %s after the kill", took.Round(time.Millisecond))
	q.within(90*time.Second, "the compaction of an old hour", func() bool { return compacted(t, db, hour) > 0 })
	if gens := compacted(t, db, hour); gens > 2 { // two where the first daemon began it
		t.Errorf("the old hour has %d generations", gens)
	}
	if q.metric("nexus_leader") != 1 || q.metric("nexus_leader_changes_total") != 1 {
		t.Error("the exposition does not say that it leads")
	}

	p = start(t, dirs[0], dsn, swift...)
	p.tell()
	p.drained(time.Minute)
	q.drained(time.Minute)
	if role := p.standing().Role; role != "follower" {
		t.Errorf("the daemon that came back is %s", role)
	}
	old.leave(hour) // late
	sameSums(t, postgresSums(t, dsn), sums)
	for _, d := range []*process{p, q} {
		d.within(10*time.Second, "all that both have stored", func() bool { return maps.Equal(d.sumOf("fleet.count", "p"), byProducer(sums)) })
	}
	for _, d := range []*process{p, q} {
		d.within(30*time.Second, "the other's terms in the ledger", func() bool {
			l := d.ledger()
			return l.Stored == valuesOne+valuesTwo+20
		})
		var res struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		d.get(fmt.Sprintf("/prometheus/api/v1/query?query=sum(past_count_total)&time=%d", hour*3600+150), &res)
		if len(res.Data.Result) != 1 {
			t.Fatalf("the old hours are answered with %+v", res)
		}
		if got := fmt.Sprint(res.Data.Result[0].Value[1]); got != fmt.Sprint(old.sum) {
			t.Errorf("the old hours add up to %s, want %v", got, old.sum)
		}
	}
	p.stop()
	q.within(20*time.Second, "the other's end", func() bool { return strings.Contains(q.text("/metrics"), `nexus_writers{state="gone"} 1`) })
	if q.metric("nexus_followed_blocks_total") == 0 || q.metric("nexus_watermark_timestamp_seconds") == 0 {
		t.Error("the second daemon has not followed the first")
	}
	q.stop()
}

// TestRestoreUnderADaemon refuses to restore over a store on which a daemon
// works, from any machine.
func TestRestoreUnderADaemon(t *testing.T) {
	eachStore(t, func(t *testing.T, storage string) {
		dir, elsewhere := t.TempDir(), t.TempDir()
		p := start(t, dir, storage)
		file := dir + "/nexus.nxb"
		mustCtl(t, "backup", "--data-dir", dir, "--storage", storage, "--quiet", file)
		if strings.HasPrefix(storage, "sqlite:") {
			elsewhere = dir
		}
		out, err := ctl(t, "restore", "--data-dir", elsewhere, "--storage", storage, "--force", file)
		if err == nil || !strings.Contains(out, "daemon") {
			t.Errorf("%v: %s", err, out)
		}
		p.stop()
		mustCtl(t, "restore", "--data-dir", elsewhere, "--storage", storage, "--force", "--quiet", file)
	})
}
