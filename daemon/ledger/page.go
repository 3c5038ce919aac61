package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"unsafe"
)

// MaxLanes bounds the lanes of one daemon: each has a slot of the page.
const MaxLanes = 64

const (
	pageMagic   = "NXRECV01"
	bootIDSize  = 36
	slotStride  = 64 // a cache line, so that lanes do not slow each other
	slotsOffset = 128
	pageSize    = slotsOffset + MaxLanes*slotStride
)

// Page is the file of received counters, mapped into memory. A count is one
// store to memory: cheap enough for every chunk, and, because the mapping is
// the kernel's, it outlives a kill -9. It does not outlive a power cut, which
// the boot id tells: then the counters say nothing about what was received
// last, and nobody pretends they do.
//
// Layout: magic, boot id of the writing kernel, then MaxLanes counters of eight
// bytes, little endian, 64 bytes apart, from byte 128.
type Page struct {
	mem     []byte
	unmap   func() error
	carried uint64
	trusted bool
}

// OpenPage maps the page at path and makes it where it is missing.
func OpenPage(path string) (*Page, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read received counters: %w", err)
	}
	boot := bootID()
	p := &Page{}
	if len(old) == pageSize && string(old[:len(pageMagic)]) == pageMagic {
		p.trusted = boot != "" && string(old[8:8+bootIDSize]) == boot
		for lane := range MaxLanes {
			p.carried += binary.LittleEndian.Uint64(old[slotsOffset+lane*slotStride:])
		}
	} else if len(old) == 0 {
		p.trusted = true
	}
	if p.mem, p.unmap, err = mapFile(path, pageSize); err != nil {
		return nil, fmt.Errorf("map received counters %s: %w", path, err)
	}
	return p, nil
}

// Carried returns what earlier processes received in all, and whether that can
// be relied on: false after a power cut or a reboot.
func (p *Page) Carried() (received uint64, trusted bool) { return p.carried, p.trusted }

// Start sets the total from which this process counts on.
func (p *Page) Start(received uint64) {
	copy(p.mem, pageMagic)
	clear(p.mem[8 : 8+bootIDSize])
	copy(p.mem[8:], bootID())
	for lane := range MaxLanes {
		p.Lane(lane).Store(0)
	}
	p.Lane(0).Store(received)
}

// Lane returns the counter of one lane, 0 ≤ lane < MaxLanes.
func (p *Page) Lane(lane int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&p.mem[slotsOffset+lane*slotStride]))
}

// Close unmaps the page. No counter may be used after it.
func (p *Page) Close() error { return p.unmap() }

// bootID tells one run of the kernel from the next; empty where the system has
// none, which makes every earlier page untrusted.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(b) < bootIDSize {
		return portableBootID()
	}
	return string(b[:bootIDSize])
}
