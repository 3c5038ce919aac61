package lane

import (
	"bytes"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/decimals"
	"example.com/nexusctl/protocol/scan"
)

// quick is the scratch of the quick path: lines whose name and suffix were
// understood before, and whose value is one plain number, are taken without a
// parser. They are scanned and looked up a group at a time.
type quick struct {
	scanner  scan.Scanner
	lines    [scan.GroupSize]scan.Line
	found    [scan.GroupSize]admit.Alias
	decimals decimals.Group
	refs     [scan.GroupSize]uint32
}

// Lines takes lines of text and JSON, as Line does each; the last one needs no
// LF. It returns how many were blank.
func (t *Taker) Lines(units []byte) (blank uint64) {
	for len(units) > 0 {
		window := units
		if len(window) > scan.Window {
			window = units[:bytes.LastIndexByte(units[:scan.Window], '\n')+1]
		}
		if len(window) == 0 { // a line that is longer than any window
			var line []byte
			line, units = protocol.NextLine(units)
			t.understand(line, scan.Line{})
			continue
		}
		units = units[len(window):]
		t.window(window)
		blank += t.quick.scanner.Blank()
	}
	return blank
}

func (t *Taker) window(b []byte) {
	q := &t.quick
	q.scanner.Begin(b)
	for n := q.scanner.Next(q.lines[:]); n > 0; n = q.scanner.Next(q.lines[:]) {
		t.lane.admit.Find(b, q.lines[:n], q.found[:n])
		q.decimals.Read(b, &q.lines, n)
		for i := 0; i < n; {
			usual := t.usual(b, i, min(n, i+max(0, t.room())))
			if usual > 0 {
				t.batch.AddDecimals(q.refs[i:i+usual], &q.decimals, i)
				t.splitFull()
			}
			if i += usual; i == n {
				break
			}
			if l := q.lines[i]; t.known(b, l, q.found[i]) {
				t.splitFull()
			} else {
				t.understand(b[l.Start:l.End], l.Alone())
			}
			i++
		}
	}
}

// usual counts the lines of the group, from one on, that known would take as
// decimals, and has their references at hand.
func (t *Taker) usual(b []byte, from, to int) int {
	q := &t.quick
	plain := !t.anyOrdered && len(t.turning) == 0
	for i := from; i < to; i++ {
		a, l := q.found[i], q.lines[i]
		switch {
		case !q.decimals.Known(i), a.Type == 0, a.Type == protocol.Set, int(l.End-l.Start) > t.maxLine,
			!plain && a.Type == protocol.Gauge && t.isOrderedRef(a.Ref),
			b[l.Start] == '{' && !protocol.IsJSONNumber(b[l.Colon+1:l.Bar]):
			return i - from
		}
		q.refs[i] = a.Ref
	}
	return to - from
}

// knownLine tries the quick path on a line that comes alone. l is what the
// scanner found in it.
func (t *Taker) knownLine(line []byte, l scan.Line) bool {
	q := &t.quick
	q.lines[0] = l
	t.lane.admit.Find(line, q.lines[:1], q.found[:1])
	if !t.known(line, l, q.found[0]) {
		return false
	}
	t.splitFull()
	return true
}

// known takes a line whose spelling stands for a. It returns false, having done
// nothing, where only the canonical path knows what the line is.
func (t *Taker) known(b []byte, l scan.Line, a admit.Alias) bool {
	if a.Type == 0 || a.Type == protocol.Set || int(l.End-l.Start) > t.maxLine {
		return false
	}
	at, end := int(l.Colon)+1, int(l.Bar)
	if first := b[at]; first == '-' || first == '+' {
		if !signed(b[l.Start], first, a.Type) {
			return false
		}
	}
	// No other type is asked: what a reference's kind says is one more wait for
	// memory where series are many.
	if a.Type == protocol.Gauge && t.isOrderedRef(a.Ref) {
		return false
	}
	if b[l.Start] == '{' && !protocol.IsJSONNumber(b[at:end]) {
		return false
	}
	if d, ok := protocol.ReadDecimal(b, at, end); ok {
		t.batch.AddDecimal(a.Ref, d)
		return true
	}
	return t.number(b[at:end], a.Ref)
}

// signed says whether a sign may be a part of the number and nothing more: before
// a gauge's value it makes a delta of it in text, and no duration is negative.
func signed(begins, sign byte, typ protocol.Type) bool {
	switch typ {
	case protocol.Gauge:
		return begins == '{'
	case protocol.Timer:
		return sign == '+'
	}
	return true
}

// number takes a value that is no short decimal.
func (t *Taker) number(b []byte, ref uint32) bool {
	v, reason := protocol.ParseNumber(b)
	if reason != protocol.Accepted {
		return false
	}
	t.precise(v)
	t.batch.Add(ref, v)
	return true
}

// isOrderedRef reports a gauge whose changes go through the log's order.
func (t *Taker) isOrderedRef(ref uint32) bool {
	return t.kinds[ref].ordered || len(t.turning) > 0 && slices.Contains(t.turning, t.lane.admit.Series(ref))
}

// understand takes a line along the canonical path. l is what the scanner found.
func (t *Taker) understand(line []byte, l scan.Line) protocol.Fault {
	m, fault := t.parser.Line(line)
	if fault.Reason != protocol.Accepted {
		t.batch.Rejected[fault.Reason]++
		return fault
	}
	if a, isMetric := t.accept(m); isMetric {
		t.remember(m, a, line, l)
	}
	t.splitFull()
	return fault
}

// remember keeps a usual line's spelling for the quick path. Lines with a time or
// a rate of their own, or with sections that are counted, stay on the canonical
// one, and so do those whose value does not stand where the scanner looks for it.
func (t *Taker) remember(m *protocol.Metric, a admit.Admission, line []byte, l scan.Line) {
	if m.HasTime || a.Rate != 0 || m.IgnoredSections > 0 || m.IgnoredRate || len(m.Values) != 1 {
		return
	}
	if l.Plain() && m.ValueAt == int(l.Colon)+1 && m.ValueEnd == int(l.Bar) {
		t.lane.admit.Remember(line[:l.Colon], line[l.Bar:], a.Ref)
	}
}
