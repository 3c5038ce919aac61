package bench

import "golang.org/x/sys/cpu"

// Wide returns the widest instructions that the daemon finds on this processor.
// GODEBUG=cpu.avx512f=off,cpu.avx2=off hides them from it.
func Wide() string {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VAES:
		return "avx512"
	case cpu.X86.HasAVX2:
		return "avx2"
	}
	return "none"
}
