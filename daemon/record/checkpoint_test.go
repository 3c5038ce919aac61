package record

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

func sampleCheckpoint() *Checkpoint {
	return &Checkpoint{
		Position: 123456, Mark: Mark{Generation: 7, Bucket: 1_700_000_000_000, At: 1_700_000_000_001},
		Lanes:  []LaneDict{{Lane: 0, Defs: []Def{{Rate: 1, Key: []byte("a")}, {Rate: 0.3, Key: []byte("b")}}}, {Lane: 3}},
		Gauges: []Gauge{{Key: []byte("g"), Value: -2.5}},

		Producers: []Producer{{ID: "p-1", Epoch: 3, Seq: 99, Accepted: 1000, Rejected: 1, Seen: 1_700_000_000_000}, {ID: "q"}},
		Keys:      []Key{{Claim: Claim{Hash: [16]byte{1}, Body: [16]byte{15: 2}}, At: 1_700_000_000_000, Accepted: 5, Rejected: 2}},
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	want := sampleCheckpoint()
	got, err := DecodeCheckpoint(encoded(want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestCheckpointDamageIsSeen(t *testing.T) {
	whole := encoded(sampleCheckpoint())
	for i := range whole {
		for bit := range 8 {
			b := append([]byte(nil), whole...)
			b[i] ^= 1 << bit
			if _, err := DecodeCheckpoint(b); !errors.Is(err, ErrMalformed) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
		if _, err := DecodeCheckpoint(whole[:i]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(encoded(sampleCheckpoint()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeCheckpoint(b); err == nil && c == nil {
			t.Fatal("neither checkpoint nor error")
		}
	})
}

func encoded(c *Checkpoint) []byte {
	var b bytes.Buffer
	_, _ = c.Draft().WriteTo(&b)
	return b.Bytes()
}

// TestCheckpointInPieces writes one that is longer than a piece, and one to a file
// that takes no more.
func TestCheckpointInPieces(t *testing.T) {
	want := sampleCheckpoint()
	for i := range 40_000 {
		want.Gauges = append(want.Gauges, Gauge{fmt.Appendf(nil, "load.metric.%d", i), float64(i)})
	}
	b := encoded(want)
	if len(b) < 2*checkpointPiece {
		t.Fatalf("%d bytes are no two pieces", len(b))
	}
	got, err := DecodeCheckpoint(b)
	if err != nil || len(got.Gauges) != len(want.Gauges) || !reflect.DeepEqual(got.Gauges, want.Gauges) {
		t.Errorf("%d of %d gauges come back: %v", len(got.Gauges), len(want.Gauges), err)
	}
	full := errors.New("no space left")
	if n, err := want.Draft().WriteTo(&filling{left: checkpointPiece, err: full}); !errors.Is(err, full) || n != checkpointPiece {
		t.Errorf("%d bytes went to a full disk: %v", n, err)
	}
}

// filling takes so many bytes and no more.
type filling struct {
	left int
	err  error
}

func (f *filling) Write(b []byte) (int, error) {
	n := min(len(b), f.left)
	if f.left -= n; n < len(b) {
		return n, f.err
	}
	return n, nil
}
