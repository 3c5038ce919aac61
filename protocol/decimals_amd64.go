package protocol

import (
	"golang.org/x/sys/cpu"

	"example.com/nexusctl/protocol/scan"
)

// hasWideDecimals says that the processor reads eight numbers at once.
var hasWideDecimals = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512CD && cpu.X86.HasAVX512VPOPCNTDQ && cpu.X86.HasBMI2

// readDecimals is readEach for n > 0, eight lines at once, each as ReadDecimal does.
//
//go:noescape
func readDecimals(d *Decimals, buf []byte, lines *[scan.GroupSize]scan.Line, n int)
