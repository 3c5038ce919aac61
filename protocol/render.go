package protocol

import (
	"math"
	"strconv"
)

// AppendText renders the metric as one line, without its terminator, that a
// Parser reads back into the same Metric: a line of text, or of JSON where text
// has no words for it (a colon in a name, a comma in a tag, a bar in a set's
// member, a gauge set below zero, a fraction of a second). Numbers take the
// shortest form that keeps their value, tags the order they have. A reader with
// AbsoluteGauges takes deltas for absolute. Whatever m holds, no byte of it ends
// the line early.
func AppendText(dst []byte, m *Metric) []byte {
	if m.Notice != nil {
		return appendNotice(dst, m)
	}
	if !fitsText(m) {
		return AppendJSON(dst, m)
	}
	dst = append(dst, m.Name...)
	if m.Type == Set {
		dst = append(append(dst, ':'), m.Member...)
	}
	for _, v := range m.Values {
		dst = append(dst, ':')
		if v.Delta && !math.Signbit(v.Number) {
			dst = append(dst, '+')
		}
		dst = appendNumber(dst, v.Number)
	}
	dst = append(append(dst, '|'), m.Type.Symbol()...)
	if m.Rate != 1 {
		dst = appendNumber(append(dst, "|@"...), m.Rate)
	}
	dst = appendTags(dst, m.Tags)
	if m.HasTime {
		dst = strconv.AppendInt(append(dst, "|T"...), m.Time/1000, 10)
	}
	return dst
}

func appendTags(dst []byte, tags []Tag) []byte {
	before := "|#"
	for _, t := range tags {
		dst = append(append(dst, before...), t.Key...)
		if len(t.Value) > 0 {
			dst = append(append(dst, ':'), t.Value...)
		}
		before = ","
	}
	return dst
}

// AppendJSON renders the metric as one JSON object without blanks. JSON has no
// gauge deltas: they come out as plain numbers. Since deltas are sent as text, and
// what is sent as text can be said in text, AppendText never loses one.
func AppendJSON(dst []byte, m *Metric) []byte {
	dst = appendString(append(dst, `{"name":`...), m.Name)
	dst = appendValues(dst, m)
	dst = append(append(dst, `,"type":"`...), m.Type.String()...)
	dst = append(dst, '"')
	if m.Rate != 1 {
		dst = appendNumber(append(dst, `,"rate":`...), m.Rate)
	}
	before := `,"tags":{`
	for _, t := range m.Tags {
		dst = appendString(append(dst, before...), t.Key)
		dst = appendString(append(dst, ':'), t.Value)
		before = ","
	}
	if len(m.Tags) > 0 {
		dst = append(dst, '}')
	}
	if m.HasTime {
		dst = strconv.AppendInt(append(dst, `,"timestamp_ms":`...), m.Time, 10)
	}
	return append(dst, '}')
}

func appendValues(dst []byte, m *Metric) []byte {
	switch {
	case m.Type == Set:
		return appendString(append(dst, `,"value":`...), m.Member)
	case len(m.Values) == 1:
		return appendNumber(append(dst, `,"value":`...), m.Values[0].Number)
	}
	dst = append(dst, `,"values":[`...)
	for i, v := range m.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNumber(dst, v.Number)
	}
	return append(dst, ']')
}

// appendNumber writes the shortest decimal form, with an exponent only where that
// saves a row of zeros.
func appendNumber(dst []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendString writes a JSON string. Control characters are escaped even where a
// Parser will refuse them: they must reach it inside this line.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// fitsText reports whether a line of text can say all that m holds.
func fitsText(m *Metric) bool {
	if m.HasTime && (m.Time < 0 || m.Time%1000 != 0) {
		return false
	}
	for _, v := range m.Values {
		if m.Type == Gauge && !v.Delta && math.Signbit(v.Number) {
			return false
		}
	}
	if !without(m.Name, ':') || !without(m.Member, '|') {
		return false
	}
	for _, t := range m.Tags {
		if !without(t.Key, ':') || !without(t.Key, ',') || !without(t.Value, ',') {
			return false
		}
	}
	return true
}

// without reports whether s holds neither the separator nor what ends an element
// of any kind: a bar or a control character.
func without(s []byte, separator byte) bool {
	for _, c := range s {
		if c == separator || c == '|' || c < 0x20 {
			return false
		}
	}
	return true
}
