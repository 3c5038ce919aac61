//go:build !amd64

package record

import "example.com/nexusctl/protocol"

func packDecimals([]byte, []Sample, []uint32, *protocol.Decimals, int) (size, n int) { return 0, 0 }
