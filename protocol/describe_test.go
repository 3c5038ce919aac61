package protocol

import (
	"fmt"
	"strings"
)

const testNow = 1_700_000_000_000

func newTestParser() *Parser {
	p := NewParser(DefaultLimits())
	p.Now = testNow
	return p
}

// describe writes all that a Metric says as one line of test expectations:
//
//	name type values [tags] [@rate] [Ttime] [ignored…]
func describe(m *Metric) string {
	var b strings.Builder
	if m.Notice != nil {
		describeNotice(&b, m.Notice)
	} else {
		fmt.Fprintf(&b, "%s %s ", m.Name, m.Type.Symbol())
	}
	if m.Type == Set {
		fmt.Fprintf(&b, "%q", m.Member)
	}
	for i, v := range m.Values {
		if i > 0 {
			b.WriteByte(',')
		}
		if v.Delta {
			b.WriteString("delta")
		}
		fmt.Fprint(&b, v.Number)
	}
	for _, t := range m.Tags {
		fmt.Fprintf(&b, " %s=%s", t.Key, t.Value)
	}
	if m.Rate != 1 {
		fmt.Fprintf(&b, " @%v", m.Rate)
	}
	if m.HasTime {
		fmt.Fprintf(&b, " T%d", m.Time)
	}
	if m.IgnoredSections > 0 {
		fmt.Fprintf(&b, " ignored%d", m.IgnoredSections)
	}
	if m.IgnoredRate {
		b.WriteString(" ignored_rate")
	}
	return b.String()
}

// outcome is what a line comes to: the description of its Metric, or its reason.
func outcome(m *Metric, f Fault) string {
	if f.Reason != Accepted {
		return "!" + f.Reason.String()
	}
	return describe(m)
}

// describeNotice writes what an event or a check says:
//
//	kind status priority title text [host=] [key=] [source=] [container=]
func describeNotice(b *strings.Builder, n *Notice) {
	priority := "normal"
	if n.Low {
		priority = "low"
	}
	fmt.Fprintf(b, "%s %s %s %q %q", n.Kind, n.Status, priority, n.Title, n.Text)
	for _, f := range []struct {
		name  string
		value []byte
	}{{"host", n.Host}, {"key", n.Key}, {"source", n.Source}, {"container", n.Container}} {
		if len(f.value) > 0 {
			fmt.Fprintf(b, " %s=%s", f.name, f.value)
		}
	}
}
