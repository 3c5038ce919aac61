package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// ctl runs a command of nexusctl and returns what it prints, and says.
func ctl(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	b, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	return string(b), err
}

func mustCtl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := ctl(t, args...)
	if err != nil {
		t.Fatalf("nexusctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// another returns an empty place for a store of a kind.
func another(t *testing.T, storage string) string {
	if strings.HasPrefix(storage, "sqlite:") {
		return storage
	}
	return pgtest.DSN(t)
}

// storedSums reads what either database holds of the fleet's counters.
func storedSums(t *testing.T, dir, storage string) map[string]float64 {
	t.Helper()
	if strings.HasPrefix(storage, "sqlite:") {
		return sqliteSums(t, dir)
	}
	return postgresSums(t, storage)
}

// resume says HELLO for a producer and returns how far the daemon has it.
func resume(t *testing.T, addr, producer string) (c net.Conn, in *bufio.Reader, last uint64) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	check(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = c.Write(protocol.AppendHello(nil, protocol.Hello{Producer: producer, Epoch: 1}))
	check(t, err)
	in = bufio.NewReader(c)
	r := reply(t, in)
	if r.OK == nil {
		t.Fatalf("HELLO is answered with %+v", r)
	}
	return c, in, r.OK.Last
}

func reply(t *testing.T, in *bufio.Reader) protocol.Reply {
	t.Helper()
	line, err := in.ReadBytes('\n')
	check(t, err)
	r, err := protocol.ParseReply(line[:len(line)-1])
	check(t, err)
	return r
}

// resend sends a fleet's batches from one on, up to all that it ever sent.
func resend(t *testing.T, c net.Conn, in *bufio.Reader, body []byte, from, to uint64) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: seq, Bytes: len(body), CRC: protocol.Checksum(body)})
		_, err := c.Write(append(head, body...))
		check(t, err)
		for acked := uint64(0); acked < seq; {
			r := reply(t, in)
			if r.Ack == nil {
				t.Fatalf("batch %d is answered with %+v", seq, r)
			}
			acked = r.Ack.Seq
		}
	}
}

// TestBackupAndRestore backs up a daemon while producers send, and restores that
// in another place, also in the other database. What is there is what the log
// had at that moment, to the unit; what producers send again counts once, and
// so their sums come to all that they ever sent.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	for _, way := range [][2]string{{"sqlite", "sqlite"}, {"postgres", "postgres"}, {"sqlite", "postgres"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			place := map[string]string{"sqlite": "sqlite:nexus.db"}
			for _, w := range way {
				if w == "postgres" {
					place[w] = pgtest.DSN(t)
				}
			}
			from, to := place[way[0]], another(t, place[way[1]])
			dir, fresh, file := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "nexus.nxb")
			p := start(t, dir, from, "--set", "aggregate.resolution=1s")
			p.tell()
			f := &fleet{t: t, lines: 200, every: 20 * time.Millisecond}
			f.launch(t.Context(), p.addr)
			time.Sleep(3 * time.Second)
			out := mustCtl(t, "backup", "--data-dir", dir, "--storage", from, "-o", "json", "--quiet", file)
			var shown struct {
				Log struct {
					Stored uint64 `json:"stored_up_to"`
					End    uint64 `json:"end"`
				} `json:"log"`
			}
			check(t, json.Unmarshal([]byte(out), &shown))
			if shown.Log.Stored == 0 || shown.Log.End < shown.Log.Stored {
				t.Errorf("the backup's log: %+v", shown.Log)
			}
			time.Sleep(time.Second)
			_, all := f.end(t.Context())
			p.kill()
			mustCtl(t, "backup", "verify", file)
			mustCtl(t, "restore", "--data-dir", fresh, "--storage", to, "--quiet", file)

			q := start(t, fresh, to, "--set", "aggregate.resolution=1s")
			q.tell()
			values, want := uint64(0), map[string]float64{}
			type half struct {
				c        net.Conn
				in       *bufio.Reader
				last, to uint64
				body     []byte
			}
			var halves []half
			for _, m := range f.members {
				c, in, last := resume(t, q.addr, fmt.Sprintf("fleet-%d", m.id))
				if last == 0 || last >= uint64(m.batches) {
					t.Errorf("producer %d: the backup has batches up to %d, of %d", m.id, last, m.batches)
				}
				parcel := f.parcel(m.id, 0)
				for key, v := range parcel.sums {
					want[key] = v * float64(last)
				}
				values += last * uint64(f.lines)
				halves = append(halves, half{c, in, last, uint64(m.batches), parcel.body})
			}
			if l := q.drained(time.Minute); l.Received != values || l.Stored != values {
				t.Errorf("the ledger is %+v, want %d values", l, values)
			}
			sameSums(t, storedSums(t, fresh, to), want)
			for _, h := range halves {
				resend(t, h.c, h.in, h.body, max(h.last-1, 1), h.to) // two of them are there already
			}
			l := q.drained(time.Minute)
			if want := uint64(2 * f.lines * len(halves)); l.Duplicates != want {
				t.Errorf("%d duplicates, want %d", l.Duplicates, want)
			}
			sameSums(t, storedSums(t, fresh, to), all)
			q.answers(all)
			q.stop()
		})
	}
}

