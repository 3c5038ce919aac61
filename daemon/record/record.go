// Package record is what stands in the log: batches of understood samples and
// the marks between generations, as bytes in and out.
//
// A batch records what was understood, not what was said. A series is defined
// once for a lane, under a reference; from then on a sample is that reference
// and a value, a few bytes. The batch also carries its counts of refused and
// shed units, so that the ledger replays with the data.
//
// The package is pure and knows nothing of files. docs/format/log.md describes
// every byte.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"example.com/nexusctl/protocol"
)

// Kind is the first byte of every record.
type Kind byte

const (
	KindBatch Kind = 1
	KindMark  Kind = 2
	KindCut   Kind = 3
)

// ErrMalformed reports bytes that this package did not write. A frame whose
// checksum holds and whose record is malformed was written by a newer daemon
// or by a bug; nothing of it is applied.
var ErrMalformed = errors.New("malformed log record")

// KindOf returns the record's kind; ErrMalformed where it is none of ours.
func KindOf(b []byte) (Kind, error) {
	if len(b) == 0 {
		return 0, fmt.Errorf("%w: empty", ErrMalformed)
	}
	switch k := Kind(b[0]); k {
	case KindBatch, KindMark, KindCut:
		return k, nil
	default:
		return 0, fmt.Errorf("%w: kind %d", ErrMalformed, b[0])
	}
}

// Batch is what one lane took in at once: the unit of the log and of the fold.
// A Batch is reused; Reset keeps its memory.
type Batch struct {
	Lane uint32
	At   int64 // when it was logged, Unix milliseconds

	// Defs introduce references, numbered FirstRef, FirstRef+1, … The rest of
	// the batch, and later batches of the lane, may use them.
	FirstRef uint32
	Defs     []Def

	Samples []Sample  // fold into the lane's tables
	Ordered []Ordered // gauges that have seen a delta: applied in log order over all lanes
	Timed   []Timed   // with a time or a rate of their own
	Raw     []Raw     // kept one by one, never folded
	Events  Events    // events and service checks, each a unit

	Rejected   [protocol.NumReasons]uint32
	Shed       [protocol.NumSheds]uint64
	Duplicates uint64
	Lost       uint64 // units that a repair had to cut out of the log

	// Who sent the batch, where it can be sent again.
	Session Session
	Claim   Claim

	packed packed // the samples' bytes, where Add has made them
}

// Def names a series for a lane. Key is canonical (package series); Rate is
// the sampling rate of every sample under the reference.
type Def struct {
	Rate float64
	Key  []byte
}

// Sample is one value under a reference. For a set the value's bits are the
// member's hash.
type Sample struct {
	Ref   uint32
	Value float64
}

// Ordered is one change of a gauge whose changes depend on each other.
type Ordered struct {
	Ref   uint32
	Delta bool
	Value float64
}

// Timed is a sample with a time of its own, in Unix milliseconds, or a rate
// that is too unusual for a definition. A Time of 0 is none.
type Timed struct {
	Ref   uint32
	Time  int64
	Rate  float64
	Value float64
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{
		Defs: b.Defs[:0], Samples: b.Samples[:0], Ordered: b.Ordered[:0], Timed: b.Timed[:0], Raw: b.Raw[:0],
		Events: Events{Bytes: b.Events.Bytes[:0]},
		packed: packed{bytes: b.packed.bytes[:0]},
	}
}

// Unpacked says that the batch will not be encoded, so that Add spares the work.
// The batch must be empty; Reset takes it back.
func (b *Batch) Unpacked() { b.packed.n = void }

// Values returns the accepted units of the batch, as the ledger counts them.
func (b *Batch) Values() uint64 {
	return uint64(len(b.Samples)) + uint64(len(b.Ordered)) + uint64(len(b.Timed)) + uint64(len(b.Raw)) + uint64(b.Events.N)
}

// Refused returns the refused and shed units of the batch.
func (b *Batch) Refused() (n uint64) {
	for _, c := range b.Rejected {
		n += uint64(c)
	}
	for _, c := range b.Shed {
		n += c
	}
	return n
}

// Empty reports that there is nothing to log.
func (b *Batch) Empty() bool {
	return len(b.Defs) == 0 && b.Values() == 0 && b.Refused() == 0 && b.Duplicates == 0 && b.Lost == 0 &&
		len(b.Session.Producer) == 0 && b.Claim == (Claim{})
}

// Mark closes a generation and opens the next.
type Mark struct {
	Generation uint64 // the one that starts here; numbers rise by one
	Bucket     int64  // where its untimed samples belong, Unix milliseconds
	At         int64  // when it was set, Unix milliseconds
	// Restart says that a new process starts here: every lane's references
	// are void and are defined anew.
	Restart bool
}

const markRestart = 1

// AppendMark encodes a mark.
func AppendMark(dst []byte, m Mark) []byte {
	var flags byte
	if m.Restart {
		flags = markRestart
	}
	dst = append(dst, byte(KindMark), flags)
	dst = binary.AppendUvarint(dst, m.Generation)
	dst = binary.AppendVarint(dst, m.Bucket)
	return binary.AppendVarint(dst, m.At)
}

// DecodeMark decodes what AppendMark wrote.
func DecodeMark(b []byte) (Mark, error) {
	r := reader{b: b}
	if r.byte() != byte(KindMark) {
		return Mark{}, fmt.Errorf("%w: no mark", ErrMalformed)
	}
	flags := r.byte()
	m := Mark{Generation: r.uvarint(), Bucket: r.varint(), At: r.varint(), Restart: flags&markRestart != 0}
	if r.bad || len(r.b) != 0 || flags&^markRestart != 0 {
		return Mark{}, fmt.Errorf("%w: mark", ErrMalformed)
	}
	return m, nil
}
