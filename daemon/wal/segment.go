package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// A segment's header: magic (8 bytes), the log's UUID (16), base position (8),
// the checksum of the last frame before it (4), CRC32C of all that (4). Numbers
// are little endian. Frames follow at byte segmentHeader.
const (
	segmentMagic  = "NXLOG\x00\x00\x01"
	segmentHeader = 40
	segmentSuffix = ".seg"
)

// segment is one file of the log. Its frames start at position base.
type segment struct {
	base Position
	size int64 // of the file
}

func (g segment) name() string           { return fmt.Sprintf("%020d%s", g.base, segmentSuffix) }
func (g segment) path(dir string) string { return filepath.Join(dir, g.name()) }

func segmentBase(name string) (Position, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return Position(n), err == nil
}

func appendSegmentHeader(dst []byte, id uuid.UUID, base Position, chain uint32) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = append(dst, id[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(base))
	dst = binary.LittleEndian.AppendUint32(dst, chain)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

var errHeader = errors.New("a segment header that does not hold")

func parseSegmentHeader(b []byte) (id uuid.UUID, base Position, chain uint32, err error) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:36], castagnoli) != binary.LittleEndian.Uint32(b[36:]) {
		return id, 0, 0, errHeader
	}
	copy(id[:], b[8:24])
	return id, Position(binary.LittleEndian.Uint64(b[24:])), binary.LittleEndian.Uint32(b[32:]), nil
}
