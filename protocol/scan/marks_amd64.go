package scan

import "golang.org/x/sys/cpu"

var useAVX2 = cpu.X86.HasAVX2

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
