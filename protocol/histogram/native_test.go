package histogram

import (
	"bytes"
	"math"
	"testing"
)

func nativeExample() *Native {
	return &Native{
		Reset: 2, Schema: -53, ZeroThreshold: 1e-128, ZeroCount: 2, Count: 9.5, Sum: math.Float64frombits(0x7ff0000000000002),
		PositiveSpans: []Span{{-3, 2}, {4, 1}}, PositiveBuckets: []float64{1, 0.5, 3}, NegativeSpans: []Span{{0, 1}}, NegativeBuckets: []float64{3},
		Custom: []float64{-1, 0, math.Inf(1)},
	}
}

func TestNativeRoundTrip(t *testing.T) {
	for _, n := range []*Native{{}, nativeExample()} {
		b := n.AppendBinary(nil)
		got, err := DecodeNative(b)
		if err != nil || !bytes.Equal(got.AppendBinary(nil), b) {
			t.Errorf("%+v, %v; want %+v", got, err, n)
		}
		if math.Float64bits(got.Sum) != math.Float64bits(n.Sum) {
			t.Error("the stale marker's bits are lost")
		}
	}
}

func TestNativeRefuses(t *testing.T) {
	spans := nativeExample()
	spans.PositiveSpans[0].Length = 3
	for what, b := range map[string][]byte{
		"nothing": nil, "another kind": []byte("h"), "spans beyond the buckets": spans.AppendBinary(nil),
		"a byte more": append(nativeExample().AppendBinary(nil), 0), "a length that is a lie": append((&Native{}).AppendBinary(nil)[:7], 0xff, 0xff, 0x03),
		"an unknown hint": (&Native{Reset: 4}).AppendBinary(nil),
	} {
		if n, err := DecodeNative(b); err == nil {
			t.Errorf("%s: %+v", what, n)
		}
	}
	whole := nativeExample().AppendBinary(nil)
	for i := range whole {
		if _, err := DecodeNative(whole[:i]); err == nil {
			t.Errorf("%d of %d bytes pass", i, len(whole))
		}
	}
}

func FuzzDecodeNative(f *testing.F) {
	f.Add(nativeExample().AppendBinary(nil))
	f.Add((&Native{}).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := DecodeNative(b)
		if err != nil {
			return
		}
		if _, err := DecodeNative(n.AppendBinary(nil)); err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
	})
}
