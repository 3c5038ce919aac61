package protocol

import "unsafe"

// Parser reads lines one after another into a Metric of its own. It holds the
// scratch memory that keeps reading free of allocation, so it serves one
// goroutine; make one per worker.
//
// A line is judged element by element, from the left: the name, each value, the
// type, each section, each tag. The first element that breaks a rule decides,
// and within an element its limits come before its characters and those before
// its grammar.
type Parser struct {
	// Now is the clock that sent timestamps are judged by, in Unix
	// milliseconds. The owner sets it, once per batch of lines.
	Now int64

	limits Limits
	metric Metric

	values []Value
	tags   []Tag
	sent   int  // tags as sent, repetitions included: what MaxTags bounds
	inName bool // the name carries tags, in a style other than DogStatsD's

	scan   scanner
	fields fields

	notice    Notice
	unescaped []byte // a notice's text
}

// NewParser returns a Parser that holds lines to l.
func NewParser(l Limits) *Parser {
	return &Parser{limits: l, values: make([]Value, 0, 16), tags: make([]Tag, 0, 16)}
}

// SetLimits changes what lines are held to, from the next one on.
func (p *Parser) SetLimits(l Limits) { p.limits = l }

// Line reads one line of either language: an object where the first byte after
// blanks is '{', text otherwise. line holds neither LF nor the CR before
// it: NextLine takes both away. Blank lines are no units and are for the caller to skip; here they are
// rejected as Syntax.
//
// The Metric is the Parser's and valid until its next call; it is nil where the
// line is refused. A Fault whose Reason is Accepted is none.
func (p *Parser) Line(line []byte) (*Metric, Fault) {
	for _, c := range line {
		if c == ' ' || c == '\t' {
			continue
		}
		if c == '{' {
			return p.JSON(line)
		}
		break
	}
	return p.Text(line)
}

// reset forgets the line before.
func (p *Parser) reset() {
	m := &p.metric
	m.Name, m.Member, m.Notice = nil, nil, nil
	m.Type = 0
	m.Rate = 1
	m.Time, m.HasTime = 0, false
	m.ValueAt, m.ValueEnd = 0, 0
	m.IgnoredSections, m.IgnoredRate = 0, false
	p.values, p.tags = p.values[:0], p.tags[:0]
	p.sent, p.inName = 0, false
}

// finish hands the Metric over, or the fault.
func (p *Parser) finish(f Fault) (*Metric, Fault) {
	if f.Reason != Accepted {
		return nil, f
	}
	p.metric.Values, p.metric.Tags = p.values, p.tags
	return &p.metric, Fault{}
}

// fault is a Fault with the end of the element that holds it. Characters before
// that end were wrong first. A broken limit ends where it begins, since it is
// looked at before any character is.
type fault struct {
	reason  Reason
	at, end int
}

// settle weighs the leftmost fault of the grammar against the first character
// that may stand nowhere.
func settle(grammar, char fault) Fault {
	if char.reason != Accepted && (grammar.reason == Accepted || char.at < grammar.end) {
		return Fault{char.reason, char.at}
	}
	return Fault{grammar.reason, grammar.at}
}

// view is b as a string that shares its bytes, for calls that keep none of it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
