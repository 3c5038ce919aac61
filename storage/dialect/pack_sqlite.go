//go:build cgo

package dialect

// #include "pack_sqlite.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// freeSlots are the buffers of nexus_pack that nobody has. They bound how many answers
// are packed at once; while there is none, rows come one by one.
var freeSlots = make(chan int, C.NEXUS_SLOTS)

// registerPack gives nexus_pack to every connection to SQLite that is opened from now on.
var registerPack = sync.OnceValue(func() error {
	if rc := C.nexus_register_pack(); rc != 0 {
		return fmt.Errorf("register the aggregate nexus_pack: SQLite's error %d", int(rc))
	}
	for i := range C.NEXUS_SLOTS {
		C.nexus_slots[i].limit = maxPacked
		freeSlots <- i
	}
	return nil
})

// takeSlot returns a buffer for packed rows.
func takeSlot() (slot int, ok bool) {
	select {
	case slot = <-freeSlots:
		return slot, true
	default:
		return 0, false
	}
}

// slotBytes returns what was packed, memory of C that holds until the slot is freed.
func slotBytes(slot int) []byte {
	s := &C.nexus_slots[slot]
	return unsafe.Slice((*byte)(s.bytes), int(s.size))
}

// freeSlot gives the buffer back, once no statement uses it.
func freeSlot(slot int) {
	C.nexus_empty(C.int(slot))
	freeSlots <- slot
}
