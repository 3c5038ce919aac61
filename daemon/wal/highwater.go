package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
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

// mark is how far the log was durable, and the checksum of the frame that ends
// there.
type mark struct {
	number uint64
	at     Position
	chain  uint32
}

type highWater struct {
	file File
	mark
}

// openHighWater reads the file and makes it where it is missing, with the disk
// space that it will need: a full disk must not be what keeps a mark from
// following a sync.
func openHighWater(fsys FS, dir string) (*highWater, error) {
	f, err := fsys.Open(filepath.Join(dir, highWaterName), true)
	if err != nil {
		return nil, fmt.Errorf("open high-water mark: %w", err)
	}
	h := &highWater{file: f, mark: readMark(f)}
	if size, err := f.Size(); err != nil || size < 2*slotSize {
		if err := f.Allocate(2 * slotSize); err != nil {
			return nil, errors.Join(fmt.Errorf("make the high-water mark: %w", err), f.Close())
		}
	}
	return h, nil
}

// lookAtHighWater reads the mark and changes nothing.
func lookAtHighWater(fsys FS, dir string) (mark, error) {
	f, err := fsys.Open(filepath.Join(dir, highWaterName), false)
	if errors.Is(err, os.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, fmt.Errorf("open high-water mark: %w", err)
	}
	return readMark(f), f.Close()
}

func readMark(f File) (m mark) {
	var b [2 * slotSize]byte
	n, _ := f.ReadAt(b[:], 0) // a short file has no second slot
	for i := range 2 {
		if (i+1)*slotSize > n {
			break
		}
		m.take(b[i*slotSize:])
	}
	return m
}

func (m *mark) take(slot []byte) {
	if crc32.Checksum(slot[:20], castagnoli) != binary.LittleEndian.Uint32(slot[20:]) {
		return
	}
	if number := binary.LittleEndian.Uint64(slot[12:]); number > m.number {
		m.number = number
		m.at = Position(binary.LittleEndian.Uint64(slot))
		m.chain = binary.LittleEndian.Uint32(slot[8:])
	}
}

// write follows a sync of the log. It is not synced itself: being behind costs
// nothing but the name of a loss, and the next sync of the log would have to
// wait for it. A write that fails may be tried again: it goes to the same slot,
// and the other one stays.
func (h *highWater) write(at Position, chain uint32) error {
	next := mark{number: h.number + 1, at: at, chain: chain}
	var b [slotSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(at))
	binary.LittleEndian.PutUint32(b[8:], chain)
	binary.LittleEndian.PutUint64(b[12:], next.number)
	binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[:20], castagnoli))
	if _, err := h.file.WriteAt(b[:], int64(next.number%2)*slotSize); err != nil {
		return err
	}
	h.mark = next
	return nil
}

func (h *highWater) close() error { return errors.Join(h.file.Sync(), h.file.Close()) }
