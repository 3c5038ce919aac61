//go:build !amd64

package scan

func findMarks(buf []byte, marks []mark) { findMarksPortable(buf, marks) }
