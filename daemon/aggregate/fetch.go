package aggregate

import "unsafe"

// address is where something lies that is to be fetched; 0 is nowhere. It is no
// pointer, so that to note it costs nothing while the collector marks, which would
// look up what each noted pointer points to. Whoever notes one still holds what lies
// there.
type address uintptr

func addressOf[T any](p *T) address { return address(unsafe.Pointer(p)) }

// fetch has the processor read what lies at addresses, all at the same time, and
// waits for none: two lines of the cache, or one where no more than that is wanted.
func fetch(list []address, size uintptr) {
	if len(list) > 0 {
		fetchAll(unsafe.Pointer(unsafe.SliceData(list)), len(list), size)
	}
}

// line is a line of the processor's cache, bytes.
const line = 64
