package scan

// BeginPortable is Begin by the way that needs no processor's help, for whoever
// measures what that brings.
func (s *Scanner) BeginPortable(buf []byte) {
	s.buf, s.at, s.blank = buf, 0, 0
	blocks := (len(buf) + 63) / 64
	if cap(s.marks) < blocks {
		s.marks = make([]mark, (Window+63)/64)
	}
	s.marks = s.marks[:blocks]
	findMarksPortable(buf, s.marks)
}
