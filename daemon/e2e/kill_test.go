package e2e_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// stream is one connection that sends rounds: a counter's increment, a gauge
// that says which round it is, an increment of a gauge of its own and of a
// gauge that all streams share. Lines of one connection keep their order, so
// what survives a kill must be a whole prefix of what was sent.
type stream struct {
	id   int
	sent int // rounds written to the socket, over all kills
}

const linesPerRound = 5

func (s *stream) round(dst []byte, cycle int) []byte {
	s.sent++
	dst = fmt.Appendf(dst, "kill.count:1|c|#s:%d\n", s.id)
	dst = fmt.Appendf(dst, "kill.round:%d|g|#s:%d\n", s.sent, s.id)
	dst = fmt.Appendf(dst, "kill.delta:+1|g|#s:%d\n", s.id)
	dst = fmt.Appendf(dst, "kill.shared:+1|g\n")
	return fmt.Appendf(dst, "kill.new:1|c|#s:%d,cycle:%d,part:%d\n", s.id, cycle, s.sent/200)
}

// send writes rounds at about rate lines a second until the peer is gone or
// stop is closed.
func (s *stream) send(addr string, cycle, rate int, stop <-chan struct{}) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	rounds := max(rate/linesPerRound/200, 1) // 200 writes a second
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var buf []byte
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		buf = buf[:0]
		for range rounds {
			buf = s.round(buf, cycle)
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// kills is how often a daemon is killed: few in the quick test, more where
// NEXUS_KILLS says so.
func kills(t *testing.T) int {
	if s := os.Getenv("NEXUS_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 4
}

// TestKill kills the daemon in the middle of 200,000 lines a second, again and
// again, and compares what it says afterwards with what the senders know.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take seconds each")
	}
	t.Parallel()
	eachStore(t, func(t *testing.T, storage string) {
		const streams, rate = 4, 200_000
		dir := t.TempDir()
		all := make([]*stream, streams)
		for i := range all {
			all[i] = &stream{id: i}
		}
		var shed, lostInKernel uint64
		survived := make([]int, streams)
		p := start(t, dir, storage, "--set", "aggregate.resolution=2s", "--set", "ingest.lanes=3")
		for cycle := range kills(t) {
			before := make([]int, streams)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i, s := range all {
				before[i] = s.sent
				wg.Go(func() { s.send(p.addr, cycle, rate/streams, stop) })
			}
			time.Sleep(time.Duration(700+cycle*531%1900) * time.Millisecond)
			p.kill()
			close(stop)
			wg.Wait()
			p = start(t, dir, storage, "--set", "aggregate.resolution=2s", "--set", "ingest.lanes=3")
			l := p.ledger()
			missing := p.checkPrefixes(all, survived, before)
			newShed := l.Shed["crash"] - shed
			shed = l.Shed["crash"]
			if newShed > missing {
				t.Errorf("cycle %d: the ledger says %d units were shed by the crash, the senders miss %d", cycle, newShed, missing)
			}
			lostInKernel += missing - newShed
			sent := 0
			for i, s := range all {
				sent += (s.sent - before[i]) * linesPerRound
				s.sent = survived[i] // the sender goes on from what survived
			}
			t.Logf("cycle %d: sent %d lines, %d missing, of which the ledger counts %d as shed by the crash", cycle, sent, missing, newShed)
			// What the daemon had read is lost for one sync interval at most.
			// What it had not read yet lies in the kernel's socket buffers,
			// which on a busy machine hold more; a second's worth is too much.
			if newShed > rate/10 || missing > rate {
				t.Errorf("cycle %d: %d lines missing, %d of them read and not logged", cycle, missing, newShed)
			}
		}
		t.Logf("in all: %d units shed by crashes as the ledger says, %d more never read from the sockets", shed, lostInKernel)
		p.stop()
	})
}

// checkPrefixes holds every stream to its prefix and returns the missing lines.
// In one round the lines come as count, round, delta, shared, new, so each may
// be one ahead of the next and no more.
func (p *process) checkPrefixes(all []*stream, survived, before []int) (missing uint64) {
	p.t.Helper()
	counts, rounds, deltas := p.lasts("kill.count", "s"), p.lasts("kill.round", "s"), p.lasts("kill.delta", "s")
	news := p.sumOf("kill.new", "s")
	shared := int(p.lasts("kill.shared", "s")[""])
	sharedMissing := -shared
	var repair []byte
	for i, s := range all {
		id := strconv.Itoa(s.id)
		c, r, d, n := int(counts[id]), int(rounds[id]), int(deltas[id]), int(news[id])
		if c > s.sent || c < before[i] || c-r > 1 || r > c || r-d > 1 || d > r || d-n > 1 || n > d {
			p.t.Errorf("stream %d is no prefix: sent %d (before %d), count %d, round %d, delta %d, new %d", s.id, s.sent, before[i], c, r, d, n)
		}
		survived[i] = c
		missing += uint64(4*s.sent - c - r - d - n)
		sharedMissing += s.sent
		repair = fmt.Appendf(repair, "kill.delta:+%d|g|#s:%d\nkill.new:%d|c|#s:%d\n", c-d, s.id, c-n, s.id)
		shared -= c
	}
	if shared > 0 || -shared > len(all) {
		p.t.Errorf("the shared gauge differs from the streams' own counts by %d", shared)
	}
	p.sendLines(fmt.Appendf(repair, "kill.shared:+%d|g\n", -shared))
	return missing + uint64(sharedMissing)
}

// sendLines completes the rounds that a kill cut, so that every check starts
// from whole ones.
func (p *process) sendLines(lines []byte) {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Write(lines); err != nil {
		p.t.Fatal(err)
	}
	_ = c.Close()
	p.settled()
}

// sumOf adds up the series of a counter by one tag's value.
func (p *process) sumOf(name, tag string) map[string]float64 {
	p.t.Helper()
	var res struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	p.get("/prometheus/api/v1/query?query=sum+by+("+tag+")+("+promName(name)+")", &res)
	m := map[string]float64{}
	for _, r := range res.Data.Result {
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			p.t.Fatal(err)
		}
		m[r.Metric[tag]] = v
	}
	return m
}

func promName(name string) string {
	b := []byte(name)
	for i := range b {
		if b[i] == '.' {
			b[i] = '_'
		}
	}
	return string(b) + "_total"
}
