package protocol

import "math"

// The readers of the known keys' values. Each returns false where the text is
// broken.

func (p *Parser) jsonName(s *scanner) (ok bool) {
	if s.peek() != '"' {
		ok = s.wrongKind(JSONType)
		p.fields.nameEnd = s.i
		return ok
	}
	at := s.i + 1
	name, ok := s.str()
	if ok {
		s.noteElement(p.setName(name, p.nameLen(name), at))
	}
	p.fields.nameEnd = s.i
	return ok
}

func (p *Parser) jsonType(s *scanner) (ok bool) {
	if s.peek() != '"' {
		return s.wrongKind(JSONType)
	}
	at := s.i + 1
	name, ok := s.str()
	if !ok {
		return false
	}
	if len(name) == 0 {
		s.note(fault{MissingType, at, at})
		return true
	}
	t, known := ParseType(view(name))
	if !known {
		s.note(fault{UnknownType, at, s.i})
	}
	p.metric.Type = t
	return true
}

// jsonValue reads the one value: a number, or a string for a set.
func (p *Parser) jsonValue(s *scanner) (ok bool) {
	f := &p.fields
	f.valueAt = s.i
	switch {
	case s.peek() == '"':
		f.kind = stringValue
		f.member, ok = s.str()
	case s.beginsNumber():
		f.kind = numberValue
		ok = p.jsonNumber(s)
	default:
		f.kind = otherValue
		ok = s.wrongKind(JSONType)
	}
	f.valueEnd = s.i
	return ok
}

// jsonValues reads an array of numbers.
func (p *Parser) jsonValues(s *scanner) (ok bool) {
	f := &p.fields
	f.valueAt = s.i
	if s.peek() != '[' {
		f.kind = otherValue
		return s.wrongKind(JSONType)
	}
	f.kind = numberValue
	more, ok := s.open(']')
	if ok && !more {
		f.bad = fault{EmptyValue, f.valueAt, f.valueAt}
	}
	for more && ok {
		if s.beginsNumber() {
			ok = p.jsonNumber(s)
		} else {
			p.badValue(fault{JSONType, s.i, s.i})
			ok = s.skip()
		}
		if ok {
			more, ok = s.next(']')
		}
	}
	f.valueEnd = s.i
	return ok
}

// jsonNumber reads one value. After a bad one no more are kept.
func (p *Parser) jsonNumber(s *scanner) (ok bool) {
	at := s.i
	b, ok := s.number()
	if !ok || p.fields.bad.reason != Accepted {
		return ok
	}
	if len(p.values) >= p.limits.MaxValues {
		p.badValue(fault{TooManyValues, at, at})
		return true
	}
	v, reason := ParseNumber(b)
	if reason != Accepted {
		p.badValue(fault{reason, at, s.i})
		return true
	}
	p.values = append(p.values, Value{Number: v})
	return true
}

// badValue keeps the first bad value.
func (p *Parser) badValue(f fault) {
	if p.fields.bad.reason == Accepted {
		p.fields.bad = f
	}
}

func (p *Parser) jsonRate(s *scanner) (ok bool) {
	if !s.beginsNumber() {
		return s.wrongKind(JSONType)
	}
	at := s.i
	b, ok := s.number()
	if !ok {
		return false
	}
	v, reason := ParseNumber(b)
	if reason != Accepted {
		v = math.NaN() // no rate, as anything beyond float64
	}
	p.fields.rate, p.fields.rateAt, p.fields.rateEnd = v, at, s.i
	return true
}

// jsonTime reads either timestamp: Unix seconds or RFC 3339, or milliseconds.
func (p *Parser) jsonTime(s *scanner, field uint) (ok bool) {
	at := s.i
	switch {
	case s.beginsNumber():
		unit := 1000.0
		if field == millisField {
			unit = 1
		}
		b, ok := s.number()
		if ok {
			s.note(fault{p.numberTime(b, unit), at, s.i})
		}
		return ok
	case s.peek() == '"' && field == timeField:
		b, ok := s.str()
		if ok {
			s.note(fault{p.rfc3339Time(b), at, s.i})
		}
		return ok
	}
	return s.wrongKind(JSONType)
}

// jsonTags reads tags in either shape: an object of strings, or an array of
// strings, each as text has it between commas.
func (p *Parser) jsonTags(s *scanner) (ok bool) {
	switch s.peek() {
	case '{':
		return p.jsonTagObject(s)
	case '[':
		return p.jsonTagList(s)
	}
	return s.wrongKind(TagType)
}

func (p *Parser) jsonTagObject(s *scanner) (ok bool) {
	more, ok := s.open('}')
	for more && ok {
		at := s.i
		key, isKey := s.str()
		if !isKey || !s.colon() {
			return false
		}
		if s.peek() == '"' {
			var value []byte
			if value, ok = s.str(); ok {
				s.noteElement(p.addKey(key, value, at, s.i))
			}
		} else {
			ok = s.wrongKind(TagType)
		}
		if ok {
			more, ok = s.next('}')
		}
	}
	return ok
}

// addKey adds a tag whose key may not come twice, even with the same value.
func (p *Parser) addKey(key, value []byte, at, end int) fault {
	before := len(p.tags)
	f := p.addTag(key, value, at, end)
	if f.reason == DuplicateTag || f.reason == Accepted && len(p.tags) == before {
		return fault{DuplicateKey, at, at}
	}
	return f
}

func (p *Parser) jsonTagList(s *scanner) (ok bool) {
	more, ok := s.open(']')
	for more && ok {
		at := s.i
		if s.peek() == '"' {
			var tag []byte
			if tag, ok = s.str(); ok {
				s.noteElement(p.splitTag(tag, ':', at))
			}
		} else {
			ok = s.wrongKind(TagType)
		}
		if ok {
			more, ok = s.next(']')
		}
	}
	return ok
}
