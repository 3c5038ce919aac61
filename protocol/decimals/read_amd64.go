package decimals

import "example.com/nexusctl/protocol/scan"

// readDecimals is readEach for n > 0, eight lines at once, each as ReadDecimal does.
//
//go:noescape
func readDecimals(d *Group, buf []byte, lines *[scan.GroupSize]scan.Line, n int)
