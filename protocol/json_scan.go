package protocol

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner reads JSON strictly by its grammar, from left to right, once. Methods
// that report ok return false where the text is broken and reading must end; the
// fault is noted by then. Faults of meaning are noted and passed over, because
// what is missing shows only at the end.
type scanner struct {
	b     []byte
	i     int // the next byte
	depth int
	max   int // of depth

	grammar fault  // the leftmost fault noted
	char    fault  // the first character that may stand nowhere
	scratch []byte // strings that had escapes, decoded
}

func (s *scanner) begin(b []byte, maxDepth int) {
	s.b, s.i, s.depth, s.max = b, 0, 0, maxDepth
	s.grammar, s.char = fault{}, fault{}
	s.scratch = s.scratch[:0]
}

// note keeps f if it is further left than what was noted before.
func (s *scanner) note(f fault) {
	if f.reason != Accepted && (s.grammar.reason == Accepted || f.at < s.grammar.at) {
		s.grammar = f
	}
}

// noteElement notes a fault of the element that the scanner has just passed. Its
// rule saw decoded bytes, so the element's end is set to where it is in the line;
// limits, which end where they begin, stay as they are.
func (s *scanner) noteElement(f fault) {
	if f.end > f.at {
		f.end = s.i
	}
	s.note(f)
}

// noteChar keeps the first character that may stand nowhere.
func (s *scanner) noteChar(reason Reason, at int) {
	if reason != Accepted && s.char.reason == Accepted {
		s.char = fault{reason, at, at + 1}
	}
}

// unexpected notes that the next byte breaks the syntax, and returns false.
func (s *scanner) unexpected() bool {
	s.note(fault{JSONSyntax, s.i, s.i + 1})
	if s.i < len(s.b) {
		reason, _ := judgeChar(s.b[s.i:])
		s.noteChar(reason, s.i)
	}
	return false
}

// wrongKind notes that the next value is not of the kind wanted, and skips it.
// Where no value begins at all, that is the fault.
func (s *scanner) wrongKind(reason Reason) (ok bool) {
	at := s.i
	ok = s.skip()
	s.note(fault{reason, at, at})
	return ok
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end; a 0 in the text is unexpected
// wherever it stands.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// open enters the object or array that begins here. more is whether it holds
// anything.
func (s *scanner) open(closing byte) (more, ok bool) {
	s.depth++
	if s.depth > s.max {
		s.note(fault{JSONDepth, s.i, s.i})
		return false, false
	}
	s.i++
	s.space()
	if s.peek() == closing {
		s.i++
		s.depth--
		return false, true
	}
	return true, true
}

// next goes from one element of an object or array to the one after.
func (s *scanner) next(closing byte) (more, ok bool) {
	s.space()
	switch s.peek() {
	case ',':
		s.i++
		s.space()
		return true, true
	case closing:
		s.i++
		s.depth--
		return false, true
	}
	return false, s.unexpected()
}

// colon goes from a key to its value.
func (s *scanner) colon() (ok bool) {
	s.space()
	if s.peek() != ':' {
		return s.unexpected()
	}
	s.i++
	s.space()
	return true
}

// plainBytes may stand in a string as they are and mean themselves.
var plainBytes = func() (table [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// plainRun returns where the plain bytes from i on end. Most strings are short:
// eight at once pay from the second eight on.
func plainRun(b []byte, i int) int {
	for short := min(i+8, len(b)); i < short; i++ {
		if !plainBytes[b[i]] {
			return i
		}
	}
	for ; i+8 <= len(b); i += 8 {
		if other := otherBytes(binary.LittleEndian.Uint64(b[i:])); other != 0 {
			return i + bits.TrailingZeros64(other)/8
		}
	}
	for i < len(b) && plainBytes[b[i]] {
		i++
	}
	return i
}

// otherBytes marks, of eight bytes, those that are not plain, by their highest
// bit; behind the first of them, others may be marked as well. A byte is
// zero where taking 1 from it borrows; a borrow runs on to the left alone.
func otherBytes(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash, del := x^'"'*ones, x^'\\'*ones, x^0x7f*ones
	low := (x - 0x20*ones) &^ x
	return (x | low | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del) & high
}

// str reads a string, which need not be one: a view into the text, or into
// scratch where it had escapes.
func (s *scanner) str() (v []byte, ok bool) {
	if s.peek() != '"' {
		return nil, s.unexpected()
	}
	from := s.i + 1
	i := plainRun(s.b, from)
	if i < len(s.b) && s.b[i] == '"' {
		s.i = i + 1
		return s.b[from:i], true
	}
	return s.decode(from, i)
}

// decode reads a string into scratch: what is plain up to i as it is, the rest
// rune by rune. Faulty characters are noted and kept, so that the string's length
// can be judged before they are.
func (s *scanner) decode(from, i int) (v []byte, ok bool) {
	start := len(s.scratch)
	for {
		s.scratch = append(s.scratch, s.b[from:i]...)
		if s.i = i; i == len(s.b) {
			return nil, s.unexpected()
		}
		switch c := s.b[i]; c {
		case '"':
			s.i++
			return s.scratch[start:], true
		case '\\':
			r, size := unescape(s.b[i:])
			if size == 0 {
				return nil, s.unexpected()
			}
			if r < 0 {
				s.noteChar(UTF8, i)
			} else if isControl(r) {
				s.noteChar(ControlChar, i)
			}
			s.scratch = utf8.AppendRune(s.scratch, r)
			from = i + size
		default:
			reason, size := judgeChar(s.b[i:])
			s.noteChar(reason, i)
			s.scratch = append(s.scratch, s.b[i:i+size]...)
			from = i + size
		}
		i = plainRun(s.b, from)
	}
}

// unescape reads the escape that b begins with. size is 0 where it is none; r is
// below 0 for half a surrogate pair.
func unescape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unescapeUnicode(b)
	}
	return 0, 0
}

// unescapeUnicode reads \uXXXX, or two of them that are a surrogate pair.
func unescapeUnicode(b []byte) (r rune, size int) {
	r, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if r < 0xd800 || r > 0xdfff {
		return r, 6
	}
	low, ok := hex4(b[6:])
	if r > 0xdbff || !ok || low < 0xdc00 || low > 0xdfff {
		return -1, 6
	}
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), 12
}

