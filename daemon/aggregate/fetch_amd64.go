package aggregate

import "unsafe"

// fetchAll asks for the first 128 bytes of what n pointers point to, of as many as
// size says.
//
//go:noescape
func fetchAll(list unsafe.Pointer, n int, size uintptr)
