package ingest

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// TestKeepAlive: every connection is asked after, and not all at one moment.
func TestKeepAlive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	quiet := map[int]int{}
	for range 64 {
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		keepAlive(c)
		on, idle := option(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE), option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
		every, times := option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(t, c, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
		if on == 0 || idle < 10 || idle > 30 || time.Duration(idle+every*times)*time.Second > 2*time.Minute {
			t.Fatalf("keepalive %d after %d s, %d times every %d s", on, idle, times, every)
		}
		quiet[idle]++
	}
	for idle, n := range quiet {
		if n > 32 {
			t.Errorf("%d of 64 connections are asked after %d s", n, idle)
		}
	}
}

func option(t *testing.T, c net.Conn, level, name int) (v int) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if failed := raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, name) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return v
}
