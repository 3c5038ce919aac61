package unicodename

import (
	"testing"

	"example.com/nexusctl/protocol"
)

func TestNames(t *testing.T) {
	limits := protocol.DefaultLimits()
	ascii := protocol.NewParser(limits)
	limits.Names = Rules{}
	p := protocol.NewParser(limits)
	for name, want := range map[string]protocol.Reason{
		"\u00e9t\u00e9.total": protocol.Accepted, "\u0437\u0430\u043a\u0430\u0437": protocol.Accepted, "\u8a02\u55ae.count": protocol.Accepted, "a.\u0969": protocol.Accepted,
		"\u0928\u093f\u0924\u093f": protocol.Accepted,                                                                       // with a mark that has no composed form
		"e\u0301t\u00e9.total":     protocol.NameCharset,                                                                    // decomposed
		"\u0301a":                  protocol.NameCharset,                                                                    // begins with a mark
		"\u0969a":                  protocol.NameCharset,                                                                    // or a digit
		"a\u202eb":                 protocol.NameCharset, "a\u200db": protocol.NameCharset, "\ufeffa": protocol.NameCharset, // not seen
		"a\u00a0b": protocol.NameCharset, "a\u20acb": protocol.NameCharset, "a\U0001f600b": protocol.NameCharset, "\u212b": protocol.NameCharset, // ANGSTROM SIGN composes to another letter
		"\u00e9\x85": protocol.ControlChar, "\u00e9\xff": protocol.UTF8, "\u00e9 b": protocol.NameCharset,
	} {
		for _, line := range []string{name + ":1|c", `{"name":"` + name + `","value":1,"type":"c"}`} {
			m, fault := p.Line([]byte(line))
			if fault.Reason != want || m != nil && string(m.Name) != name {
				t.Errorf("%q: %s, want %s", line, fault.Reason, want)
			}
			if _, fault := ascii.Line([]byte(line)); fault.Reason == protocol.Accepted {
				t.Errorf("%q is taken where nothing but ASCII is", line)
			}
		}
	}
	// Tags in the name are found behind it.
	m, fault := p.Text([]byte("\u00e9t\u00e9,k=v:1|c"))
	if fault.Reason != protocol.Accepted || string(m.Name) != "\u00e9t\u00e9" || len(m.Tags) != 1 {
		t.Errorf("%+v, %s", m, fault.Reason)
	}
}

func TestMixed(t *testing.T) {
	for name, want := range map[string]bool{
		"pay": false, "p\u0430y": true, "\u0437\u0430\u043a\u0430\u0437.count": false, "\u0437\u0430\u043a\u0430\u0437_total": false, "\u0437ak": true,
		"\u8a02\u55ae": false, "\u8a02\u55aecount": false, "\u3053\u308c\u8a02\u30ab": false, "\ud55c\u8a02": false, "\ud55c\u3053": true,
		"\u03b1\u03b2": false, "\u03b1b": true, "a.\u03b1": false, "": false, "...": false, "\u00e9t\u00e9": false,
	} {
		if got := Mixed([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
