package slo

import (
	"context"
	"fmt"
	"time"
)

// Slot is what a stretch of time held.
type Slot struct {
	Events Events
	// Covered is for how much of the slot the platform was recording. Without it
	// an outage of the platform itself would pass for a time without faults.
	Covered time.Duration
}

// Source counts the events of an objective.
type Source interface {
	// Counts takes n+1 rising bounds and gives n slots; slot i covers
	// [bounds[i], bounds[i+1]). Every evaluation asks once, with the bounds of
	// all its windows, so that all of them see the same data.
	Counts(ctx context.Context, o Objective, bounds []time.Time) ([]Slot, error)
}

// Add is both slots together.
func (s Slot) Add(o Slot) Slot {
	return Slot{s.Events.Add(o.Events), s.Covered + o.Covered}
}

// Total is the slots together. The ratio of an objective is always that of the
// sums, sum(bad)/sum(total): a mean of the slots' ratios would let a quiet night
// outweigh the outage at noon.
func Total(slots []Slot) Slot {
	var sum Slot
	for _, s := range slots {
		sum = sum.Add(s)
	}
	return sum
}

// counts asks the source, and holds it to its contract.
func counts(ctx context.Context, src Source, o Objective, bounds []time.Time) (timeline, error) {
	slots, err := src.Counts(ctx, o, bounds)
	if err != nil {
		return timeline{}, fmt.Errorf("count events of %s: %w", o.Name, err)
	}
	if len(slots) != len(bounds)-1 {
		return timeline{}, fmt.Errorf("count events of %s: %d slots for %d bounds", o.Name, len(slots), len(bounds))
	}
	for i := range slots {
		slots[i].Covered = max(0, min(slots[i].Covered, bounds[i+1].Sub(bounds[i])))
	}
	return timeline{bounds, slots}, nil
}
