package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/storage/archive"
)

var header = archive.Header{
	Made: time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC), By: "1.2.3", Backend: "sqlite", Store: "a-store", Schema: []int64{1, 2, 4},
}

// content is what a part of the tests holds.
type content struct {
	part archive.Part
	data []byte
	rows int64
}

func contents() []content {
	noise := make([]byte, 3<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(noise)
	span := int64(7)
	return []content{
		{archive.Part{Kind: archive.Segment, Name: "00000000000000000000.seg", Reserve: 1 << 20}, []byte("a log"), 0},
		{archive.Part{Kind: archive.Table, Name: "series", Columns: []archive.Column{{Name: "id", Type: "bigint"}}}, noise, 3},
		{archive.Part{Kind: archive.Table, Name: "chunk_10s", Span: &span}, bytes.Repeat([]byte("chunk "), 500_000), 9},
		{archive.Part{Kind: archive.Table, Name: "empty"}, nil, 0},
	}
}

func write(t testing.TB, list []content) ([]byte, archive.Manifest) {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, header)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		p, err := w.Part(c.part)
		if err != nil {
			t.Fatal(err)
		}
		for piece := c.data; len(piece) > 0; {
			n := min(len(piece), 100_001)
			if _, err := p.Write(piece[:n]); err != nil {
				t.Fatal(err)
			}
			piece = piece[n:]
		}
		if err := p.Close(c.rows); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.Close(&archive.Log{Writer: "w", Position: 10, End: 20, Chain: 5})
	if err != nil {
		t.Fatal(err)
	}
	if w.Written() != int64(out.Len()) {
		t.Errorf("%d bytes are counted of %d", w.Written(), out.Len())
	}
	return out.Bytes(), m
}

// read reads all of an archive, and every part whole.
func read(b []byte) (list []content, m *archive.Manifest, err error) {
	r, err := archive.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		p, in, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r.Manifest(), nil
		}
		if err != nil {
			return list, nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return list, nil, err
		}
		list = append(list, content{part: p, data: data})
	}
}

func TestRoundTrip(t *testing.T) {
	want := contents()
	b, wrote := write(t, want)
	got, m, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*m, wrote) || m.Rows("series") != 3 || m.Rows("chunk_10s") != 9 || m.Log.End != 20 {
		t.Errorf("the manifest is %+v", m)
	}
	for i, c := range want {
		if !bytes.Equal(got[i].data, c.data) || !reflect.DeepEqual(got[i].part, c.part) {
			t.Errorf("part %d came back as %+v, %d bytes", i, got[i].part, len(got[i].data))
		}
	}
	if len(b) > len(want[1].data)+64<<10 {
		t.Errorf("the archive has %d bytes: what repeats was not packed", len(b))
	}
}

// TestSkipped reads no part, and everything is checked still.
func TestSkipped(t *testing.T) {
	b, _ := write(t, contents())
	skip := func(b []byte) (err error) {
		r, err := archive.NewReader(bytes.NewReader(b))
		for err == nil {
			_, _, err = r.Next()
		}
		return err
	}
	if err := skip(b); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	b[len(b)/2] ^= 1
	if err := skip(b); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("a flipped bit in a part that nobody reads: %v", err)
	}
}

// TestDamage flips a bit of every byte of a small archive, cuts it at every
// byte, and adds to it.
func TestDamage(t *testing.T) {
	b, _ := write(t, []content{
		{archive.Part{Kind: archive.Table, Name: "series"}, []byte(strings.Repeat("some rows ", 50)), 1},
		{archive.Part{Kind: archive.Letter, Name: "1-2.nxd"}, []byte("a letter"), 0},
	})
	if _, _, err := read(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1 << (i % 8)
		want := archive.ErrDamaged
		if i < 8 {
			want = archive.ErrForeign
		}
		if _, m, err := read(bad); !errors.Is(err, want) || m != nil {
			t.Fatalf("byte %d altered: %v", i, err)
		}
		want = archive.ErrTruncated
		if i < 8 {
			want = archive.ErrForeign
		}
		if _, m, err := read(b[:i]); !errors.Is(err, want) || m != nil {
			t.Fatalf("cut at byte %d: %v", i, err)
		}
	}
	if _, _, err := read(append(bytes.Clone(b), 0)); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	if _, _, err := read(append(bytes.Clone(b), b...)); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("two in one file: %v", err)
	}
}

func TestForeign(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "short": []byte("NX"), "text": []byte(strings.Repeat("a text\n", 100)), "a newer format": []byte("NXBKUP02 and more"),
	} {
		if _, err := archive.NewReader(bytes.NewReader(b)); !errors.Is(err, archive.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failing takes so many bytes, as a full disk does.
type failing struct{ room int }

var errFull = errors.New("no space left")

func (f *failing) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestFullDisk(t *testing.T) {
	for _, room := range []int{0, 3, 100, 2 << 20} {
		w, err := archive.NewWriter(&failing{room}, header)
		for _, c := range contents() {
			if err != nil {
				break
			}
			var p *archive.PartWriter
			if p, err = w.Part(c.part); err == nil {
				if _, err = p.Write(c.data); err == nil {
					err = p.Close(c.rows)
				}
			}
		}
		if !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

// TestOneAtATime: parts do not overlap.
func TestOneAtATime(t *testing.T) {
	w, err := archive.NewWriter(io.Discard, header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Part(archive.Part{Kind: archive.Table}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Part(archive.Part{Kind: archive.Table}); err == nil {
		t.Error("a second part was opened within the first")
	}
	if _, err := w.Close(nil); err == nil {
		t.Error("an archive was closed within a part")
	}
}

func FuzzReader(f *testing.F) {
	b, _ := write(f, []content{{archive.Part{Kind: archive.Table, Name: "t"}, []byte("rows"), 1}})
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte("NXBKUP01\x01\xff\xff\xff\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, m, err := read(b)
		if (err == nil) != (m != nil) {
			t.Fatalf("%v, manifest %v", err, m)
		}
		if err == nil && len(m.Parts) != len(list) {
			t.Fatal(fmt.Sprint(len(m.Parts), len(list)))
		}
	})
}
