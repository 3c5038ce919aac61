// Package block holds the two columnar codecs of the store: the flush block
// (one shard of series, one flush) and the series chunk (one series, one hour).
// Both are pure: points in, bytes out, and back, bit for bit.
//
// docs/format/block.md and docs/format/chunk.md describe every byte.
package block

// Kind is how a point's fields are to be read and merged.
type Kind uint8

const (
	Counter   Kind = iota + 1 // Sum, Neg, N
	Gauge                     // Last, LastAt, Min, Max, Sum, N
	Histogram                 // Sketch (package histogram), Count, Sum, Min, Max, N
	Set                       // Sketch (package histogram), N
	Raw                       // Last, or Sketch, at Time exactly; never merged, NaN and infinities allowed
)

// NumKinds is one more than the highest Kind.
const NumKinds = int(Raw) + 1

// ShardSize is the number of consecutive series ids in one shard.
const ShardSize = 1024

// Point is what one series gathered in one bucket, as a mergeable partial.
// Fields that its Kind does not name are zero.
type Point struct {
	Series int64 // dense id from the store; zero inside a chunk, which is of one series
	Time   int64 // bucket start, or a raw sample's own time, Unix milliseconds
	Kind   Kind

	N uint64 // values folded: the unit of the ledger, whatever their weight

	Sum   float64 // counter: Σ of all increments; gauge, histogram: Σ of values
	Neg   float64 // counter: Σ of the negative increments, ≤ 0
	Count float64 // histogram: Σ of weights
	Min   float64
	Max   float64

	Last   float64 // gauge: the last value; raw: the sample
	LastAt int64   // gauge: when Last was seen; raw: when the count started, 0 for unknown; Unix milliseconds

	Sketch []byte // encoded histogram or set; raw: a native histogram in the place of Last
}
