//go:build !amd64

package scan

func findMarks(buf []byte, marks []mark) { findMarksPortable(buf, marks) }

// Wide says that the processor works on 64 bytes at once.
const Wide = false

// Widest names the instructions that are used: none.
func Widest() string { return "none" }
