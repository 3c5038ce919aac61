package api

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Appender is a body that writes itself as JSON, byte for byte as encoding/json
// would, without looking at its own shape by reflection and without allocating: the
// bodies of reads that are asked for again and again. Values have to be finite.
type Appender interface {
	AppendJSON(b []byte) []byte
}

// AppendJSON appends the body as JSON.
func (h *History) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"name":`...), h.Name)
	b = appendNumber(append(b, `,"step":`...), h.Step)
	if h.Agg != "" {
		b = appendText(append(b, `,"agg":`...), h.Agg)
	}
	if len(h.By) > 0 {
		b = appendList(append(b, `,"by":`...), h.By, appendText)
	}
	b = append(b, `,"series":`...)
	b = appendEach(b, h.Series, (*HistorySeries).append)
	return append(b, '}')
}

func (s *HistorySeries) append(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), s.Type)
	b = appendTags(append(b, `,"tags":`...), s.Tags)
	if s.RelativeError != 0 {
		b = appendNumber(append(b, `,"relative_error":`...), s.RelativeError)
	}
	b = appendList(append(b, `,"points":`...), s.Points, func(b []byte, p [2]float64) []byte {
		b = appendNumber(append(b, '['), p[0])
		return append(appendNumber(append(b, ','), p[1]), ']')
	})
	return append(b, '}')
}

// AppendJSON appends the body as JSON.
func (m *Metric) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"name":`...), m.Name)
	b = appendText(append(b, `,"type":`...), m.Type)
	b = appendTags(append(b, `,"tags":`...), m.Tags)
	b = append(b, `,"last":`...)
	if m.Last == nil {
		b = append(b, "null"...)
	} else {
		b = appendNumber(b, *m.Last)
	}
	b = appendNumber(append(b, `,"updated_at":`...), m.UpdatedAt)
	return append(b, '}')
}

// AppendJSON appends the body as JSON.
func (p *MetricPage) AppendJSON(b []byte) []byte {
	b = appendEach(append(b, `{"data":`...), p.Data, (*Metric).AppendJSON)
	b = appendText(append(b, `,"next_cursor":`...), p.NextCursor)
	return append(b, '}')
}

// AppendJSON appends the body as JSON.
func (d *MetricDetail) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"name":`...), d.Name)
	b = appendList(append(b, `,"types":`...), d.Types, appendText)
	if d.Description != "" {
		b = appendText(append(b, `,"description":`...), d.Description)
	}
	if d.Unit != "" {
		b = appendText(append(b, `,"unit":`...), d.Unit)
	}
	b = appendEach(append(b, `,"series":`...), d.Series, (*Metric).AppendJSON)
	return append(b, '}')
}

func appendList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// appendEach is appendList of what is too large to be copied.
func appendEach[T any](b []byte, list []T, one func(*T, []byte) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(&list[i], b)
	}
	return append(b, ']')
}

func appendTags(b []byte, tags map[string]string) []byte {
	if tags == nil {
		return append(b, "null"...)
	}
	if len(tags) == 0 {
		return append(b, "{}"...)
	}
	var room [16]string
	keys := slices.AppendSeq(room[:0], maps.Keys(tags))
	slices.Sort(keys)
	mark := byte('{')
	for _, k := range keys {
		b = appendText(append(b, mark), k)
		b = appendText(append(b, ':'), tags[k])
		mark = ','
	}
	return append(b, '}')
}

// appendText appends a string. What has to be escaped is left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always has a form
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// wholeBelow is up to where whole numbers are written as such: a float holds all of
// them below 2^53.
const wholeBelow = 1 << 53

// appendNumber appends a finite number in the shortest form that reads back as it,
// with an exponent below 1e-6 and from 1e21 on.
func appendNumber(b []byte, v float64) []byte {
	size := math.Abs(v)
	switch {
	case size < wholeBelow && v == math.Trunc(v) && (v != 0 || !math.Signbit(v)):
		return strconv.AppendInt(b, int64(v), 10)
	case size == 0 || size >= 1e-6 && size < 1e21:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
