package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver pgx

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// fleet is producers that send acknowledged batches at a pace, and keep their
// own account of them.
type fleet struct {
	t       *testing.T
	lines   int           // of a batch
	every   time.Duration // between a producer's batches
	variety int           // batches until a producer turns to new series; 0 never
	parts   int           // series of one turn; 50 where it is 0
	extra   func(producer, batch int) []byte

	members []*member
	stop    chan struct{}
	wg      sync.WaitGroup
}

// member is one producer.
type member struct {
	id      int
	session *client.Session
	batches int
	values  uint64
	sums    map[string]float64 // of counters, by key
}

const fleetSize = 4

// launch opens the producers' sessions and lets them send until end.
func (f *fleet) launch(ctx context.Context, addr string) {
	f.t.Helper()
	f.stop = make(chan struct{})
	for i := range fleetSize {
		s, err := client.OpenSession(ctx, client.SessionOptions{Addr: addr, Producer: fmt.Sprintf("fleet-%d", i), Epoch: 1, GiveUp: time.Minute})
		if err != nil {
			f.t.Fatal(err)
		}
		m := &member{id: i, session: s, sums: map[string]float64{}}
		f.members = append(f.members, m)
		f.wg.Go(func() { f.work(ctx, m) })
	}
}

func (f *fleet) work(ctx context.Context, m *member) {
	next := time.Now()
	prepared := map[int]*parcel{}
	for {
		select {
		case <-f.stop:
			return
		case <-time.After(time.Until(next)):
		}
		next = next.Add(f.every)
		turn := 0
		if f.variety > 0 {
			turn = m.batches / f.variety
		}
		p := prepared[turn]
		if p == nil {
			clear(prepared)
			p = f.parcel(m.id, turn)
			prepared[turn] = p
		}
		body := p.body
		if f.extra != nil {
			body = append(append([]byte(nil), body...), f.extra(m.id, m.batches)...)
		}
		if err := m.session.Send(ctx, body); err != nil {
			f.t.Errorf("producer %d: %v", m.id, err)
			return
		}
		m.batches++
		m.values += uint64(f.lines)
		for key, v := range p.sums {
			m.sums[key] += v
		}
	}
}

// parcel is what a batch holds, and what it adds to each series.
type parcel struct {
	body []byte
	sums map[string]float64
}

func (f *fleet) parcel(producer, turn int) *parcel {
	p := &parcel{sums: map[string]float64{}}
	parts := max(f.parts, 50)
	for i := range f.lines {
		v := i%9 + 1
		p.body = fmt.Appendf(p.body, "fleet.count:%d|c|#p:%d,turn:%d,part:%d\n", v, producer, turn, i%parts)
		p.sums[fmt.Sprintf("fleet.count{p=\"%d\",part=\"%d\",turn=\"%d\"}", producer, i%parts, turn)] += float64(v)
	}
	return p
}

// end stops the producers and waits until all they sent is acknowledged. It
// returns how many values that is, and each series' sum.
func (f *fleet) end(ctx context.Context) (values uint64, sums map[string]float64) {
	f.t.Helper()
	close(f.stop)
	f.wg.Wait()
	sums = map[string]float64{}
	for _, m := range f.members {
		if err := m.session.Close(ctx); err != nil {
			f.t.Fatalf("producer %d: %v", m.id, err)
		}
		if st := m.session.Stats(); st.Acked != uint64(m.batches) {
			f.t.Errorf("producer %d sent %d batches, and %d are acknowledged", m.id, m.batches, st.Acked)
		}
		values += m.values
		maps.Copy(sums, m.sums)
	}
	return values, sums
}

// postgresSums reads what Postgres holds of the fleet's counters, by SQL: blocks
// and chunks, of one snapshot, since a compaction moves points between the two.
func postgresSums(t *testing.T, dsn string) map[string]float64 {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	check(t, err)
	defer tx.Rollback()
	names := map[int64]string{}
	rows(t, tx, "SELECT id, key FROM series WHERE name = 'fleet.count'", func(r *sql.Rows) {
		var id int64
		var key []byte
		check(t, r.Scan(&id, &key))
		k, err := series.Parse(key)
		check(t, err)
		names[id] = k.String()
	})
	sums := map[string]float64{}
	add := func(points []block.Point, err error) {
		check(t, err)
		for _, p := range points {
			if name, ok := names[p.Series]; ok {
				sums[name] += p.Sum
			}
		}
	}
	rows(t, tx, "SELECT data FROM flush_block", func(r *sql.Rows) {
		var data []byte
		check(t, r.Scan(&data))
		add(block.DecodeBlock(data, nil))
	})
	rows(t, tx, "SELECT series_id, start_ts, data FROM chunk_10s", func(r *sql.Rows) {
		var id, start int64
		var data []byte
		check(t, r.Scan(&id, &start, &data))
		points, err := block.DecodeChunk(data, start, nil)
		for i := range points {
			points[i].Series = id
		}
		add(points, err)
	})
	return sums
}

// queryer is a database, or a snapshot of it.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func rows(t *testing.T, q queryer, query string, scan func(*sql.Rows)) {
	t.Helper()
	r, err := q.QueryContext(t.Context(), query)
	check(t, err)
	defer r.Close()
	for r.Next() {
		scan(r)
	}
	check(t, r.Err())
}

// sameSums compares stored sums with the producers' own. It returns their
// total.
func sameSums(t *testing.T, got, want map[string]float64) (total float64) {
	t.Helper()
	wrong := 0
	for key, w := range want {
		total += w
		if got[key] != w {
			if wrong++; wrong <= 5 {
				t.Errorf("%s adds up to %.0f, want %.0f", key, got[key], w)
			}
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more series of %d", wrong-5, len(want))
	}
	if len(got) != len(want) {
		t.Errorf("%d series are stored, want %d", len(got), len(want))
	}
	return total
}

// tell shows the end of what the daemon said, where the test fails.
func (p *process) tell() {
	p.t.Cleanup(func() {
		if s := p.logs.String(); p.t.Failed() {
			p.t.Logf("the daemon said last:\n%s", s[max(0, len(s)-4000):])
		}
	})
}

// drained waits until everything that came in is in the store.
func (p *process) drained(within time.Duration) api.Ledger {
	p.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(200 * time.Millisecond) {
		l := p.ledger()
		if l.Pending == 0 {
			return l
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("still pending: %+v\n%s", l, p.logs)
		}
	}
}

// resident returns the process's resident memory, in MiB.
func (p *process) resident() int {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("resident memory cannot be read here: ", err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	check(p.t, err)
	return kib >> 10
}

// metric returns a figure of the exposition.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	v := metricValue(p.text("/metrics"), name+" ")
	if v < 0 {
		p.t.Errorf("the exposition lacks %s", name)
	}
	return v
}

// count is how often a test does its harm: few in the quick test, as often as
// NEXUS_KILLS says otherwise.
func count(t *testing.T, usual int) int {
	t.Helper()
	if os.Getenv("NEXUS_KILLS") == "" {
		return usual
	}
	return kills(t)
}
