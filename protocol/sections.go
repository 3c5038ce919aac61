package protocol

import "bytes"

// The sections of which a line may hold one each.
const (
	rateSection = 1 << iota
	tagSection
	timeSection
	containerSection
	externalSection
	cardinalitySection
)

// sections reads what follows the type. line[at] is a bar, or at is the end.
func (p *Parser) sections(line []byte, at int) fault {
	var seen uint
	for at < len(line) {
		at++
		end := len(line)
		if i := bytes.IndexByte(line[at:], '|'); i >= 0 {
			end = at + i
		}
		kind := sectionKind(line[at:end])
		if seen&kind != 0 {
			return fault{DuplicateSection, at, end}
		}
		seen |= kind
		if f := p.section(kind, line, at, end); f.reason != Accepted {
			return f
		}
		at = end
	}
	return fault{}
}

// sectionKind tells a section by its first bytes; 0 is none that is known.
func sectionKind(b []byte) uint {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '@':
		return rateSection
	case '#':
		return tagSection
	case 'T':
		return timeSection
	case 'c':
		if hasPrefix(b, "c:") {
			return containerSection
		}
		if hasPrefix(b, "card:") {
			return cardinalitySection
		}
	case 'e':
		if hasPrefix(b, "e:") {
			return externalSection
		}
	}
	return 0
}

// section reads one section, line[at:end]. Those that say where a container or a
// process runs are understood and left alone.
func (p *Parser) section(kind uint, line []byte, at, end int) fault {
	switch kind {
	case rateSection:
		return fault{p.textRate(line[at+1 : end]), at, end}
	case tagSection:
		if p.inName {
			return fault{Syntax, at, at + 1}
		}
		return p.tagList(line, at+1, end, ':')
	case timeSection:
		return fault{p.textTime(line[at+1 : end]), at, end}
	case 0:
		p.metric.IgnoredSections++
	}
	return fault{}
}

// minRate is the smallest sampling rate: what is rarer cannot be scaled up to
// anything meaningful, and a rate near zero would turn one line into a flood.
const minRate = 1e-6

// textRate reads a sampling rate. Where it has no meaning it is not even read.
func (p *Parser) textRate(b []byte) Reason {
	if p.ignoresRate() {
		return Accepted
	}
	v, reason := ParseNumber(b)
	if reason != Accepted {
		return SampleRate
	}
	return p.setRate(v)
}

// ignoresRate reports, and notes, that the type has no use for a sampling rate.
func (p *Parser) ignoresRate() bool {
	ignored := p.metric.Type == Gauge || p.metric.Type == Set
	p.metric.IgnoredRate = p.metric.IgnoredRate || ignored
	return ignored
}

func (p *Parser) setRate(v float64) Reason {
	if !(v >= minRate && v <= 1) {
		return SampleRate
	}
	p.metric.Rate = v
	return Accepted
}
