package protocol

import (
	"bytes"
	"strconv"
)

// appendNotice renders an event or a service check as one line of text that a
// Parser reads back into the same Metric.
func appendNotice(dst []byte, m *Metric) []byte {
	n := m.Notice
	if n.Kind == CheckNotice {
		dst = append(append(dst, "_sc|"...), n.Title...)
		dst = append(dst, '|', checkDigit(n.Status))
	} else {
		text := escapeText(n.Text, n.Kind)
		dst = strconv.AppendInt(append(dst, "_e{"...), int64(len(n.Title)), 10)
		dst = strconv.AppendInt(append(dst, ','), int64(len(text)), 10)
		dst = append(append(dst, "}:"...), n.Title...)
		dst = append(append(dst, '|'), text...)
	}
	if m.HasTime {
		dst = strconv.AppendInt(append(dst, "|d:"...), m.Time/1000, 10)
	}
	dst = appendField(dst, "|h:", n.Host)
	dst = appendField(dst, "|k:", n.Key)
	if n.Low {
		dst = append(dst, "|p:low"...)
	}
	dst = appendField(dst, "|s:", n.Source)
	if n.Kind == EventNotice && n.Status != StatusInfo {
		dst = append(append(dst, "|t:"...), n.Status.String()...)
	}
	dst = appendTags(dst, m.Tags)
	if n.Kind == CheckNotice {
		dst = appendField(dst, "|m:", escapeText(n.Text, n.Kind))
	}
	return appendField(dst, "|c:", n.Container)
}

func appendField(dst []byte, mark string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return append(append(dst, mark...), value...)
}

func checkDigit(s Status) byte {
	for i, known := range checkStatuses {
		if s == known {
			return '0' + byte(i)
		}
	}
	return '3'
}

// escapeText undoes what a Parser does to an event's text or a check's message.
func escapeText(text []byte, kind NoticeKind) []byte {
	text = bytes.ReplaceAll(text, []byte("\n"), []byte(`\n`))
	if kind == CheckNotice {
		text = bytes.ReplaceAll(text, []byte("m:"), []byte(`m\:`))
	}
	return text
}
