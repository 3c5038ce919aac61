package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFloats decodes one column of a chunk and nothing else.
func TestFloats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{Counter, Gauge, Histogram, Raw}).Draw(t, "kind")
		points := rapid.SliceOfN(pointGen(kind), 1, 40).Draw(t, "points")
		b := AppendChunk(nil, base, kind, points)
		for _, c := range chunkColumns[kind] {
			if !c.isFloat() {
				continue
			}
			times, values, err := Floats(b, base, c, nil, nil)
			if err != nil || len(times) != len(points) || len(values) != len(points) {
				t.Fatalf("column %d: %d times, %d values, %v", c, len(times), len(values), err)
			}
			for i := range points {
				if times[i] != points[i].Time || !same(values[i], *points[i].float(c)) {
					t.Fatalf("column %d, point %d: (%d, %v), want (%d, %v)", c, i, times[i], values[i], points[i].Time, *points[i].float(c))
				}
			}
		}
		if k, n, err := ChunkInfo(b); k != kind || n != len(points) || err != nil {
			t.Fatalf("the chunk says kind %d, %d points, %v", k, n, err)
		}
	})
}

func TestFloatsOfDamage(t *testing.T) {
	b := AppendChunk(nil, base, Counter, []Point{{Time: base, N: 1, Sum: 1}})
	b[3] ^= 1
	if _, _, err := Floats(b, base, ColumnSum, nil, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("a damaged chunk: %v", err)
	}
	if _, _, err := ChunkInfo(b[:3]); !errors.Is(err, ErrMalformed) {
		t.Errorf("three bytes: %v", err)
	}
}

// TestPackedColumns packs columns of every shape and gets them back bit for bit.
func TestPackedColumns(t *testing.T) {
	t.Run("integers", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := rapid.SliceOf(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))).Draw(t, "v")
			got, err := unpackInts(nil, packInts(nil, v), len(v))
			if err != nil || !slices.Equal(got, v) {
				t.Fatalf("%v came back as %v, %v", v, got, err)
			}
		})
	})
	t.Run("floats", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := rapid.SliceOf(floatGen()).Draw(t, "v")
			packed, _ := packFloats(nil, nil, v)
			got, _, err := unpackFloats(nil, nil, packed, len(v))
			if err != nil || !slices.EqualFunc(got, v, same) {
				t.Fatalf("%v came back as %v, %v", v, got, err)
			}
		})
	})
}

// TestPackedLengths holds what each way of packing is for.
func TestPackedLengths(t *testing.T) {
	for name, c := range map[string]struct {
		value func(i int) int64
		most  int // bytes
	}{
		"constant": {func(int) int64 { return 0 }, 2},
		"line":     {func(i int) int64 { return 7_000_000 + int64(i)*10_000 }, 8},
		"steady":   {func(i int) int64 { return 123_456_789 + int64(i/200) }, 360/8 + 16},
		"jitter":   {func(i int) int64 { return 1_000_000 + int64(i*7919%20) }, 360*43/80 + 8}, // 5.3 bits of 4.3
	} {
		v := make([]int64, 360)
		for i := range v {
			v[i] = c.value(i)
		}
		if got := len(packInts(nil, v)); got > c.most {
			t.Errorf("%s: 360 values take %d bytes, want %d at most", name, got, c.most)
		}
	}
	ones := make([]Point, 360)
	for i := range ones {
		n := uint64(90 + i*7919%20)
		ones[i] = Point{Time: int64(i) * 10_000, Kind: Counter, N: n, Sum: float64(n)}
	}
	if got := len(AppendChunk(nil, 0, Counter, ones)); got > 260 {
		t.Errorf("an hour that is counted by ones takes %d bytes", got)
	}
}