// hex4 reads the digits of \uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 + rune(c)
	}
	return r, true
}

// number reads a number's bytes, which need not be one.
func (s *scanner) number() (b []byte, ok bool) {
	from := s.i
	for s.i < len(s.b) && isNumberByte(s.b[s.i]) {
		s.i++
	}
	if b = s.b[from:s.i]; IsJSONNumber(b) {
		return b, true
	}
	if len(b) == 0 {
		return nil, s.unexpected()
	}
	s.note(fault{JSONSyntax, from, s.i})
	return nil, false
}

// beginsNumber reports whether the next value is a number, broken or not.
func (s *scanner) beginsNumber() bool {
	c := s.peek()
	return c == '-' || c-'0' <= 9
}

func isNumberByte(c byte) bool {
	return c-'0' <= 9 || c == '-' || c == '+' || c == '.' || c|0x20 == 'e'
}

// skip passes over one value of any kind, holding it to the grammar.
func (s *scanner) skip() (ok bool) {
	switch s.peek() {
	case '"':
		return s.skipString()
	case '{':
		return s.skipContainer('}')
	case '[':
		return s.skipContainer(']')
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	_, ok = s.number()
	return ok
}

func (s *scanner) skipContainer(closing byte) (ok bool) {
	more, ok := s.open(closing)
	for more && ok {
		if closing == '}' {
			if s.peek() != '"' {
				return s.unexpected()
			}
			if !s.skipString() || !s.colon() {
				return false
			}
		}
		if !s.skip() {
			return false
		}
		more, ok = s.next(closing)
	}
	return ok
}

// skipString passes over a string that nobody will read: bytes that may stand
// nowhere are faults in it too, but what its escapes mean is not looked at.
func (s *scanner) skipString() (ok bool) {
	s.i++
	for s.i = plainRun(s.b, s.i); s.i < len(s.b); s.i = plainRun(s.b, s.i) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return true
		case c == '\\':
			_, size := unescape(s.b[s.i:])
			if size == 0 {
				return s.unexpected()
			}
			s.i += size
		default:
			reason, size := judgeChar(s.b[s.i:])
			s.noteChar(reason, s.i)
			s.i += size
		}
	}
	return s.unexpected()
}

func (s *scanner) literal(word string) (ok bool) {
	if !hasPrefix(s.b[s.i:], word) {
		return s.unexpected()
	}
	s.i += len(word)
	return true
}
