package loadgen

import (
	"strconv"

	"example.com/nexusctl/protocol"
)

// maxFan is how many series share one name where lines have tags.
const maxFan = 100

// lines holds every series' line but for the value, in one stretch of memory:
// ten million of them are one allocation, and a line is one place to read.
type lines struct {
	shape Shape
	names int
	types []protocol.Type // by name, repeating
	bytes []byte
	rows  []row
}

// row is where a series' line stands: head, then tail.
type row struct {
	at         uint64
	head, tail uint16
}

func newLines(s Shape) *lines {
	l := &lines{shape: s, rows: make([]row, 0, s.Series)}
	for _, share := range s.Types {
		for range share.Weight {
			l.types = append(l.types, share.Type)
		}
	}
	fan := 1
	if s.Tags > 0 {
		fan = min(max(s.Series/10, 1), maxFan)
	}
	l.names = (s.Series + fan - 1) / fan
	for i := range s.Series {
		at := len(l.bytes)
		l.bytes = l.appendHead(l.bytes, i)
		mid := len(l.bytes)
		l.bytes = append(l.appendTail(l.bytes, i), '\n')
		l.rows = append(l.rows, row{uint64(at), uint16(mid - at), uint16(len(l.bytes) - mid)})
	}
	return l
}

func (l *lines) typ(i int) protocol.Type { return l.types[i%l.names%len(l.types)] }

func (l *lines) appendName(dst []byte, i int) []byte {
	dst = append(append(dst, l.shape.Prefix...), '.')
	dst = append(append(dst, l.typ(i).String()...), '.')
	return strconv.AppendInt(dst, int64(i%l.names), 10)
}

// tagValue returns the number in the value of tag t. The first tag tells series
// of one name apart.
func (l *lines) tagValue(i, t int) int64 {
	if t == 0 {
		return int64(i / l.names)
	}
	return int64(i % (7*t + 3))
}

// appendTags appends tag and value as key and value between the given marks.
func (l *lines) appendTags(dst []byte, i int, first, next, between, end string) []byte {
	for t := range l.shape.Tags {
		if t == 0 {
			dst = append(dst, first...)
		} else {
			dst = append(dst, next...)
		}
		dst = strconv.AppendInt(append(dst, "tag"...), int64(t), 10)
		dst = strconv.AppendInt(append(append(dst, between...), "value"...), l.tagValue(i, t), 10)
		dst = append(dst, end...)
	}
	return dst
}

func (l *lines) appendHead(dst []byte, i int) []byte {
	if l.shape.Format == Text {
		return append(l.appendName(dst, i), ':')
	}
	dst = append(l.appendName(append(dst, `{"name":"`...), i), `","value":`...)
	if l.typ(i) == protocol.Set {
		dst = append(dst, '"') // what a set counts is text
	}
	return dst
}

func (l *lines) appendTail(dst []byte, i int) []byte {
	if l.shape.Format == Text {
		dst = append(append(dst, '|'), l.typ(i).Symbol()...)
		return l.appendTags(dst, i, "|#", ",", ":", "")
	}
	if l.typ(i) == protocol.Set {
		dst = append(dst, '"')
	}
	dst = append(append(append(dst, `,"type":"`...), l.typ(i).String()...), '"')
	dst = l.appendTags(dst, i, `,"tags":{"`, `,"`, `":"`, `"`)
	if l.shape.Tags > 0 {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
