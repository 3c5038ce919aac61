//go:build cgo && !linux

package dialect

// oneArena is for the C library of Linux.
func oneArena() {}
