//go:build !amd64

package admit

import "example.com/nexusctl/protocol/scan"

func (h *hasher) hashWide(name, suffix []byte) uint64 { return h.hashSteps(name, suffix) }

func (a *aliases) findWide(buf []byte, lines []scan.Line, found []Alias) {
	a.findPlain(buf, lines, found)
}
