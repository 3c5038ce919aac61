package record

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

func bitsEqual(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestValuesRoundTripBitForBit(t *testing.T) {
	values := []float64{
		0, math.Copysign(0, -1), 1, -1, 2, 0.1, 0.3, 1.0 / 3, 12.5, -12.345678, 99.99, 1e15, -1e15, 1 << 53, 1<<53 + 2,
		1e-7, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.Float64frombits(0x7ff8000000000001), 123456789.123456,
	}
	for _, v := range values {
		r := reader{b: appendValue(nil, 77, v)}
		ref, got := r.value()
		if r.bad || len(r.b) != 0 || ref != 77 || !bitsEqual(got, v) {
			t.Errorf("%v (%x): got %v (%x), ref %d, bad %v", v, math.Float64bits(v), got, math.Float64bits(got), ref, r.bad)
		}
	}
}

func TestUsualSamplesTakeFewBytes(t *testing.T) {
	for _, c := range []struct {
		ref  uint32
		v    float64
		want int
	}{{5, 1, 1}, {5, 42, 2}, {1000, 42, 3}, {100_000, 7, 4}, {1000, 12.34, 5}} {
		if got := len(appendValue(nil, c.ref, c.v)); got != c.want {
			t.Errorf("ref %d value %v: %d bytes, want %d", c.ref, c.v, got, c.want)
		}
	}
}

func batchGen() *rapid.Generator[*Batch] {
	return rapid.Custom(func(t *rapid.T) *Batch {
		b := &Batch{Lane: rapid.Uint32().Draw(t, "lane"), At: rapid.Int64().Draw(t, "at")}
		for range rapid.IntRange(0, 4).Draw(t, "defs") {
			b.FirstRef = 9
			b.Defs = append(b.Defs, Def{Rate: rapid.SampledFrom([]float64{1, 0.1, 0.3}).Draw(t, "rate"), Key: rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "key")})
		}
		for range rapid.IntRange(0, 20).Draw(t, "samples") {
			b.Samples = append(b.Samples, Sample{rapid.Uint32().Draw(t, "ref"), rapid.Float64().Draw(t, "v")})
		}
		for range rapid.IntRange(0, 4).Draw(t, "ordered") {
			b.Ordered = append(b.Ordered, Ordered{rapid.Uint32().Draw(t, "ref"), rapid.Bool().Draw(t, "delta"), rapid.Float64().Draw(t, "v")})
		}
		for range rapid.IntRange(0, 4).Draw(t, "timed") {
			b.Timed = append(b.Timed, Timed{rapid.Uint32().Draw(t, "ref"), rapid.Int64().Draw(t, "time"), 0.25, rapid.Float64().Draw(t, "v")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			e := eventGen().Draw(t, "event")
			b.Events.Append(&e)
		}
		for range rapid.IntRange(0, 6).Draw(t, "raw") {
			s := Raw{Ref: rapid.Uint32().Draw(t, "ref"), Time: rapid.Int64().Draw(t, "time"), Value: rapid.Float64().Draw(t, "v")}
			if rapid.Bool().Draw(t, "more") {
				s.Start, s.Hist = rapid.Int64().Draw(t, "start"), rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "hist")
			}
			b.Raw = append(b.Raw, s)
		}
		b.Rejected[protocol.Syntax] = rapid.Uint32().Draw(t, "rejected")
		b.Shed[protocol.ShedCrash] = rapid.Uint64().Draw(t, "shed")
		b.Duplicates = rapid.Uint64().Draw(t, "duplicates")
		return b
	})
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := batchGen().Draw(t, "batch")
		enc := AppendBatch(nil, want)
		var got Batch
		if err := DecodeBatch(enc, &got); err != nil {
			t.Fatal(err)
		}
		if again := AppendBatch(nil, &got); !bytes.Equal(enc, again) {
			t.Fatalf("encoding again differs:\n%x\n%x", enc, again)
		}
		if got.Values() != want.Values() || got.Refused() != want.Refused() {
			t.Fatalf("counts differ: %d/%d, want %d/%d", got.Values(), got.Refused(), want.Values(), want.Refused())
		}
	})
}

func TestMarkRoundTrip(t *testing.T) {
	for _, m := range []Mark{{Generation: 1, Bucket: 1_700_000_000_000, At: 1_700_000_000_123}, {Generation: 1 << 60, Bucket: -10, At: -1, Restart: true}} {
		got, err := DecodeMark(AppendMark(nil, m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v; want %+v", got, err, m)
		}
	}
}

func TestMalformed(t *testing.T) {
	whole := AppendBatch(nil, &Batch{Lane: 1, At: 5, Samples: []Sample{{Ref: 3, Value: 0.1}}, Defs: []Def{{Rate: 1, Key: []byte("k")}}})
	for n := range whole {
		var b Batch
		err := DecodeBatch(whole[:n], &b)
		// A cut between sections leaves a shorter, valid batch; the frame's
		// checksum is what tells. Any other cut must be seen here.
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for _, b := range [][]byte{nil, {9}, {1}, {2, 4, 1, 1, 1}, {1, 0, 0, 3, 0, 2, 0}} {
		var batch Batch
		_, errMark := DecodeMark(b)
		if errBatch := DecodeBatch(b, &batch); errBatch == nil || errMark == nil {
			t.Errorf("%x: batch %v, mark %v: both must fail", b, errBatch, errMark)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendBatch(nil, &Batch{Lane: 1, At: 5, Samples: []Sample{{Ref: 3, Value: 0.1}}, Defs: []Def{{Rate: 1, Key: []byte("k")}}}))
	f.Add(AppendBatch(nil, &Batch{Lane: 1, At: 5, Raw: []Raw{{Ref: 3, Time: 4, Value: math.NaN()}, {Ref: 3, Time: 9, Start: 1, Hist: []byte("n")}}}))
	f.Add(AppendMark(nil, Mark{Generation: 3, Bucket: 5, At: 6}))
	var events Events
	events.Append(&Event{Kind: protocol.CheckNotice, Status: protocol.StatusCritical, Low: true, Time: -5, Title: []byte("t"), Text: []byte("x\n"),
		Host: []byte("h"), Tags: []protocol.Tag{{Key: []byte("k"), Value: []byte("v")}}})
	events.Append(&Event{Kind: protocol.EventNotice, Title: []byte("t")})
	f.Add(AppendBatch(nil, &Batch{Lane: 1, Lost: 3, Events: events}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = DecodeMark(b)
		var batch Batch
		if DecodeBatch(b, &batch) != nil {
			return
		}
		var again Batch
		if err := DecodeBatch(AppendBatch(nil, &batch), &again); err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
	})
}

func BenchmarkAppendBatch(b *testing.B) {
	batch := &Batch{Lane: 1, At: 1_700_000_000_000}
	for i := range 2400 {
		batch.Samples = append(batch.Samples, Sample{Ref: uint32(i % 1000), Value: float64(i%100) / 4})
	}
	dst := AppendBatch(nil, batch)
	b.SetBytes(int64(len(batch.Samples)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendBatch(dst[:0], batch)
	}
}
