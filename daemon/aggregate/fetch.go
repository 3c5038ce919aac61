package aggregate

import "unsafe"

// fetch has the processor read what pointers point to, all at the same time,
// and waits for none.
func fetch[T any](list []*T) {
	if len(list) > 0 {
		fetchAll(unsafe.Pointer(unsafe.SliceData(list)), len(list), unsafe.Sizeof(*list[0]))
	}
}

// fetchLines does the same to two lines of the cache from each pointer on, but for
// those that are nil.
func fetchLines(list []*byte) {
	if len(list) > 0 {
		fetchAll(unsafe.Pointer(unsafe.SliceData(list)), len(list), 2*64)
	}
}

// bytesOf is a pointer to what is to be fetched.
func bytesOf[T any](p *T) *byte { return (*byte)(unsafe.Pointer(p)) }
