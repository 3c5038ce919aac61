package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// TestStreamReaders has many clients that only wait, of a daemon in a process of its
// own: both ends of 10,000 connections are more than the 20,000 descriptors that one
// process may have here. All are told of a value and, where they wait long enough,
// hear the heartbeat; none is dropped, and nothing of them is left.
// NEXUS_STREAM_READERS sets how many; the default is 100.
func TestStreamReaders(t *testing.T) {
	n, long := number(t, "NEXUS_STREAM_READERS", 100)
	p := start(t, t.TempDir(), "sqlite:nexus.db", "--set", "server.stream_clients="+strconv.Itoa(n), "--set", "server.max_connections="+strconv.Itoa(n+100))
	p.whisper("idle.g:1|g\n")
	began := time.Now()
	readers := make([]*streamReader, n)
	eachOf(readers, func(i int) (err error) {
		readers[i], err = openStream(p.addr, api.StreamPath+"?name=idle.g")
		return err
	}, t)
	if t.Failed() {
		return
	}
	t.Logf("%d streams were open after %v", n, time.Since(began).Round(time.Millisecond))
	if res, err := http.Get(p.url(api.StreamPath + "?name=idle.g")); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: %v, %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	wait := time.Duration(0)
	if long { // a heartbeat comes after 15 s
		wait = 17 * time.Second
		time.Sleep(wait)
	}
	began = time.Now()
	p.whisper("idle.g:42|g\n")
	eachOf(readers, func(i int) error { return readers[i].until(`"last":42`) }, t)
	t.Logf("all were told within %v", time.Since(began).Round(time.Millisecond))
	if long {
		for i, r := range readers {
			if r.beats == 0 {
				t.Errorf("reader %d heard no heartbeat in %v", i, wait)
				break
			}
		}
	}
	text := p.exposition()
	for _, want := range []string{fmt.Sprintf("nexus_stream_clients %d\n", n), "nexus_stream_dropped_total 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, r := range readers {
		_ = r.conn.Close()
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(p.exposition(), "nexus_stream_clients 0\n"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("clients that went are kept")
		}
	}
}

// eachOf runs f for every reader, a few at a time, and reports the first failures.
func eachOf(readers []*streamReader, f func(i int) error, t *testing.T) {
	t.Helper()
	var wait sync.WaitGroup
	failed := make(chan error, len(readers))
	next := make(chan int)
	for range 32 {
		wait.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					failed <- fmt.Errorf("reader %d: %w", i, err)
				}
			}
		})
	}
	for i := range readers {
		next <- i
	}
	close(next)
	wait.Wait()
	close(failed)
	count := 0
	for err := range failed {
		if count++; count <= 3 {
			t.Error(err)
		}
	}
	if count > 3 {
		t.Errorf("and %d more", count-3)
	}
}

// streamReader is one client: a connection, without the goroutines of http.Client.
type streamReader struct {
	conn  net.Conn
	lines *bufio.Reader
	beats int
}

// streamPatience bounds what a client waits for.
const streamPatience = 2 * time.Minute

func openStream(addr, path string) (*streamReader, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(streamPatience))
	r := &streamReader{conn: conn, lines: bufio.NewReaderSize(conn, 512)}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, err
	}
	status, err := r.lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return nil, fmt.Errorf("%q, %w", status, err)
	}
	return r, r.until("retry:")
}

// until reads on to a line that holds text, and counts heartbeats.
func (r *streamReader) until(text string) error {
	_ = r.conn.SetDeadline(time.Now().Add(streamPatience))
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", text, err)
		}
		if line == ":\n" {
			r.beats++
		}
		if strings.Contains(line, text) {
			return nil
		}
	}
}

// whisper sends lines on a connection of their own, and does not wait until they are
// stored.
func (p *process) whisper(lines string) {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = io.WriteString(conn, lines)
	if cerr := conn.Close(); err != nil || cerr != nil {
		p.t.Fatal(err, cerr)
	}
}

// exposition is the daemon's own metrics.
func (p *process) exposition() string {
	p.t.Helper()
	res, err := http.Get(p.url("/metrics"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatal(res.Status, err)
	}
	return string(b)
}
