package lane

import (
	"sync/atomic"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
)

// order is what every lane must see in the log's own order. But for epoch it
// is read and written under the log's lock alone, inside Append.
type order struct {
	mark    record.Mark // that opened the current generation
	ordered *aggregate.Ordered
	recent  *aggregate.Recent

	// epoch grows whenever a gauge becomes ordered. A lane that prepared its
	// batch under an older epoch looks its gauges over again before the batch
	// gets its place in the log: an absolute value left in the lane's table
	// would not know on which side of the delta it stands.
	epoch atomic.Uint64
}

// becomeOrdered marks gauges whose first delta is about to be logged. The
// flags are set before the epoch: who sees the epoch sees the flags.
func (o *order) becomeOrdered(series []*admit.Series) {
	if len(series) == 0 {
		return
	}
	for _, s := range series {
		s.Ordered.Store(true)
	}
	o.epoch.Add(1)
}
