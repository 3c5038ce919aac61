package deadletter_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

const bucket = 1_764_000_000_000

// letter is the one that the document shows.
func letter(generation uint64) *deadletter.Letter {
	const id = deadletter.Unnamed * block.ShardSize
	key := series.Key{Name: "odd", Type: protocol.Counter}
	return &deadletter.Letter{
		Writer: "log", Generation: generation, Shard: deadletter.Unnamed, At: time.UnixMilli(bucket + 10_000), Reason: "no",
		Units: 3, Series: []deadletter.Series{{ID: id, Key: key.Append(nil)}},
		Block: block.AppendBlock(nil, deadletter.Unnamed, bucket, []block.Point{{Series: id, Time: bucket, Kind: block.Counter, N: 3, Sum: 45.5}}),
	}
}

// TestDocument holds the example of docs/format/deadletter.md to the code.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "format", "deadletter.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "## Example")
	var digits strings.Builder
	for line := range strings.Lines(example) {
		if m := regexp.MustCompile(`^ *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  +|\n)`).FindStringSubmatch(line); m != nil {
			digits.WriteString(strings.ReplaceAll(m[1], " ", ""))
		}
	}
	if got := hex.EncodeToString(deadletter.Append(nil, letter(12))); got != digits.String() {
		t.Errorf("the code writes\n%s, the document shows\n%s", got, digits.String())
	}
}

func TestRoundTrip(t *testing.T) {
	want := letter(12)
	b := deadletter.Append(nil, want)
	got, err := deadletter.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(deadletter.Append(nil, got)) != string(b) || got.Units != 3 || !got.At.Equal(want.At) || got.Name() != "12-1073741824.nxd" {
		t.Errorf("%+v", got)
	}
	n := 0
	err = got.Points(func(key []byte, p block.Point) {
		n++
		if string(key) != string(want.Series[0].Key) || p.N != 3 || p.Sum != 45.5 {
			t.Errorf("%q, %+v", key, p)
		}
	})
	if err != nil || n != 1 {
		t.Errorf("%d points, %v", n, err)
	}
	got.Series = nil
	if err := got.Points(func([]byte, block.Point) {}); !errors.Is(err, deadletter.ErrMalformed) {
		t.Errorf("points without keys: %v", err)
	}
}

// FuzzDecode never panics, takes no more memory than it is given, and never
// gives back what it would write otherwise.
func FuzzDecode(f *testing.F) {
	f.Add(deadletter.Append(nil, letter(12)))
	f.Add([]byte("NXDEAD01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := deadletter.Decode(b)
		if err != nil {
			return
		}
		again, err := deadletter.Decode(deadletter.Append(nil, l))
		if err != nil || again.Units != l.Units || len(again.Series) != len(l.Series) {
			t.Errorf("%v", err)
		}
		_ = l.Points(func([]byte, block.Point) {})
	})
}

func TestDamage(t *testing.T) {
	whole := deadletter.Append(nil, letter(12))
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 0x10
		if _, err := deadletter.Decode(bad); !errors.Is(err, deadletter.ErrMalformed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := deadletter.Decode(whole[:i]); !errors.Is(err, deadletter.ErrMalformed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func open(t *testing.T, dir string) *deadletter.Directory {
	t.Helper()
	d, err := deadletter.Open(dir, "log")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	found, err := deadletter.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range found {
		list = append(list, w.File)
	}
	return list
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLife walks letters from their flush to their end, over restarts at every
// step.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Keep(12, []*deadletter.Letter{letter(12)}))
	must(t, open(t, dir).Keep(9, []*deadletter.Letter{letter(9)}))
	must(t, open(t, dir).Keep(10, nil)) // others stay
	if got := names(t, dir); !slices.Equal(got, []string{"log/9-1073741824.nxd", "log/12-1073741824.nxd"}) {
		t.Fatalf("%v", got)
	}
	n, err := open(t, dir).Claim(20, deadletter.Replay, []string{"log/12-1073741824.nxd", "12-1073741824.nxd"})
	if err != nil || n != 1 || len(names(t, dir)) != 1 {
		t.Fatalf("%d, %v, %v", n, err, names(t, dir))
	}
	for _, name := range []string{"12-1073741824.nxd", "8-1.nxd", "other/9-1073741824.nxd", "../log/9-1073741824.nxd"} {
		if _, err := open(t, dir).Claim(21, deadletter.Drop, []string{name}); err == nil {
			t.Errorf("%s was claimed", name)
		}
	}
	// The same flush once more writes over the claimed file.
	again := letter(12)
	again.Reason = "no, again"
	must(t, open(t, dir).Keep(12, []*deadletter.Letter{again}))
	n, err = open(t, dir).Claim(21, deadletter.Drop, nil)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for by, want := range map[uint64]deadletter.Action{20: deadletter.Replay, 21: deadletter.Drop} {
		list, err := open(t, dir).Claimed(by)
		if err != nil || len(list) != 1 || list[0].Action != want || (by == 20) != (list[0].Letter.Reason == "no, again") {
			t.Errorf("claimed by %d: %+v, %v", by, list, err)
		}
	}
	must(t, open(t, dir).Keep(9, nil)) // the store takes it now: nothing to settle
	d := open(t, dir)
	if list, err := d.Claimed(21); err != nil || len(list) != 0 || !d.Settled() {
		t.Errorf("%+v, %v", list, err)
	}
	must(t, d.Forget(20))
	if !d.Settled() {
		t.Error("forgotten before its generation")
	}
	must(t, d.Forget(21))
	if d.Settled() || open(t, dir).Settled() {
		t.Error("not forgotten")
	}
}

// TestDamagedLetter is named in the list and cannot be settled; one that is
// damaged once it is claimed waits again.
func TestDamagedLetter(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	must(t, d.Keep(1, []*deadletter.Letter{letter(1)}))
	must(t, d.Keep(2, []*deadletter.Letter{letter(2)}))
	path := filepath.Join(dir, deadletter.Folder, "log")
	must(t, os.WriteFile(filepath.Join(path, "1-1073741824.nxd"), []byte("no letter"), 0o600))
	must(t, os.WriteFile(filepath.Join(path, "3-1.nxd.tmp"), []byte("half"), 0o600))
	must(t, os.WriteFile(filepath.Join(path, "notes.txt"), []byte("not ours"), 0o600))
	list, err := deadletter.List(dir)
	if err != nil || len(list) != 2 || !errors.Is(list[0].Err, deadletter.ErrMalformed) || list[1].Err != nil {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := d.Claim(5, deadletter.Drop, nil); !errors.Is(err, deadletter.ErrMalformed) || len(names(t, dir)) != 2 {
		t.Errorf("%v", err)
	}
	if n, err := d.Claim(5, deadletter.Drop, []string{"2-1073741824.nxd"}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	must(t, os.WriteFile(filepath.Join(path, "2-1073741824.nxd.drop-5"), []byte("no letter"), 0o600))
	d = open(t, dir)
	if claimed, err := d.Claimed(5); err == nil || len(claimed) != 0 || len(names(t, dir)) != 2 {
		t.Errorf("%v, %v, %v", claimed, err, names(t, dir))
	}
	left, err := os.ReadDir(path)
	if err != nil || len(left) != 3 { // two letters and what is not ours
		t.Errorf("%v, %v", left, err)
	}
}
