package slo

import (
	"slices"
	"time"
)

// timeline is the answer of a source: slots between bounds.
type timeline struct {
	bounds []time.Time
	slots  []Slot
}

// risingBounds sorts moments and drops the repeated ones.
func risingBounds(moments []time.Time) []time.Time {
	slices.SortFunc(moments, time.Time.Compare)
	return slices.CompactFunc(moments, time.Time.Equal)
}

// between sums what lies in [start, end), both of which are bounds.
func (l timeline) between(start, end time.Time) Slot {
	var sum Slot
	for i, s := range l.slots {
		if !l.bounds[i].Before(start) && !l.bounds[i+1].After(end) {
			sum = sum.Add(s)
		}
	}
	return sum
}
