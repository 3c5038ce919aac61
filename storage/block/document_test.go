package block

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol/histogram"
)

const (
	docBucket = 1_764_000_000_000
	docHour   = 1_763_996_400_000
)

// documented reads the bytes of the listing that begins with first out of a
// document: what stands before two spaces or a comment, on every line.
func documented(t *testing.T, document, first string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/format/" + document)
	if err != nil {
		t.Fatal(err)
	}
	_, listing, ok := strings.Cut(string(text), "```\n"+first)
	if !ok {
		t.Fatalf("%s has no listing that begins with %q", document, first)
	}
	listing, _, _ = strings.Cut(first+listing, "```")
	var out []byte
	for line := range strings.Lines(listing) {
		for _, word := range strings.Fields(line) {
			if !isHexByte(word) {
				break // the comment
			}
			b, err := hex.DecodeString(word)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b...)
		}
	}
	return out
}

var isHexByte = regexp.MustCompile(`^[0-9a-f]{2}$`).MatchString

func docPoints() []Point {
	return []Point{
		{Series: 2050, Time: docBucket, Kind: Counter, N: 3, Sum: 45.5},
		{Series: 2051, Time: docBucket, Kind: Counter, N: 1, Sum: 7},
		{Series: 2053, Time: docBucket, Kind: Gauge, N: 1, Last: 21.5, LastAt: docBucket + 4000, Min: 21.5, Max: 21.5, Sum: 21.5},
		{Series: 2054, Time: docBucket, Kind: Gauge, N: 2, Last: 3, LastAt: docBucket + 9000, Min: 1, Max: 3, Sum: 4},
	}
}

func TestDocumentedBlock(t *testing.T) {
	want := documented(t, "block.md", "4e 58 42 31                     magic")
	got := AppendBlock(nil, 2, docBucket, docPoints())
	if !bytes.Equal(got, want) {
		t.Errorf("the block is\n% x\nthe document says\n% x", got, want)
	}
	points, err := DecodeBlock(want, nil)
	if err != nil || !slices.EqualFunc(points, docPoints(), equalPoint) {
		t.Errorf("the documented block holds %+v, %v", points, err)
	}
}

func TestDocumentedSketches(t *testing.T) {
	h := histogram.New(5)
	h.Add(1, 1)
	h.Add(2, 2)
	if got, want := h.AppendBinary(nil), documented(t, "block.md", "68                              'h'\n0a"); !bytes.Equal(got, want) {
		t.Errorf("the histogram is % x, the document says % x", got, want)
	}
	s := histogram.NewSet()
	s.AddHash(300)
	s.AddHash(5)
	text, err := os.ReadFile("../../docs/format/block.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := "73 02 05 a7 02"; hex.EncodeToString(s.AppendBinary(nil)) != strings.ReplaceAll(got, " ", "") || !strings.Contains(string(text), "`"+got+"`") {
		t.Errorf("the set is % x", s.AppendBinary(nil))
	}
}

func TestDocumentedChunks(t *testing.T) {
	for name, c := range map[string]struct {
		first  string
		kind   Kind
		points []Point
	}{
		"counter": {"c1                              magic\n01", Counter, []Point{
			{Time: docHour, Kind: Counter, N: 2, Sum: 5},
			{Time: docHour + 10_000, Kind: Counter, N: 3, Sum: 7.5},
			{Time: docHour + 20_000, Kind: Counter, N: 2, Sum: 4},
		}},
		"gauge": {"c1 02 02", Gauge, []Point{
			{Time: docHour, Kind: Gauge, N: 1, Last: 5, Min: 5, Max: 5, Sum: 5, LastAt: docHour + 4000},
			{Time: docHour + 10_000, Kind: Gauge, N: 1, Last: 5.1, Min: 5.1, Max: 5.1, Sum: 5.1, LastAt: docHour + 14_000},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := documented(t, "chunk.md", c.first)
			if got := AppendChunk(nil, docHour, c.kind, c.points); !bytes.Equal(got, want) {
				t.Errorf("the chunk is\n% x\nthe document says\n% x", got, want)
			}
			points, err := DecodeChunk(want, docHour, nil)
			if err != nil || !slices.EqualFunc(points, c.points, equalPoint) {
				t.Errorf("the documented chunk holds %+v, %v", points, err)
			}
		})
	}
}

// TestOlderChunks reads what stores of before version 12 hold: modes 6 and 7 and
// a counter's empty sum were not known then.
func TestOlderChunks(t *testing.T) {
	for name, c := range map[string]struct {
		hex    string
		points []Point
	}{
		"counter": {"c1010307040804030000a09c010001028a8004010106a4cb4800040000008229b109", []Point{
			{Time: docHour, Kind: Counter, N: 2, Sum: 5},
			{Time: docHour + 10_000, Kind: Counter, N: 3, Sum: 7.5},
			{Time: docHour + 20_000, Kind: Counter, N: 2, Sum: 4},
		}},
		"gauge": {"c1020206020603000000010c0007b880000204010106a4a600c03e9b2b92e6", []Point{
			{Time: docHour, Kind: Gauge, N: 1, Last: 5, Min: 5, Max: 5, Sum: 5, LastAt: docHour + 4000},
			{Time: docHour + 10_000, Kind: Gauge, N: 1, Last: 5.1, Min: 5.1, Max: 5.1, Sum: 5.1, LastAt: docHour + 14_000},
		}},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		points, err := DecodeChunk(b, docHour, nil)
		if err != nil || !slices.EqualFunc(points, c.points, equalPoint) {
			t.Errorf("%s: %+v, %v", name, points, err)
		}
	}
}
