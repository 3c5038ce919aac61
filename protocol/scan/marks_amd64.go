package scan

import "golang.org/x/sys/cpu"

var useAVX2 = cpu.X86.HasAVX2

// Wide says that the processor works on 64 bytes at once: AVX-512 with what came
// until Ice Lake and Zen 4. GODEBUG=cpu.avx512f=off hides it.
var Wide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512CD &&
	cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPOPCNTDQ && cpu.X86.HasBMI2

// Widest names the instructions that are used: avx512, avx2 or none.
func Widest() string {
	switch {
	case Wide:
		return "avx512"
	case useAVX2:
		return "avx2"
	}
	return "none"
}

// findMarks fills marks, one for each 64 bytes of buf.
func findMarks(buf []byte, marks []mark) {
	whole := len(buf) / 64
	if !useAVX2 || whole == 0 {
		findMarksPortable(buf, marks)
		return
	}
	findMarksAVX2(&buf[0], &marks[0], whole)
	if whole < len(marks) {
		marks[whole] = markBlock(buf[whole*64:])
	}
}

// findMarksAVX2 reads blocks of 64 bytes from src and writes a mark for each.
//
//go:noescape
func findMarksAVX2(src *byte, dst *mark, blocks int)
