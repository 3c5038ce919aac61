//go:build !amd64

package protocol

import "example.com/nexusctl/protocol/scan"

func readDecimals(d *Decimals, buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	d.readEach(buf, lines, n)
}
