//go:build !amd64

package decimals

import "example.com/nexusctl/protocol/scan"

func readDecimals(d *Group, buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	d.readEach(buf, lines, n)
}