// TestRestoreUnderALog loses the store and keeps the log: a restored backup and
// what the log has had since are all there was.
func TestRestoreUnderALog(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "nexus.nxb")
	const storage = "sqlite:nexus.db"
	p := start(t, dir, storage, "--set", "aggregate.resolution=1s")
	f := &fleet{t: t, lines: 100, every: 20 * time.Millisecond}
	f.launch(t.Context(), p.addr)
	time.Sleep(2 * time.Second)
	mustCtl(t, "backup", "--data-dir", dir, "--quiet", file)
	time.Sleep(2 * time.Second)
	values, all := f.end(t.Context())
	p.kill()
	check(t, os.Remove(filepath.Join(dir, "nexus.db")))
	if out := mustCtl(t, "restore", "--data-dir", dir, "--quiet", file); !strings.Contains(out, "continues the backup's") {
		t.Errorf("the restore says: %s", out)
	}
	p = start(t, dir, storage, "--set", "aggregate.resolution=1s")
	if l := p.drained(time.Minute); l.Received != values || l.Stored != values {
		t.Errorf("the ledger is %+v, want %d values", l, values)
	}
	sameSums(t, storedSums(t, dir, storage), all)
	p.stop()
}

// TestRestoreKilled kills restores at any moment. The store is the old one, or
// the new one, and whole; the last restore, which nobody kills, succeeds.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, storage string) {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "nexus.nxb")
		send := func(p *process, lines int) {
			t.Helper()
			f := &fleet{t: t, lines: lines, every: 10 * time.Millisecond}
			f.launch(t.Context(), p.addr)
			time.Sleep(300 * time.Millisecond)
			f.end(t.Context())
			p.drained(time.Minute)
		}
		p := start(t, dir, storage, "--set", "aggregate.resolution=1s")
		send(p, 50)
		p.stop()
		mustCtl(t, "backup", "--data-dir", dir, "--storage", storage, "--quiet", file)
		first := storedSums(t, dir, storage)
		p = start(t, dir, storage, "--set", "aggregate.resolution=1s")
		f := &fleet{t: t, lines: 50, every: 10 * time.Millisecond}
		f.launch(t.Context(), p.addr)
		time.Sleep(300 * time.Millisecond)
		f.end(t.Context())
		p.drained(time.Minute)
		p.stop()
		second := storedSums(t, dir, storage)
		for range count(t, 4) {
			cmd := exec.Command(binary, "restore", "--data-dir", dir, "--storage", storage, "--force", "--quiet", file)
			check(t, cmd.Start())
			time.Sleep(rand.N(600 * time.Millisecond))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if _, err := os.Stat(filepath.Join(dir, "restore-journal")); err == nil {
				continue // whoever starts next ends it
			}
			got := storedSums(t, dir, storage)
			if fmt.Sprint(got) != fmt.Sprint(first) && fmt.Sprint(got) != fmt.Sprint(second) {
				t.Fatalf("a restore was killed, and the store is neither the old nor the new one: %d series", len(got))
			}
		}
		time.Sleep(1100 * time.Millisecond) // names tell seconds
		mustCtl(t, "restore", "--data-dir", dir, "--storage", storage, "--force", "--quiet", file)
		sameSums(t, storedSums(t, dir, storage), first)
		p = start(t, dir, storage, "--set", "aggregate.resolution=1s")
		p.drained(time.Minute)
		p.stop()
	})
}
