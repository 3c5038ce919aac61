package protocol

import "bytes"

// Text reads one line of text, without its terminator:
//
//	name:value[:value…]|type[|@rate][|#tag:value,…][|T<unix seconds>][|c:…|e:…|card:…]
//
// Tags may also stand in the name, in the styles of Influx, Librato or SignalFx;
// and a line without tags may repeat value and type: name:1|c:2|c. Sections that
// are not known are skipped and counted. A line that begins as an event or a
// service check does is read as one, see Notice.
//
// See Line for what is returned.
func (p *Parser) Text(line []byte) (*Metric, Fault) {
	if len(line) > p.limits.MaxLine {
		return nil, Fault{LineTooLong, p.limits.MaxLine}
	}
	p.reset()
	grammar := p.text(line)
	if !printable(line) {
		return p.finish(settle(grammar, badChar(line)))
	}
	return p.finish(Fault{grammar.reason, grammar.at})
}

func (p *Parser) text(line []byte) fault {
	if kind := noticeKind(line); kind != 0 {
		return p.parseNotice(line, kind)
	}
	at, f := p.head(line)
	if f.reason != Accepted {
		return f
	}
	at, f = p.body(line, at)
	if f.reason != Accepted {
		return f
	}
	return p.sections(line, at)
}

// head reads the name, and tags in it, up to the first colon, and returns where
// the values begin. A line without a colon before its first bar is no line.
func (p *Parser) head(line []byte) (values int, f fault) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return 0, fault{reason: Syntax}
	}
	name := line[:colon]
	n := p.nameLen(name)
	if n < len(name) {
		switch {
		case bytes.IndexByte(name, '|') >= 0:
			return 0, fault{reason: Syntax}
		case line[n] == ',' || line[n] == '#' || line[n] == '[':
			return colon + 1, p.nameWithTags(line, n, colon)
		}
	}
	return colon + 1, p.setName(name, n, 0)
}

// body reads the values at line[at:] and the type behind them, and returns where
// the sections begin: at a bar or the line's end. The type says how to read the
// values, so it is looked at first; but what is wrong with the values stands
// further left.
func (p *Parser) body(line []byte, at int) (sections int, f fault) {
	bar := len(line)
	if i := bytes.IndexByte(line[at:], '|'); i >= 0 {
		bar = at + i
	}
	end, missing := p.typeSection(line, bar)
	if missing.reason == UnknownType && p.repeats(line, bar) {
		return len(line), p.repeated(line, at)
	}
	if p.metric.Type == Set {
		return end, p.setMember(line[at:bar], at, bar)
	}
	if f = p.numbers(line, at, bar); f.reason != Accepted {
		return end, f
	}
	p.metric.ValueAt, p.metric.ValueEnd = at, bar
	return end, missing
}

// typeSection reads the type after the bar and returns where it ends.
func (p *Parser) typeSection(line []byte, bar int) (end int, f fault) {
	end = len(line)
	if bar == end {
		return end, fault{MissingType, end, end}
	}
	at := bar + 1
	if i := bytes.IndexByte(line[at:], '|'); i >= 0 {
		end = at + i
	}
	if at == end {
		return end, fault{MissingType, at, at}
	}
	p.metric.Type = typeOf(line[at:end])
	if p.metric.Type == 0 {
		f = fault{UnknownType, at, end}
	}
	return end, f
}

// typeOf reads a type's symbol; 0 is none.
func typeOf(b []byte) Type {
	if len(b) == 1 {
		switch b[0] {
		case 'c':
			return Counter
		case 'g':
			return Gauge
		case 'h':
			return Histogram
		case 'd':
			return Distribution
		case 's':
			return Set
		}
	}
	if string(b) == "ms" {
		return Timer
	}
	return 0
}

// repeats reports whether what follows the bar repeats one type up to the line's
// end, as in name:1|c:2|c, and notes that type. A line with tags does not: there
// "c:2" is read as a type, which it is not. Neither do sets, whose colons are
// part of the member.
func (p *Parser) repeats(line []byte, bar int) bool {
	if p.inName {
		return false
	}
	rest := line[bar+1:]
	colon := bytes.IndexByte(rest, ':')
	if colon < 0 {
		return false
	}
	symbol := rest[:colon]
	t := typeOf(symbol)
	if t == 0 || t == Set {
		return false
	}
	for len(rest) > len(symbol) {
		if !bytes.HasPrefix(rest, symbol) || rest[len(symbol)] != ':' {
			return false
		}
		next := bytes.IndexByte(rest, '|')
		if next < 0 {
			return false
		}
		rest = rest[next+1:]
	}
	p.metric.Type = t
	return bytes.Equal(rest, symbol)
}

// repeated reads value|type:value|type… where repeats found that form.
func (p *Parser) repeated(line []byte, at int) fault {
	step := len("|") + len(p.metric.Type.Symbol()) + len(":")
	for at < len(line) {
		bar := at + bytes.IndexByte(line[at:], '|')
		if f := p.numbers(line, at, bar); f.reason != Accepted {
			return f
		}
		at = bar + step
	}
	return fault{}
}

// numbers reads value[:value…], which is line[at:end].
func (p *Parser) numbers(line []byte, at, end int) fault {
	for {
		if len(p.values) >= p.limits.MaxValues {
			return fault{TooManyValues, at, at}
		}
		v, n, ok := shortDecimal(line[at:end])
		next := at + n
		if !ok || next < end && line[next] != ':' {
			var f fault
			if v, next, f = longValue(line, at, end); f.reason != Accepted {
				return f
			}
		}
		if v < 0 && p.metric.Type == Timer {
			return fault{NegativeDuration, at, next}
		}
		signed := line[at] == '-' || line[at] == '+'
		p.values = append(p.values, Value{v, signed && p.metric.Type == Gauge && !p.limits.AbsoluteGauges})
		if next == end {
			return fault{}
		}
		at = next + 1
	}
}

// longValue reads a value that shortDecimal cannot, up to the next colon or end.
func longValue(line []byte, at, end int) (v float64, next int, f fault) {
	next = end
	if i := bytes.IndexByte(line[at:end], ':'); i >= 0 {
		next = at + i
	}
	if next == at {
		return 0, next, fault{EmptyValue, at, at}
	}
	v, reason := ParseNumber(line[at:next])
	return v, next, fault{reason, at, next}
}

// setMember judges what a set counts and keeps it.
func (p *Parser) setMember(member []byte, at, end int) fault {
	switch {
	case len(member) == 0:
		return fault{EmptyValue, at, at}
	case len(member) > p.limits.MaxMember:
		return fault{MemberTooLong, at, at}
	}
	p.metric.Member = member
	return fault{}
}
