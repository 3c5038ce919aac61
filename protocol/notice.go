package protocol

import (
	"bytes"
	"strings"
)

// NoticeKind tells an event from a service check. Closed and append-only: its
// numbers stand in the log.
type NoticeKind uint8

const (
	EventNotice NoticeKind = 1 // _e{}: something happened
	CheckNotice NoticeKind = 2 // _sc: a check found a service in some state
)

var noticeKinds = [...]string{EventNotice: "event", CheckNotice: "check"}

// String returns the name that the store and the API use: "event" or "check".
func (k NoticeKind) String() string {
	if int(k) < len(noticeKinds) {
		return noticeKinds[k]
	}
	return ""
}

// Status is what an event or a check says of how things stand. Closed and
// append-only, as NoticeKind is.
type Status uint8

const (
	StatusInfo     Status = 0 // of events, and what they have where none was sent
	StatusSuccess  Status = 1 // of events
	StatusWarning  Status = 2
	StatusError    Status = 3 // of events
	StatusOK       Status = 4 // of checks
	StatusCritical Status = 5 // of checks
	StatusUnknown  Status = 6 // of checks
)

// NumStatuses is one more than the highest Status.
const NumStatuses = int(StatusUnknown) + 1

var statusNames = [NumStatuses]string{"info", "success", "warning", "error", "ok", "critical", "unknown"}

// String returns the name that the store and the API use.
func (s Status) String() string {
	if int(s) < NumStatuses {
		return statusNames[s]
	}
	return ""
}

// checkStatuses is what the digits 0 to 3 of a service check stand for.
var checkStatuses = [4]Status{StatusOK, StatusWarning, StatusCritical, StatusUnknown}

// Notice is what a Metric holds instead of values where the line was an event or
// a service check. Its time and its tags are the Metric's. Every field is a view
// into the line or into the Parser; what was not sent is empty.
type Notice struct {
	Kind   NoticeKind
	Status Status
	Low    bool   // of priority low; else normal
	Title  []byte // of an event; the name of a check; never empty
	Text   []byte // of an event; the message of a check; line ends unescaped
	Host   []byte
	Key    []byte // events of one key belong together
	Source []byte // what kind of thing sent an event
	// Container is where the sender runs, as it says itself.
	Container []byte
}

// noticeKind tells whether a line is an event or a service check; 0 is neither.
func noticeKind(line []byte) NoticeKind {
	switch {
	case hasPrefix(line, "_e{"):
		return EventNotice
	case hasPrefix(line, "_sc|"):
		return CheckNotice
	}
	return 0
}

// parseNotice reads the line of an event or of a service check:
//
//	_e{<title's bytes>,<text's bytes>}:title|text[|d:…][|h:…][|k:…][|p:…][|s:…][|t:…][|#tags][|c:…]
//	_sc|name|status[|d:…][|h:…][|#tags][|m:message][|c:…]
func (p *Parser) parseNotice(line []byte, kind NoticeKind) fault {
	p.notice = Notice{Kind: kind}
	p.metric.Notice = &p.notice
	head := p.eventHead
	if kind == CheckNotice {
		head = p.checkHead
	}
	at, f := head(line)
	if f.reason != Accepted {
		return f
	}
	return p.noticeSections(line, at)
}

// eventHead reads lengths, title and text, and returns where the sections begin:
// at a bar or the line's end. The lengths say where title and text end, so both
// may hold bars; where they do not fit what is there, the line is no event.
func (p *Parser) eventHead(line []byte) (sections int, f fault) {
	const start = len("_e{")
	title, at := eventLength(line, start, ',')
	text, body := eventLength(line, at, '}')
	if at == 0 || body == 0 || body == len(line) || line[body] != ':' {
		return 0, fault{Event, start, len(line)}
	}
	body++
	bar := body + title
	switch {
	case title == 0:
		return 0, fault{Event, start, start}
	case title > p.limits.MaxName:
		return 0, fault{NameTooLong, start, start}
	case bar >= len(line) || line[bar] != '|':
		return 0, fault{Event, body, min(bar, len(line))}
	}
	end := bar + 1 + text
	if end > len(line) || end < len(line) && line[end] != '|' {
		return 0, fault{Event, bar + 1, min(end, len(line))}
	}
	p.notice.Title = line[body:bar]
	p.notice.Text = p.unescape(line[bar+1 : end])
	return end, fault{}
}

