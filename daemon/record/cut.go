package record

import (
	"encoding/binary"
	"fmt"
)

// Cut stands where a repair let the log go on behind a loss. It closes the open
// generation at From, voids every lane's references as a restart does, and
// opens the given generation, whose number is beyond any that was lost.
type Cut struct {
	Generation uint64
	At         int64  // when the repair was made, Unix milliseconds
	From       uint64 // positions from here to the record's own are lost
	Units      uint64 // that were lost and not stored, as far as the repair could read
}

// AppendCut encodes a cut.
func AppendCut(dst []byte, c Cut) []byte {
	dst = append(dst, byte(KindCut))
	dst = binary.AppendUvarint(dst, c.Generation)
	dst = binary.AppendVarint(dst, c.At)
	dst = binary.AppendUvarint(dst, c.From)
	return binary.AppendUvarint(dst, c.Units)
}

// DecodeCut decodes what AppendCut wrote.
func DecodeCut(b []byte) (Cut, error) {
	r := reader{b: b}
	if r.byte() != byte(KindCut) {
		return Cut{}, fmt.Errorf("%w: no cut", ErrMalformed)
	}
	c := Cut{Generation: r.uvarint(), At: r.varint(), From: r.uvarint(), Units: r.uvarint()}
	if r.bad || len(r.b) != 0 {
		return Cut{}, fmt.Errorf("%w: cut", ErrMalformed)
	}
	return c, nil
}
