package block

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// reseal gives damaged bytes a checksum that holds.
func reseal(b []byte) []byte {
	if len(b) < crcSize {
		return b
	}
	c := slices.Clone(b)
	body := c[:len(c)-crcSize]
	binary.LittleEndian.PutUint32(c[len(c)-crcSize:], crc32.Checksum(body, castagnoli))
	return c
}
