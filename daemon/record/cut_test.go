package record

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestCutRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Cut{
			Generation: rapid.Uint64().Draw(t, "generation"), At: rapid.Int64().Draw(t, "at"),
			From: rapid.Uint64().Draw(t, "from"), Units: rapid.Uint64().Draw(t, "units"),
		}
		b := AppendCut(nil, want)
		if kind, err := KindOf(b); kind != KindCut || err != nil {
			t.Fatal(kind, err)
		}
		got, err := DecodeCut(b)
		if err != nil || got != want {
			t.Fatalf("got %+v, %v", got, err)
		}
		for i := range b {
			if _, err := DecodeCut(b[:i]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("cut at %d: %v", i, err)
			}
		}
		if _, err := DecodeCut(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func TestLostRoundTrip(t *testing.T) {
	want := Batch{Lane: 3, At: 5, Lost: 1 << 40}
	if want.Empty() {
		t.Error("a loss is nothing to log")
	}
	var got Batch
	if err := DecodeBatch(AppendBatch(nil, &want), &got); err != nil || got.Lost != want.Lost || got.Values()+got.Refused() != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	got.Reset()
	if got.Lost != 0 {
		t.Error("it outlives a reset")
	}
}
