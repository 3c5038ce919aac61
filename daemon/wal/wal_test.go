package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func add(t testing.TB, l *Log, payload []byte) Span {
	t.Helper()
	s, err := l.Append(func(Position) []byte { return payload })
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
func readAll(t testing.TB, l *Log, from Position) (list [][]byte, err error) {
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
	o := Options{SegmentSize: 4096}
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
	l := open(t, t.TempDir(), Options{SegmentSize: 64 << 10, Interval: time.Millisecond})
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s, err := l.Append(func(at Position) []byte { return binary.LittleEndian.AppendUint64(payload(i), uint64(at)) })
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
		if at := binary.LittleEndian.Uint64(p[len(p)-8:]); Position(at) != s.From {
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
	l := open(t, t.TempDir(), Options{SegmentSize: 4096})
	var spans []Span
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

// TestDamage flips bits and cuts files of a closed log: all damage below the
// high-water mark is found, by Open or by reading.
func TestDamage(t *testing.T) {
	whole := t.TempDir()
	l := open(t, whole, Options{SegmentSize: 2048})
	const frames = 40
	for i := range frames {
		add(t, l, payload(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := OS.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for try := range damages {
		dir := t.TempDir()
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(whole, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		what := damage(t, r, dir, names)
		l, err := Open(dir, Options{SegmentSize: 2048})
		if err != nil {
			var c *CorruptError
			if !errors.As(err, &c) {
				t.Fatalf("try %d, %s: %v", try, what, err)
			}
			continue
		}
		got, err := readAll(t, l, l.Start())
		var c *CorruptError
		if err == nil && len(got) != frames {
			t.Fatalf("try %d, %s: silently %d of %d frames", try, what, len(got), frames)
		}
		if err != nil && !errors.As(err, &c) {
			t.Fatalf("try %d, %s: %v", try, what, err)
		}
		for i, p := range got {
			if !bytes.Equal(p, payload(i)) {
				t.Fatalf("try %d, %s: frame %d altered", try, what, i)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_ = os.RemoveAll(dir)
	}
}

func damage(t *testing.T, r *rand.Rand, dir string, names []string) string {
	name := names[r.IntN(len(names))]
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		t.Fatal(err)
	}
	at := r.IntN(len(b))
	what := fmt.Sprintf("bit of byte %d of %s", at, name)
	switch r.IntN(4) {
	case 0:
		b, what = b[:at], fmt.Sprintf("%s cut at %d", name, at)
	default:
		b[at] ^= 1 << r.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return what
}

// TestPowerCuts cuts the power at a random moment of a log's life, again and
// again on the same disk: what was said to be durable is there.
func TestPowerCuts(t *testing.T) {
	for seed := range powerCuts {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		disk := newDisk(r)
		durable, written := 0, 0
		for range 3 {
			l, err := Open("/log", Options{SegmentSize: 4096, FS: disk, Interval: time.Hour})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			got, err := readAll(t, l, 0)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if len(got) > written {
				t.Fatalf("seed %d: %d frames of %d written", seed, len(got), written)
			}
			checkPrefix(t, got, durable)
			durable, written = len(got), len(got)
			for range r.IntN(60) {
				s := add(t, l, payload(written))
				written++
				if r.IntN(10) == 0 {
					if err := l.WaitSynced(context.Background(), s.To); err != nil {
						t.Fatal(err)
					}
					durable = written
				}
			}
			disk.cut()
			_ = l.Close() // its writes go to a disk that is gone
			disk.restore()
		}
	}
}

func TestFailedSyncIsNeverTrusted(t *testing.T) {
	disk := newDisk(rand.New(rand.NewPCG(9, 9)))
	l, err := Open("/log", Options{SegmentSize: 1 << 20, FS: disk, Interval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if i%10 == 5 {
			disk.failSyncs(1)
		}
		s := add(t, l, payload(i))
		if err := l.WaitSynced(context.Background(), s.To); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	if st := l.Stats(); st.Rewrites != 3 {
		t.Errorf("%d rewrites, want 3", st.Rewrites)
	}
	disk.cut()
	_ = l.Close()
	disk.restore()
	l, err = Open("/log", Options{SegmentSize: 1 << 20, FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, l, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkPrefix(t, got, 30)
	disk.failSyncs(1000)
	s := add(t, l, payload(30))
	if err := l.WaitSynced(context.Background(), s.To); err == nil {
		t.Error("durable on a disk that syncs nothing")
	}
	<-l.Failed()
	if _, err := l.Append(func(Position) []byte { return []byte("x") }); err == nil {
		t.Error("a failed log takes frames")
	}
	_ = l.Close()
}

func TestFullDiskIsWaitedFor(t *testing.T) {
	disk := newDisk(rand.New(rand.NewPCG(3, 3)))
	l, err := Open("/log", Options{SegmentSize: 4096, FS: disk, Interval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	disk.setFull(true)
	var s Span
	for i := range 100 {
		s = add(t, l, payload(i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := l.WaitSynced(ctx, s.To); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("durable on a full disk: %v", err)
	}
	if !l.Stats().Stalled {
		t.Error("a full disk does not show")
	}
	disk.setFull(false)
	if err := l.WaitSynced(context.Background(), s.To); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, l, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkPrefix(t, got, 100)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzFrames(f *testing.F) {
	b, chain := appendFrame(nil, 0, []byte("one"))
	b, _ = appendFrame(b, chain, []byte("two"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		chain := uint32(0)
		for {
			p, next, what, _ := nextFrame(b, chain)
			if what != wholeFrame {
				break
			}
			b, chain = b[frameHeader+len(p):], next
		}
		_, _, _, _ = parseSegmentHeader(b)
	})
}

func BenchmarkAppend10K(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
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
	l := open(b, b.TempDir(), Options{})
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

var errFull = &os.PathError{Op: "write", Path: "/log", Err: syscall.ENOSPC}
