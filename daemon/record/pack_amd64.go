package record

import (
	"golang.org/x/sys/cpu"

	"example.com/nexusctl/protocol"
)

// hasWidePack says that the processor packs eight numbers at once.
var hasWidePack = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512CD && cpu.X86.HasAVX512VBMI && cpu.X86.HasBMI2

// packDecimals packs numbers of a group, from one on, with their references, as
// putDecimal does each, and makes samples of them. It stops before eight of which
// one takes more than eight bytes, and returns the bytes and the numbers that it
// packed. dst has room for eight bytes, and samples for one, for each of refs and
// eight more; what it writes there behind the last one is of no meaning.
//
//go:noescape
func packDecimals(dst []byte, samples []Sample, refs []uint32, d *protocol.Decimals, from int) (size, n int)
