package lane

import (
	"context"

	"example.com/nexusctl/daemon/aggregate"
)

// EventWindow is the events that are not in the store, and the last generation
// that is.
type EventWindow struct {
	Generations []GenerationEvents
	Flushed     uint64
}

// GenerationEvents are the events of one generation.
type GenerationEvents struct {
	Number uint64
	Events []aggregate.Event
}

// Events returns the events that are not in the store. Those of generations that
// memory has given up are in the log alone, and are missing here.
func (s *Set) Events(ctx context.Context) (EventWindow, error) {
	open := make([]GenerationEvents, len(s.workers))
	var win EventWindow
	err := s.observe(ctx,
		func(w *worker) { open[w.number] = GenerationEvents{w.fold.Generation(), w.fold.Events()} },
		func(c *Collector) bool {
			win = EventWindow{Flushed: c.flushed}
			for _, e := range c.gens {
				if !e.closed {
					return false // a mark is on its way through the lanes
				}
				if !e.spilled {
					win.Generations = append(win.Generations, GenerationEvents{e.gen.Number, e.gen.Events()})
				}
			}
			win.Generations = append(win.Generations, open...)
			return true
		})
	return win, err
}
