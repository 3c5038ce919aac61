//go:build !cgo

package dialect

func takeSlot() (slot int, ok bool) { return 0, false }

func slotBytes(int) []byte { return nil }

func freeSlot(int) {}