// eventLength reads a decimal number of bytes that ends in the given one, and
// returns what stands behind that; 0 where there is no such number. Seven digits
// are more than any line has.
func eventLength(line []byte, at int, end byte) (n, next int) {
	for i := at; i > 0 && i < len(line) && i-at <= 7; i++ {
		c := line[i]
		if c == end && i > at {
			return n, i + 1
		}
		if c-'0' > 9 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return 0, 0
}

// checkHead reads a check's name and status.
func (p *Parser) checkHead(line []byte) (sections int, f fault) {
	const start = len("_sc|")
	name := line[start:]
	bar := bytes.IndexByte(name, '|')
	if bar < 0 {
		return 0, fault{ServiceCheck, start, len(line)}
	}
	name = name[:bar]
	switch {
	case len(name) == 0:
		return 0, fault{ServiceCheck, start, start}
	case len(name) > p.limits.MaxName:
		return 0, fault{NameTooLong, start, start}
	case p.limits.ReservedPrefix != "" && hasPrefix(name, p.limits.ReservedPrefix):
		return 0, fault{ReservedName, start, start + len(name)}
	}
	at := start + bar + 1
	end := sectionEnd(line, at)
	if end-at != 1 || line[at]-'0' > 3 {
		return 0, fault{ServiceCheck, at, end}
	}
	p.notice.Title, p.notice.Status = name, checkStatuses[line[at]-'0']
	return end, fault{}
}

func sectionEnd(line []byte, at int) int {
	if i := bytes.IndexByte(line[at:], '|'); i >= 0 {
		return at + i
	}
	return len(line)
}

// noticeSections reads what follows the head. line[at] is a bar, or at is the
// end.
func (p *Parser) noticeSections(line []byte, at int) fault {
	seen := uint(0)
	for at < len(line) {
		at++
		end := sectionEnd(line, at)
		kind := noticeSectionKind(line[at:end])
		if kind != 0 {
			bit := uint(1) << strings.IndexByte(noticeMarks, kind)
			if seen&bit != 0 {
				return fault{DuplicateSection, at, end}
			}
			seen |= bit
		}
		if f := p.noticeSection(kind, line, at, end); f.reason != Accepted {
			return f
		}
		at = end
	}
	return fault{}
}

// noticeMarks are the marks of the sections that are known, of which a line may
// hold one each.
const noticeMarks = "#dhkpstmcer"

// noticeSectionKind tells a section of events and checks by its first bytes: the
// letter before the colon, '#' for tags; 0 is none that is known. Letters of one
// kind of line that stand in the other are known there too, for senders share
// the code that writes them.
func noticeSectionKind(b []byte) byte {
	switch {
	case len(b) > 0 && b[0] == '#':
		return '#'
	case len(b) > 1 && b[1] == ':' && b[0] != '#' && b[0] != 'r' && strings.IndexByte(noticeMarks, b[0]) >= 0:
		return b[0]
	case hasPrefix(b, "card:"):
		return 'r'
	}
	return 0
}

func (p *Parser) noticeSection(kind byte, line []byte, at, end int) fault {
	switch kind {
	case 0:
		p.metric.IgnoredSections++
		return fault{}
	case '#':
		return p.tagList(line, at+1, end, ':')
	case 'e', 'r': // where a process runs, and how far tags may be enriched: understood and left alone
		return fault{}
	}
	value := line[at+2 : end]
	if kind == 'd' {
		return fault{p.textTime(value), at, end}
	}
	if !p.noticeField(kind, value) {
		return fault{p.noticeReason(), at, end}
	}
	return fault{}
}

// noticeField keeps one section's value; false where it is none of those that
// may stand there. A message is bounded by the line.
func (p *Parser) noticeField(kind byte, value []byte) bool {
	e := &p.notice
	if kind != 'm' && len(value) > p.limits.MaxTagValue {
		return false
	}
	switch kind {
	case 'h':
		e.Host = value
	case 'k':
		e.Key = value
	case 's':
		e.Source = value
	case 'c':
		e.Container = value
	case 'm':
		if e.Kind == CheckNotice {
			e.Text = p.unescape(value)
		}
	case 'p':
		e.Low = string(value) == "low"
		return e.Low || string(value) == "normal"
	case 't':
		return p.alertType(value)
	}
	return true
}

// alertType keeps an event's; a check's status is not to be had this way.
func (p *Parser) alertType(value []byte) bool {
	for s := StatusInfo; s <= StatusError; s++ {
		if string(value) == statusNames[s] {
			if p.notice.Kind == EventNotice {
				p.notice.Status = s
			}
			return true
		}
	}
	return false
}

func (p *Parser) noticeReason() Reason {
	if p.notice.Kind == CheckNotice {
		return ServiceCheck
	}
	return Event
}

// unescape turns \n into a line end, and in a check's message \m: into m:, into
// the Parser's own memory; what holds neither comes back as it is.
func (p *Parser) unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := p.unescaped[:0]
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b) && b[i+1] == 'n':
			out = append(out, '\n')
			i++
		case b[i] == 'm' && hasPrefix(b[i:], `m\:`) && p.notice.Kind == CheckNotice:
			out = append(out, 'm', ':')
			i += 2
		default:
			out = append(out, b[i])
		}
	}
	p.unescaped = out
	return out
}
