package lane

import (
	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
)

// order is what every lane must see in the log's own order. It is read and
// written under the log's lock alone, inside Append.
type order struct {
	mark    record.Mark // that opened the current generation
	ordered *aggregate.Ordered
	recent  *aggregate.Recent

	// turned are the gauges that have become ordered, in that order. A lane
	// that prepared its batch knowing fewer looks its gauges over again before
	// the batch gets its place in the log: an absolute value left in the lane's
	// table would not know on which side of the delta it stands.
	turned []*admit.Series
}

// becomeOrdered marks gauges whose first delta is about to be logged.
func (o *order) becomeOrdered(series []*admit.Series) {
	for _, s := range series {
		s.SetOrdered()
	}
	o.turned = append(o.turned, series...)
}

// learn makes a lane know of the gauges that have become ordered since it looked
// last, and reports whether there are any. A reference that is defined later
// takes the flag from its series.
func (w *worker) learn() (any bool) {
	turned := w.set.order.turned
	for _, s := range turned[w.turned:] {
		for _, ref := range w.admit.Refs(nil, s) {
			if int(ref) < len(w.taker.kinds) {
				w.taker.kinds[ref].ordered, w.taker.anyOrdered = true, true
			}
		}
	}
	any = len(turned) > w.turned
	w.turned = len(turned)
	return any
}
