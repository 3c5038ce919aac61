package flush_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/nexusctl/storage/block"
)

// TestManyNamesArePacked stores a generation of more new series than are named at
// once: it is packed while they are, and nothing of it is lost.
func TestManyNamesArePacked(t *testing.T) {
	const series = 20_100
	p := newPipeline(t, usual)
	var lines strings.Builder
	for i := range series {
		fmt.Fprintf(&lines, "many.%d:2|c\n", i)
	}
	for number := range 2 {
		p.send(number, lines.String())
	}
	p.send(0, "level:+1|g\n")
	p.mark()
	stop := p.run()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n, bytes := p.set.Collector().Packed(); n != 1 || bytes != 0 {
		t.Errorf("%d generations were packed, and %d bytes are left", n, bytes)
	}
	w, err := p.store.Writer(t.Context(), p.log.ID())
	if err != nil || w.Counts.Stored != 2*series+1 {
		t.Errorf("%+v, %v: want %d values", w.Counts, err, 2*series+1)
	}
	sum, level := 0.0, 0.0
	for _, b := range p.stored[0].Flush.Blocks {
		points, err := block.DecodeBlock(b.Data, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range points {
			if point.Kind == block.Gauge {
				level += point.Last
			} else {
				sum += point.Sum
			}
		}
	}
	if sum != 4*series || level != 1 {
		t.Errorf("the counters add up to %v, want %d; the gauge stands at %v", sum, 4*series, level)
	}
}
