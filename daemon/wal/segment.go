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
// are little endian. Frames follow at once.
//
// A segment behind a cut has another magic and, before the CRC, the position at
// which the frames before it end (8): between there and its base, positions
// stand for nothing.
const (
	segmentMagic  = "NXLOG\x00\x00\x01"
	resumedMagic  = "NXLOG\x00\x00\x02"
	segmentHeader = 40
	resumedHeader = 48
	segmentSuffix = ".seg"
	halfSuffix    = segmentSuffix + ".tmp"
)

// segment is one file of the log. Its frames start at position base, and those
// before it end at position after, which is the same but behind a cut.
type segment struct {
	base  Position
	after Position
	size  int64 // of the file
	made  int   // tells a segment from another that took its place and name
}

func (g segment) name() string           { return fmt.Sprintf("%020d%s", g.base, segmentSuffix) }
func (g segment) path(dir string) string { return filepath.Join(dir, g.name()) }

// header is the size of the segment's header.
func (g segment) header() int64 {
	if g.after != g.base {
		return resumedHeader
	}
	return segmentHeader
}

// room is how many bytes of frames the file has place for.
func (g segment) room() int64 { return g.size - g.header() }

// offset is where in the file a position is.
func (g segment) offset(p Position) int64 { return g.header() + int64(p-g.base) }

// position is what an offset in the file stands for.
func (g segment) position(offset int64) Position {
	return g.base + Position(max(offset-g.header(), 0))
}

func segmentBase(name string) (Position, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return Position(n), err == nil
}

// heading is what a segment's header says.
type heading struct {
	id          uuid.UUID
	base, after Position
	chain       uint32
}

func (h heading) appendTo(dst []byte) []byte {
	start := len(dst)
	if h.after != h.base {
		dst = append(dst, resumedMagic...)
	} else {
		dst = append(dst, segmentMagic...)
	}
	dst = append(dst, h.id[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.base))
	dst = binary.LittleEndian.AppendUint32(dst, h.chain)
	if h.after != h.base {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(h.after))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

var errHeader = errors.New("a segment header that does not hold")

func parseHeading(b []byte) (h heading, err error) {
	size := segmentHeader
	if len(b) >= 8 && string(b[:8]) == resumedMagic {
		size = resumedHeader
	} else if len(b) < 8 || string(b[:8]) != segmentMagic {
		return h, errHeader
	}
	if len(b) < size || crc32.Checksum(b[:size-4], castagnoli) != binary.LittleEndian.Uint32(b[size-4:]) {
		return h, errHeader
	}
	copy(h.id[:], b[8:24])
	h.base = Position(binary.LittleEndian.Uint64(b[24:]))
	h.chain = binary.LittleEndian.Uint32(b[32:])
	h.after = h.base
	if size == resumedHeader {
		h.after = Position(binary.LittleEndian.Uint64(b[36:]))
	}
	if size == resumedHeader && h.after >= h.base {
		return h, errHeader
	}
	return h, nil
}
