package socket

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pair returns both ends of a connection, the first one quick.
func pair(t *testing.T, network, address string) (quick, other net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	quick = Quick(dialled)
	if _, ok := quick.(*Conn); !ok {
		t.Fatalf("it is a %T", quick)
	}
	if other, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quick.Close(); other.Close() })
	return quick, other
}

func eachNetwork(t *testing.T, test func(t *testing.T, quick, other net.Conn)) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			quick, other := pair(t, network, address)
			test(t, quick, other)
		})
	}
}

// TestConnCarries sends more than a socket holds both ways, at once.
func TestConnCarries(t *testing.T) {
	eachNetwork(t, func(t *testing.T, quick, other net.Conn) {
		sent := make([]byte, 8<<20)
		rand.Read(sent)
		go func() {
			_, _ = io.CopyN(other, other, int64(len(sent)))
			other.Close()
		}()
		written := make(chan error, 1)
		go func() {
			n, err := quick.Write(sent)
			if err == nil && n != len(sent) {
				err = io.ErrShortWrite
			}
			written <- err
		}()
		got, err := io.ReadAll(quick)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		if n, err := quick.Write(nil); n != 0 || err != nil {
			t.Errorf("nothing was written: %d, %v", n, err)
		}
	})
}

// TestConnWaits ends a wait with the deadline, and with the connection:
// drivers cancel statements that way.
func TestConnWaits(t *testing.T) {
	eachNetwork(t, func(t *testing.T, quick, other net.Conn) {
		var timeout net.Error
		quick.SetDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := quick.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("a read past its deadline: %v", err)
		}
		if n, err := quick.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || n == 64<<20 {
			t.Errorf("a write past its deadline: %d, %v", n, err)
		}
		quick.SetDeadline(time.Time{})
		read := make(chan error, 1)
		go func() {
			_, err := quick.Read(make([]byte, 1))
			read <- err
		}()
		time.Sleep(5 * time.Millisecond)
		quick.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read of a connection that was closed: %v", err)
		}
	})
}

// TestQuickOfAPipe leaves what is no socket as it is.
func TestQuickOfAPipe(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	if got := Quick(a); got != a {
		t.Errorf("it is a %T", got)
	}
}
