package protocol

import "unicode/utf8"

const (
	nameStart = 1 << iota // may begin a name
	nameRest              // may follow in one
)

// nameBytes is the charset of names: [A-Za-z_][A-Za-z0-9_.:/-]*. A colon ends
// the name of a text line, so only JSON can send one inside a name.
var nameBytes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			table[c] = nameStart | nameRest
		case '0' <= c && c <= '9', c == '.', c == ':', c == '/', c == '-':
			table[c] = nameRest
		}
	}
	return table
}()

// nameLen returns how many bytes at the start of b make a legal name.
func nameLen(b []byte) int {
	if len(b) == 0 || nameBytes[b[0]]&nameStart == 0 {
		return 0
	}
	for i := 1; i < len(b); i++ {
		if nameBytes[b[i]] == 0 {
			return i
		}
	}
	return len(b)
}

// nameLen is nameLen, with what is legal beyond ASCII. Of a name that is not
// written the one legal way nothing is.
func (p *Parser) nameLen(b []byte) int {
	n := nameLen(b)
	if n == len(b) || b[n] < utf8.RuneSelf || p.limits.Names == nil {
		return n
	}
	for n < len(b) {
		if b[n] < utf8.RuneSelf {
			if nameBytes[b[n]] == 0 {
				break
			}
			n++
			continue
		}
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 || !p.limits.Names.Rune(r, n == 0) {
			break
		}
		n += size
	}
	if !p.limits.Names.Normal(b[:n]) {
		return 0
	}
	return n
}

// setName judges the name and keeps it. legal is its nameLen, at where it stands
// in the line.
func (p *Parser) setName(name []byte, legal, at int) fault {
	reserved := p.limits.ReservedPrefix
	switch {
	case len(name) == 0:
		return fault{EmptyName, at, at}
	case len(name) > p.limits.MaxName:
		return fault{NameTooLong, at, at}
	case reserved != "" && name[0] == reserved[0] && hasPrefix(name, reserved):
		return fault{ReservedName, at, at + len(name)}
	case legal < len(name):
		return fault{NameCharset, at + legal, at + len(name)}
	}
	p.metric.Name = name
	return fault{}
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
