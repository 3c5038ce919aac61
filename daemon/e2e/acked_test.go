package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// sender is a producer that keeps its own account of what it sent.
type sender struct {
	id      int
	session *client.Session
	batches int
	sum     int64 // of the counter's increments
	bad     int64 // lines that must be rejected
}

func (s *sender) batch(lines int) []byte {
	var b []byte
	s.batches++
	for i := range lines {
		v := int64(i%7 + 1)
		s.sum += v
		b = fmt.Appendf(b, "acked.count:%d|c|#p:%d\n", v, s.id)
		if i%50 == 0 {
			b = fmt.Appendf(b, "acked.bad:x|c\n")
			s.bad++
		}
	}
	return fmt.Appendf(b, "acked.depth:+1|g|#p:%d\n", s.id)
}

// TestAckedKills kills the daemon again and again while producers send batches
// that are acknowledged. Nothing is lost and nothing counts twice: by the
// producers' own accounts, by their acknowledgements, by the ledger and by the
// stored sums.
func TestAckedKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take seconds each")
	}
	t.Parallel()
	eachStore(t, func(t *testing.T, storage string) {
		const producers, lines = 4, 200
		dir, addr := t.TempDir(), freeAddr(t)
		args := []string{"--set", "aggregate.resolution=2s", "--set", "ingest.lanes=3"}
		p := startAt(t, addr, dir, storage, args...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		senders := make([]*sender, producers)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range senders {
			session, err := client.OpenSession(ctx, client.SessionOptions{Addr: addr, Producer: fmt.Sprintf("p-%d", i), Epoch: 1, Compress: i%2 == 1})
			if err != nil {
				t.Fatal(err)
			}
			s := &sender{id: i, session: session}
			senders[i] = s
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := s.session.Send(ctx, s.batch(lines)); err != nil {
						t.Errorf("producer %d: %v", s.id, err)
						return
					}
				}
			})
		}
		for cycle := range kills(t) {
			time.Sleep(time.Duration(200+cycle*311%900) * time.Millisecond)
			p.kill()
			p = startAt(t, addr, dir, storage, args...)
		}
		close(stop)
		wg.Wait()
		var sum, bad, batches int64
		var resent uint64
		for _, s := range senders {
			if err := s.session.Close(ctx); err != nil {
				t.Fatalf("producer %d: %v", s.id, err)
			}
			st := s.session.Stats()
			if want := uint64(s.batches * (lines + 1)); st.Accepted != want || st.Rejected != uint64(s.bad) || st.Acked != uint64(s.batches) {
				t.Errorf("producer %d sent %d batches, %d good and %d bad lines; it has %+v", s.id, s.batches, want, s.bad, st)
			}
			sum += s.sum
			bad += s.bad
			batches += int64(s.batches)
			resent += st.Resent
		}
		l := p.ledger()
		if got, want := l.Stored+l.Pending, uint64(batches*(lines+1)); got != want || l.Rejected["number"] != uint64(bad) {
			t.Errorf("the ledger has %d values and %d bad lines, the producers sent %d and %d: %+v", got, l.Rejected["number"], want, bad, l)
		}
		sums, depths := p.lasts("acked.count", "p"), p.lasts("acked.depth", "p")
		for _, s := range senders {
			if id := fmt.Sprint(s.id); int64(sums[id]) != s.sum || int(depths[id]) != s.batches {
				t.Errorf("producer %d: sum %.0f, want %d; gauge %.0f, want %d", s.id, sums[id], s.sum, depths[id], s.batches)
			}
		}
		t.Logf("%d kills: %d batches, %d values, %d batches sent again, %d duplicates counted, lost 0, doubled 0", kills(t), batches, batches*(lines+1), resent, l.Duplicates)
		p.stop()
	})
}

// TestIdempotencyKey posts one body twice under one key, another body under the
// same key, and both again after a kill.
func TestIdempotencyKey(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	p := startAt(t, addr, dir, "sqlite:nexus.db")
	post := func(body string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url("/api/v1/metrics"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "order-17")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b), res.Header
	}
	const body = `[{"name":"keyed","value":5,"type":"counter"},{"name":"keyed"}]`
	check := func(when string, want api.Ledger) {
		t.Helper()
		l := p.ledger()
		if l.Stored+l.Pending != want.Pending || l.Duplicates != want.Duplicates || l.Rejected["empty_value"] != 1 {
			t.Errorf("%s: %+v", when, l)
		}
	}
	if status, b, h := post(body); status != 200 || !strings.Contains(b, `"accepted":1`) || h.Get("Idempotency-Replayed") != "" {
		t.Errorf("first: %d %s", status, b)
	}
	if status, b, h := post(body); status != 200 || !strings.Contains(b, `"accepted":1`) || h.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s %v", status, b, h)
	}
	check("once repeated", api.Ledger{Pending: 1, Duplicates: 2})
	if status, b, _ := post(`{"name":"other","value":1}`); status != 422 || !strings.Contains(b, "Idempotency-Key") {
		t.Errorf("another body: %d %s", status, b)
	}
	p.kill()
	p = startAt(t, addr, dir, "sqlite:nexus.db")
	if status, _, h := post(body); status != 200 || h.Get("Idempotency-Replayed") != "true" {
		t.Errorf("after a kill: %d %v", status, h)
	}
	check("after a kill", api.Ledger{Pending: 1, Duplicates: 4})
	p.stop()
	p = startAt(t, addr, dir, "sqlite:nexus.db")
	if status, _, h := post(body); status != 200 || h.Get("Idempotency-Replayed") != "true" {
		t.Errorf("from the checkpoint: %d %v", status, h)
	}
	p.stop()
}
