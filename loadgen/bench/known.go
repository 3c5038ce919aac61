package bench

import (
	"context"
	"fmt"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/decimals"
	"example.com/nexusctl/protocol/scan"
)

// known measures the way of lines whose name and suffix were understood before:
// they are scanned, looked up and their numbers read a group at a time.
func known(make func() [][]byte) func(context.Context, time.Duration) (Result, error) {
	return func(ctx context.Context, length time.Duration) (Result, error) {
		lines := make()
		w := walk{lane: admit.NewLane(0, admit.NewCatalog(1<<20), 1<<20)}
		total := 0
		for _, line := range lines {
			if err := w.learn(line); err != nil {
				return Result{}, err
			}
			w.add(line)
			total += len(line) + 1
		}
		w.take(len(lines))
		if w.taken != len(lines) {
			return Result{}, fmt.Errorf("%d of %d lines are known; the others would need the parser", w.taken, len(lines))
		}
		r := loop(ctx, length, w.take)
		r.LineBytes = float64(total) / float64(len(lines))
		return r, nil
	}
}

// walk goes over the lines of buffers, again and again.
type walk struct {
	lane    *admit.Lane
	buffers [][]byte
	next    int

	scanner  scan.Scanner
	buffer   []byte
	lines    [scan.GroupSize]scan.Line
	found    [scan.GroupSize]admit.Alias
	decimals decimals.Group
	taken    int // whose spelling and number were known
	sum      uint64
}

// learn remembers a line's spelling, as a lane does that understood it.
func (w *walk) learn(line []byte) error {
	p := protocol.NewParser(protocol.DefaultLimits())
	p.Now = time.Now().UnixMilli()
	m, fault := p.Line(line)
	if fault.Reason != protocol.Accepted {
		return fmt.Errorf("%q is refused: %s", line, fault.Reason)
	}
	if l := w.scanner.Only(line); l.Plain() {
		w.lane.Remember(line[:l.Colon], line[l.Bar:], w.lane.Admit(m).Ref)
	}
	return nil
}

// add puts a line into the last buffer, or into a new one.
func (w *walk) add(line []byte) {
	last := len(w.buffers) - 1
	if last < 0 || len(w.buffers[last])+len(line)+1 > 64<<10 {
		w.buffers, last = append(w.buffers, nil), last+1
	}
	w.buffers[last] = append(append(w.buffers[last], line...), '\n')
}

// take takes n lines.
func (w *walk) take(n int) {
	for n > 0 {
		group := w.lines[:min(n, len(w.lines))]
		got := w.scanner.Next(group)
		if got == 0 || w.buffer == nil {
			w.buffer = w.buffers[w.next%len(w.buffers)]
			w.next++
			w.scanner.Begin(w.buffer)
			continue
		}
		w.lane.Find(w.buffer, group[:got], w.found[:got])
		w.decimals.Read(w.buffer, &w.lines, got)
		for i := range got {
			if w.decimals.Known(i) && w.found[i].Type != 0 {
				w.taken++
				w.sum += w.decimals.Mantissa[i]
			}
		}
		n -= got
	}
}
