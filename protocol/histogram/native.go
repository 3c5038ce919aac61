package histogram

import "encoding/binary"

// Native is one sample of a Prometheus native histogram, as it was sent: it is
// kept, never merged. Integer histograms are kept as floats, which hold their
// counts exactly to 2^53.
type Native struct {
	Reset         byte // what the sender knows of counter resets: 0 unknown, 1 reset, 2 none, 3 a gauge
	Schema        int32
	ZeroThreshold float64
	ZeroCount     float64
	Count         float64
	Sum           float64 // also the stale marker

	// Buckets are absolute counts, in runs; Custom are the upper bounds where
	// Schema says that they are custom.
	PositiveSpans, NegativeSpans     []Span
	PositiveBuckets, NegativeBuckets []float64
	Custom                           []float64
}

// Span is a run of buckets: Offset empty ones before it (the first: its index),
// then Length of them.
type Span struct {
	Offset int32
	Length uint32
}

// MaxNativeBuckets bounds the buckets, the spans and the custom bounds of one
// sample, each.
const MaxNativeBuckets = 1 << 14

// A native histogram's bytes: a kind byte, the reset hint, the schema (zigzag),
// then threshold, zero count, count and sum as numbers, then for each sign the
// spans and the buckets, then the custom bounds; each list behind its length.
const kindNative = 'n'

// AppendBinary encodes the sample; equal samples give equal bytes.
func (n *Native) AppendBinary(dst []byte) []byte {
	dst = append(dst, kindNative, n.Reset)
	dst = binary.AppendVarint(dst, int64(n.Schema))
	for _, v := range []float64{n.ZeroThreshold, n.ZeroCount, n.Count, n.Sum} {
		dst = appendNumber(dst, v)
	}
	dst = appendNumbers(appendSpans(dst, n.PositiveSpans), n.PositiveBuckets)
	dst = appendNumbers(appendSpans(dst, n.NegativeSpans), n.NegativeBuckets)
	return appendNumbers(dst, n.Custom)
}

func appendSpans(dst []byte, spans []Span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(spans)))
	for _, s := range spans {
		dst = binary.AppendVarint(dst, int64(s.Offset))
		dst = binary.AppendUvarint(dst, uint64(s.Length))
	}
	return dst
}

func appendNumbers(dst []byte, list []float64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, v := range list {
		dst = appendNumber(dst, v)
	}
	return dst
}

// DecodeNative decodes what Native.AppendBinary wrote.
func DecodeNative(b []byte) (*Native, error) {
	r := reader{b: b}
	if r.byte() != kindNative {
		return nil, ErrMalformed
	}
	n := &Native{Reset: r.byte()}
	schema := r.varint()
	n.Schema = int32(schema)
	for _, v := range []*float64{&n.ZeroThreshold, &n.ZeroCount, &n.Count, &n.Sum} {
		*v = r.number()
	}
	n.PositiveSpans, n.PositiveBuckets = r.spans(), r.numbers()
	n.NegativeSpans, n.NegativeBuckets = r.spans(), r.numbers()
	n.Custom = r.numbers()
	if r.bad || len(r.b) != 0 || int64(n.Schema) != schema || n.Reset > 3 || !n.whole() {
		return nil, ErrMalformed
	}
	return n, nil
}

// whole reports that the spans speak of as many buckets as there are: whoever
// walks them must not run past the end.
func (n *Native) whole() bool {
	return spanned(n.PositiveSpans) == uint64(len(n.PositiveBuckets)) && spanned(n.NegativeSpans) == uint64(len(n.NegativeBuckets))
}

func spanned(spans []Span) (total uint64) {
	for _, s := range spans {
		total += uint64(s.Length)
	}
	return total
}

// length reads how many elements follow; each takes a byte at least.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) || n > MaxNativeBuckets {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

func (r *reader) spans() (list []Span) {
	for range r.length() {
		offset, length := r.varint(), r.uvarint()
		if int64(int32(offset)) != offset || length > MaxNativeBuckets {
			r.b, r.bad = nil, true
			return nil
		}
		list = append(list, Span{int32(offset), uint32(length)})
	}
	return list
}

func (r *reader) numbers() (list []float64) {
	for range r.length() {
		list = append(list, r.number())
	}
	return list
}
