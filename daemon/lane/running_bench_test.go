package lane

import (
	"fmt"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/admit"
)

// BenchmarkProgress asks two lanes how far 10,000 series have come, one in five of
// them a distribution to which something came since.
func BenchmarkProgress(b *testing.B) {
	h := newHarness(b, 2, realLog(b), nil)
	h.mark()
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, "m%d:%d|%s\n", i, 1+i%1000, []string{"c", "c", "c", "g", "ms"}[i%5])
	}
	for lane := range 2 {
		h.send(lane, lines.String())
	}
	list := append([]*admit.Series(nil), h.catalog.Snapshot()...)
	for b.Loop() {
		b.StopTimer()
		for lane := range 2 {
			h.send(lane, lines.String())
		}
		b.StartTimer()
		if p, err := h.set.Progress(b.Context(), list, startTime+10_000); err != nil || !p.Settled {
			b.Fatal(p.Settled, err)
		}
	}
}
