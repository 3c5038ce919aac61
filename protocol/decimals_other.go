//go:build !amd64

package protocol

import "example.com/nexusctl/protocol/scan"

const hasWideDecimals = false

func readDecimals(d *Decimals, buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	d.readEach(buf, lines, n)
}
