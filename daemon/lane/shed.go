package lane

import (
	"example.com/nexusctl/protocol"
)

// ShedLines counts lines that are not taken, because memory or disk has run out.
// They are read all the same, for the ledger counts values: what is no line is
// rejected, as ever, and what is one is shed. Nothing is kept of either, and no
// series is made. It returns how many were blank.
func (t *Taker) ShedLines(units []byte, why protocol.Shed) (blank uint64) {
	for len(units) > 0 {
		var line []byte
		if line, units = protocol.NextLine(units); len(line) == 0 {
			blank++
			continue
		}
		m, fault := t.parser.Line(line)
		if fault.Reason != protocol.Accepted {
			t.batch.Rejected[fault.Reason]++
			continue
		}
		t.batch.Shed[why] += uint64(m.Count())
	}
	return blank
}
