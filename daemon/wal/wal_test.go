package wal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, o wal.Options) *wal.Log {
	t.Helper()
	l, err := wal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func add(t testing.TB, l *wal.Log, payload []byte) wal.Span {
	t.Helper()
	s, err := l.Append(func(wal.Position) []byte { return payload })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// payload n is told apart from every other and has a size of its own.
func payload(n int) []byte {
	b := make([]byte, 8+n*37%300)
	binary.LittleEndian.PutUint64(b, uint64(n))
	for i := 8; i < len(b); i++ {
		b[i] = byte(n + i)
	}
	return b
}

// readAll returns the payloads from a position on.
func readAll(t testing.TB, l *wal.Log, from wal.Position) (list [][]byte, err error) {
	t.Helper()
	r, err := l.NewReader(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		p, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, bytes.Clone(p))
	}
}

// times is how often a test is repeated: more where the variable says so.
func times(t testing.TB, variable string, usual int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func checkPrefix(t testing.TB, got [][]byte, atLeast int) {
	t.Helper()
	if len(got) < atLeast {
		t.Fatalf("%d frames were durable, %d came back", atLeast, len(got))
	}
	for i, p := range got {
		if !bytes.Equal(p, payload(i)) {
			t.Fatalf("frame %d came back altered", i)
		}
	}
}

func TestReopenContinues(t *testing.T) {
	dir := t.TempDir()
	o := wal.Options{SegmentSize: 4096}
	id := ""
	for round := range 10 {
		l := open(t, dir, o)
		if id == "" {
			id = l.ID()
		}
		if l.ID() != id {
			t.Fatal("the log changed its identity")
		}
		for i := range 50 {
			add(t, l, payload(round*50+i))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, o)
		got, err := readAll(t, l, 0)
		if err != nil {
			t.Fatal(err)
		}
		checkPrefix(t, got, (round+1)*50)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppendersAndReaderSideBySide(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{SegmentSize: 64 << 10, Interval: time.Millisecond})
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s, err := l.Append(func(at wal.Position) []byte { return binary.LittleEndian.AppendUint64(payload(i), uint64(at)) })
				if err != nil {
					t.Error(err)
				}
				if w == 0 && i%50 == 0 {
					if err := l.WaitSynced(context.Background(), s.To); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	r, err := l.NewReader(0)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < writers*each; {
		p, s, err := r.Next()
		if errors.Is(err, io.EOF) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if at := binary.LittleEndian.Uint64(p[len(p)-8:]); wal.Position(at) != s.From {
			t.Fatalf("frame at %d was built for %d", s.From, at)
		}
		n++
	}
	wg.Wait()
	if err := errors.Join(r.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDropBefore(t *testing.T) {
	l := open(t, t.TempDir(), wal.Options{SegmentSize: 4096})
	var spans []wal.Span
	for i := range 200 {
		spans = append(spans, add(t, l, payload(i)))
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	freed, err := l.DropBefore(spans[100].From)
	if err != nil || freed == 0 || l.Start() == 0 || l.Start() > spans[100].From {
		t.Fatalf("freed %d, start %d, %v", freed, l.Start(), err)
	}
	got, err := readAll(t, l, spans[100].From)
	if err != nil || len(got) != 100 || !bytes.Equal(got[0], payload(100)) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	if _, err := l.NewReader(0); err == nil {
		t.Error("a dropped position can still be read")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend10K(b *testing.B) {
	l := open(b, b.TempDir(), wal.Options{})
	p := make([]byte, 10<<10)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		add(b, l, p)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDurable(b *testing.B) {
	l := open(b, b.TempDir(), wal.Options{})
	p := make([]byte, 200)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.WaitSynced(context.Background(), add(b, l, p).To); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
