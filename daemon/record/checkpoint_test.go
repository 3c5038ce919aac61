package record

import (
	"errors"
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
	got, err := DecodeCheckpoint(AppendCheckpoint(nil, want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestCheckpointDamageIsSeen(t *testing.T) {
	whole := AppendCheckpoint(nil, sampleCheckpoint())
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
	f.Add(AppendCheckpoint(nil, sampleCheckpoint()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeCheckpoint(b); err == nil && c == nil {
			t.Fatal("neither checkpoint nor error")
		}
	})
}
