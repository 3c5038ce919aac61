package record

import "example.com/nexusctl/protocol/decimals"

// packDecimals packs numbers of a group, from one on, with their references, as
// putDecimal does each, and makes samples of them. It stops before eight of which
// one takes more than eight bytes, and returns the bytes and the numbers that it
// packed. dst has room for eight bytes, and samples for one, for each of refs and
// eight more; what it writes there behind the last one is of no meaning.
//
//go:noescape
func packDecimals(dst []byte, samples []Sample, refs []uint32, d *decimals.Group, from int) (size, n int)