// TestPackedDamage gives columns that lie about what they hold.
func TestPackedDamage(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                      {},
		"an unknown mode":              {9, 0},
		"a constant without its value": {modeConstant},
		"bytes left over":              {modeConstant, 2, 2},
		"Rice without k":               {modeRice},
		"k beyond 62":                  {modeRice, 63, 0},
		"too few bits":                 {modeRice, 4},
		"a byte too many":              {modeRice, 0, 0, 0, 0, 0},
		"a predictor without values":   {modeRice + 2, 0},
		"a line without its step":      {modeLine, 2},
		"a line and more":              {modeLine, 2, 2, 2},
		"a middle without k":           {modeMiddle, 2},
		"a middle with too few bits":   {modeMiddle, 2, 4},
	} {
		if v, err := unpackInts(nil, b, 3); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":                  {},
		"an unknown mode":          {9},
		"decimals beyond 6":        {modeDecimals, 7, modeConstant, 0},
		"decimals without a body":  {modeDecimals},
		"xor without a first":      {modeXOR, 1, 2, 3},
		"xor with too few":         append([]byte{modeXOR}, make([]byte, 8)...),
		"xor with a byte too many": append([]byte{modeXOR}, make([]byte, 11)...),
	} {
		if v, _, err := unpackFloats(nil, nil, b, 3); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// TestBlockLies gives blocks whose checksum holds and whose content does not.
func TestBlockLies(t *testing.T) {
	whole := AppendBlock(nil, 0, base, []Point{{Series: 1, Time: base, Kind: Counter, N: 1, Sum: 1}, {Series: 2, Time: base, Kind: Counter, N: 1, Sum: 2}})
	head := len(blockMagic) + 1 + len(binary.AppendVarint(nil, base)) // where the number of points stands
	for name, damage := range map[string]func(b []byte) []byte{
		"more points than it has":  func(b []byte) []byte { b[head]++; return b },
		"fewer points than it has": func(b []byte) []byte { b[head]--; return b },
		"an unknown kind":          func(b []byte) []byte { b[head+2] = 9; return b },
		"kind 0":                   func(b []byte) []byte { b[head+2] = 0; return b },
		"a section too long":       func(b []byte) []byte { b[head+3]++; return b },
		"a section too short":      func(b []byte) []byte { b[head+3]--; return b },
		"an unknown form":          func(b []byte) []byte { b[head+8] = 2; return b },
		"a million points":         func(b []byte) []byte { return append(append(b[:head:head], 0xc0, 0x84, 0x3d), b[head+1:]...) },
	} {
		b := reseal(damage(slices.Clone(whole)))
		if points, err := DecodeBlock(b, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %d points, %v", name, len(points), err)
		}
	}
	if _, err := Header([]byte("NXB")); !errors.Is(err, ErrMalformed) {
		t.Errorf("three bytes have a header: %v", err)
	}
}

// TestMergeSketches merges sets, and keeps what can be read of a damaged pair.
func TestMergeSketches(t *testing.T) {
	bad := []byte("?")
	good := sketch(1)
	if got := mergeHistograms(bad, good); !slices.Equal(got, good) {
		t.Errorf("damaged and good give % x", got)
	}
	if got := mergeHistograms(good, bad); !slices.Equal(got, good) {
		t.Errorf("good and damaged give % x", got)
	}
	a, b, both := []byte{'s', 1, 5}, []byte{'s', 1, 9}, []byte{'s', 2, 5, 4}
	if got := MergeWriters(Point{Kind: Set, N: 1, Sketch: a}, Point{Kind: Set, N: 2, Sketch: b}); !slices.Equal(got.Sketch, both) || got.N != 3 {
		t.Errorf("two sets give %+v", got)
	}
	if got := mergeSets(bad, a); !slices.Equal(got, a) {
		t.Errorf("damaged and good give % x", got)
	}
	if got := mergeSets(a, bad); !slices.Equal(got, a) {
		t.Errorf("good and damaged give % x", got)
	}
	if got := Merge(Point{Kind: Counter, N: 1, Sum: 3, Neg: -1}, Point{Kind: Counter, N: 2, Sum: 4, Neg: -2}); got.Sum != 7 || got.Neg != -3 || got.N != 3 {
		t.Errorf("two counters give %+v", got)
	}
}

// TestBestRice holds the parameter to what trying each of them one by one gives, and
// every code to its length.
func TestBestRice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(0, 64).Draw(t, "width")
		values := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) uint64 {
			v := rapid.Uint64().Draw(t, "value")
			if rapid.IntRange(0, 20).Draw(t, "far") == 0 {
				return v
			}
			return v & (1<<width - 1)
		}), 0, 50).Draw(t, "values")
		k, size := bestRice(values)
		sum := uint64(0)
		for _, v := range values {
			sum += min(v, 1<<40)
		}
		guess := uint(bits.Len64(sum / uint64(max(len(values), 1))))
		wantK, want := uint(0), ^uint(0)
		for c := max(guess, 3) - 3; c <= min(guess+1, 62); c++ {
			n := uint(0)
			for _, v := range values {
				n += riceBits(v, c)
			}
			if n < want {
				wantK, want = c, n
			}
		}
		if k != wantK || size != want {
			t.Fatalf("%d bits at %d, want %d at %d", size, k, want, wantK)
		}
		if packed := appendRice(nil, values, k); uint(len(packed)) != (size+7)/8 {
			t.Fatalf("%d bytes for %d bits", len(packed), size)
		}
	})
}

// TestBitWriter writes pieces of every width, and finds them bit by bit.
func TestBitWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, want := bitWriter{b: []byte{0xAA}}, ""
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			n := uint(rapid.IntRange(0, 64).Draw(t, "bits"))
			v := rapid.Uint64().Draw(t, "value") & (1<<n - 1)
			w.write(v, n)
			if n > 0 {
				want += fmt.Sprintf("%0*b", n, v)
			}
		}
		w.flush()
		got := ""
		for _, b := range w.b[1:] {
			got += fmt.Sprintf("%08b", b)
		}
		if len(got)-len(want) > 7 || len(got) < len(want) || got[:len(want)] != want || strings.Contains(got[len(want):], "1") || w.b[0] != 0xAA {
			t.Fatalf("wrote %s, want %s", got, want)
		}
	})
}
