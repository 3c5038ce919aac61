package loadgen

import "time"

// All connections together make about one write a tick, and more where that
// would leave a connection silent for longer than a second: at high rates the
// cost is per write, not per line. Past maxWrites the silence is the lesser evil.
const (
	minWrites = float64(time.Second / tick) // a second
	maxWrites = 20_000
)

// maxBlock bounds what one write holds.
const maxBlock = 4096

// deal gives sends to connections as cards are dealt, a block at a time, in
// turn. Ten thousand connections at a million lines a second would otherwise
// need a million writes; and a connection that waited until it had a block of
// its own would make every line late. Dealt so, each line is on time and each
// connection sends little and often.
type deal struct{ connections, block int64 }

// newDeal chooses the block for a peak rate.
func newDeal(connections int, peak float64) deal {
	writes := min(max(float64(connections), minWrites), maxWrites)
	return deal{int64(connections), min(max(int64(peak/writes), 1), maxBlock)}
}

// due returns how many of the run's first total sends are the connection's.
func (d deal) due(connection, total int64) int64 {
	whole, rest := total/d.block, total%d.block
	n := (whole + d.connections - 1 - connection) / d.connections * d.block
	if whole%d.connections == connection {
		n += rest
	}
	return n
}

// number returns which of the run's sends the connection's n-th is.
func (d deal) number(connection, n int64) int64 {
	return (n/d.block*d.connections+connection)*d.block + n%d.block
}
