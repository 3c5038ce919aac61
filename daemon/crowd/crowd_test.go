// Package crowd_test has thousands write to one daemon at the same moment, the
// race detector on: whatever they share shows, and every unit is counted.
package crowd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// child is the variable that makes this binary the crowd: its connections' own
// ends would take the daemon's file descriptors otherwise.
const child = "NEXUS_CROWD"

func TestMain(m *testing.M) {
	if plan := os.Getenv(child); plan != "" {
		var p crowd
		err := json.Unmarshal([]byte(plan), &p)
		if err == nil {
			err = p.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// parts is how many series the writers share: a few write to each at once.
const parts = 100

// crowd is who writes: connections to a port, and sockets that send datagrams.
type crowd struct {
	Addr, Gram     string
	Conns, Packets int
	Writes         int // of each, two units in each
}

func (p crowd) run() error {
	writers := make([]net.Conn, p.Conns+p.Packets)
	for i := range writers {
		network, addr := "tcp", p.Addr
		if i >= p.Conns {
			network, addr = "unixgram", p.Gram
		}
		c, err := net.Dial(network, addr)
		if err != nil {
			return fmt.Errorf("writer %d: %w", i, err)
		}
		writers[i] = c
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(writers))
	for i, c := range writers {
		wg.Go(func() {
			for range p.Writes {
				if _, err := fmt.Fprintf(c, "crowd.all:1|c\ncrowd.own:2|c|#part:%d\n", i%parts); err != nil {
					errs[i] = err
					break
				}
			}
			errs[i] = errors.Join(errs[i], c.Close())
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestCrowd has NEXUS_WRITERS write, 500 of them where it is not set. Three in ten
// send datagrams: the race detector knows no more than 8,128 goroutines, and each
// connection has one.
func TestCrowd(t *testing.T) {
	writers := 500
	if s := os.Getenv("NEXUS_WRITERS"); s != "" {
		var err error
		if writers, err = strconv.Atoi(s); err != nil || writers < parts || writers%parts != 0 {
			t.Fatalf("NEXUS_WRITERS: %q is no multiple of %d", s, parts)
		}
	}
	dir := t.TempDir()
	d := start(t, dir)
	h, err := client.NewHTTP(d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := crowd{Addr: d.Addr().String(), Gram: filepath.Join(dir, "gram"), Packets: writers * 3 / 10, Writes: 20}
	p.Conns = writers - p.Packets
	go1, wait := p.launch(t)
	began := time.Now()
	go1()
	wait()
	units := uint64(writers * p.Writes * 2)
	l := settled(t, h, units)
	if kept := l.Stored + l.Pending; kept != units || l.Received != units || api.Sum(l.Rejected)+api.Sum(l.Shed)+l.Lost+l.Dead != 0 {
		t.Errorf("%+v, want %d units kept", l, units)
	}
	for expr, want := range map[string]int{
		"crowd_all_total": writers * p.Writes, "sum(crowd_own_total)": 2 * writers * p.Writes,
		"count(crowd_own_total)": parts, "min(crowd_own_total)": 2 * p.Writes * writers / parts, "max(crowd_own_total)": 2 * p.Writes * writers / parts,
	} {
		if got := value(t, p.Addr, expr); got != strconv.Itoa(want) {
			t.Errorf("%s is %s, want %d", expr, got, want)
		}
	}
	t.Logf("%d connections and %d datagram sockets wrote %d units in %v", p.Conns, p.Packets, units, time.Since(began).Round(time.Millisecond))
}

func start(t *testing.T, dir string) *daemon.Daemon {
	t.Helper()
	resolved, err := config.Resolve(config.Source{Getenv: func(string) string { return "" }, Flags: map[string]string{
		"server.listen": "127.0.0.1:0", "server.data_dir": dir, "ingest.unixgram": filepath.Join(dir, "gram"), "aggregate.resolution": "1s",
		"ingest.first_byte_timeout": "0s", "ingest.lanes": "2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	levels, err := logs.ParseLevels("error")
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(t.Context(), daemon.Options{Settings: resolved, Log: logs.New(io.Discard, true, levels), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return d
}

// launch starts the crowd and waits until every writer has its connection.
func (p crowd) launch(t *testing.T) (start, wait func()) {
	t.Helper()
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+string(plan))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the crowd says %q, %v", line, err)
	}
	return func() { _, _ = io.WriteString(in, "go\n") }, func() {
		ended = true
		if err := cmd.Wait(); err != nil {
			t.Errorf("the crowd: %v", err)
		}
	}
}

// settled waits until so many units have come, and a little for some that should
// not.
func settled(t *testing.T, h *client.HTTP, units uint64) (l api.Ledger) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if l, err = h.Ledger(t.Context()); err == nil {
			err = l.Check()
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case l.Received >= units:
			time.Sleep(200 * time.Millisecond)
			if l, err = h.Ledger(t.Context()); err != nil {
				t.Fatal(err)
			}
			return l
		case time.Now().After(deadline):
			t.Fatalf("%d units came of %d", l.Received, units)
		}
	}
}

// value evaluates an expression of one result.
func value(t *testing.T, addr, expr string) string {
	t.Helper()
	res, err := http.Get("http://" + addr + api.PromQuery + "?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a struct {
		Error string
		Data  struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || len(a.Data.Result) != 1 {
		t.Fatalf("%s: %+v, %v", expr, a, err)
	}
	return fmt.Sprint(a.Data.Result[0].Value[1])
}
