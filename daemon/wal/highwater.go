package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
)

// The high-water file says up to where the log was durable: two slots of 32
// bytes, written in turn, each position (8 bytes), checksum of the last frame
// (4), a running number (8), CRC32C (4) and padding. The slot with the greater
// number whose CRC holds is the one that counts, so a torn write leaves the
// other.
const (
	highWaterName = "highwater"
	slotSize      = 32
)

type highWater struct {
	file   File
	number uint64
	at     Position
	chain  uint32
}

// openHighWater reads the file and makes it where it is missing.
func openHighWater(fsys FS, dir string) (*highWater, error) {
	f, err := fsys.Open(filepath.Join(dir, highWaterName), true)
	if err != nil {
		return nil, fmt.Errorf("open high-water mark: %w", err)
	}
	h := &highWater{file: f}
	var b [2 * slotSize]byte
	n, _ := f.ReadAt(b[:], 0) // a short file has no second slot yet
	for i := range 2 {
		if (i+1)*slotSize > n {
			break
		}
		h.take(b[i*slotSize:])
	}
	return h, nil
}

func (h *highWater) take(slot []byte) {
	if crc32.Checksum(slot[:20], castagnoli) != binary.LittleEndian.Uint32(slot[20:]) {
		return
	}
	if number := binary.LittleEndian.Uint64(slot[12:]); number > h.number {
		h.number = number
		h.at = Position(binary.LittleEndian.Uint64(slot))
		h.chain = binary.LittleEndian.Uint32(slot[8:])
	}
}

// write follows a sync of the log. It is not synced itself: being behind costs
// nothing but the name of a loss, and the next sync of the log would have to
// wait for it.
func (h *highWater) write(at Position, chain uint32) error {
	h.number++
	h.at, h.chain = at, chain
	var b [slotSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(at))
	binary.LittleEndian.PutUint32(b[8:], chain)
	binary.LittleEndian.PutUint64(b[12:], h.number)
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	_, err := h.file.WriteAt(b[:], int64(h.number%2)*slotSize)
	return err
}

func (h *highWater) close() error { return errors.Join(h.file.Sync(), h.file.Close()) }
