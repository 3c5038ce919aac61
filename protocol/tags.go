package protocol

import "bytes"

// addTag judges one tag and keeps it. A tag that came before with the same value
// is the same tag; with another value it is a contradiction. The tag stands at
// [at, end) of the line.
func (p *Parser) addTag(key, value []byte, at, end int) fault {
	p.sent++
	switch {
	case p.sent > p.limits.MaxTags:
		return fault{TooManyTags, at, at}
	case len(key) > p.limits.MaxTagKey || len(value) > p.limits.MaxTagValue:
		return fault{TagTooLong, at, at}
	case len(key) == 0:
		return fault{Syntax, at, end}
	}
	for i := range p.tags {
		if t := &p.tags[i]; string(t.Key) == string(key) {
			if string(t.Value) == string(value) {
				return fault{}
			}
			return fault{DuplicateTag, at, end}
		}
	}
	p.tags = append(p.tags, Tag{key, value})
	return fault{}
}

// splitTag judges one tag as sent, key and value around the first separator, and
// keeps it. A tag without a separator has an empty value; an empty tag is
// dropped.
func (p *Parser) splitTag(tag []byte, separator byte, at int) fault {
	if len(tag) == 0 {
		return fault{}
	}
	key, value := tag, tag[len(tag):]
	if i := bytes.IndexByte(tag, separator); i >= 0 {
		key, value = tag[:i], tag[i+1:]
	}
	return p.addTag(key, value, at, at+len(tag))
}

// tagList reads the tags in line[at:end], separated by commas.
func (p *Parser) tagList(line []byte, at, end int, separator byte) fault {
	for {
		next := end
		if i := bytes.IndexByte(line[at:end], ','); i >= 0 {
			next = at + i
		}
		tag := line[at:next]
		if p.inName {
			if i := bytes.IndexAny(tag, "#[]"); i >= 0 {
				return fault{Syntax, at + i, next}
			}
		}
		if f := p.splitTag(tag, separator, at); f.reason != Accepted {
			return f
		}
		if next == end {
			return fault{}
		}
		at = next + 1
	}
}

// nameWithTags reads the head of a line whose name carries tags, the name being
// line[:n] and its colon line[colon]:
//
//	name,k=v,…:     Influx
//	name#k=v,…:     Librato
//	name[k=v,…]:    SignalFx
//
// The marks of the three styles cannot stand inside such tags: two styles in
// one line are Syntax, and a value that only looks like a second style cannot be
// told from one.
func (p *Parser) nameWithTags(line []byte, n, colon int) fault {
	if f := p.setName(line[:n], n, 0); f.reason != Accepted {
		return f
	}
	end := colon
	if line[n] == '[' {
		end--
		if closing := bytes.IndexByte(line[n:colon], ']'); n+closing != end {
			if closing < 0 {
				return fault{Syntax, n, n + 1}
			}
			return fault{Syntax, n + closing + 1, colon}
		}
	}
	p.inName = true
	return p.tagList(line, n+1, end, '=')
}
