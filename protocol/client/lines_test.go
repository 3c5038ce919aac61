package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/client"
)

// peer accepts one connection and treats it.
func peer(t *testing.T, treat func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		treat(c.(*net.TCPConn))
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *client.Lines {
	t.Helper()
	l, err := client.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCloseWaits: Close returns once the peer has read all of it, and not
// before.
func TestCloseWaits(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	release := make(chan struct{})
	l := dial(t, peer(t, func(c *net.TCPConn) {
		<-release
		all, _ := io.ReadAll(c)
		mu.Lock()
		got = all
		mu.Unlock()
	}))
	sent := bytes.Repeat([]byte("a.b:1|c\n"), 1000)
	if n, err := l.Write(sent); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("it closed while nobody had read: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Equal(got, sent) {
		t.Errorf("the peer has %d bytes of %d when Close returns", len(got), len(sent))
	}
}

// TestCloseTellsAnswers: nothing is answered to lines, so an answer is a fault
// that the sender should see.
func TestCloseTellsAnswers(t *testing.T) {
	l := dial(t, peer(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "this port speaks something else\n"+strings.Repeat("x", 10_000))
		_, _ = io.Copy(io.Discard, c)
	}))
	if _, err := l.Write([]byte("a:1|c\n")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "something else") || len(err.Error()) > 600 {
		t.Errorf("closing says %v", err)
	}
}

// TestCloseTellsResets: a connection that was reset may have lost lines.
func TestCloseTellsResets(t *testing.T) {
	l := dial(t, peer(t, func(c *net.TCPConn) {
		var b [8]byte
		_, _ = io.ReadFull(c, b[:])
		_ = c.SetLinger(0)
	}))
	if _, err := l.Write(bytes.Repeat([]byte("a.b:1|c\n"), 100)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // until the reset is here
	if err := l.Close(); err == nil {
		t.Error("a reset connection closed well")
	}
	if _, err := l.Write([]byte("a:1|c\n")); err == nil {
		t.Error("a closed connection takes lines")
	}
}

func TestDialCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Dial(ctx, "127.0.0.1:9"); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled dial: %v", err)
	}
}
