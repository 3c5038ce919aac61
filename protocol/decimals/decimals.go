// Package decimals reads the values of many lines at once.
package decimals

import (
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/scan"
)

// Group holds the values of a group of lines, as protocol.ReadDecimal reads each.
type Group struct {
	Mantissa [scan.GroupSize]uint64
	Scale    [scan.GroupSize]uint64
	Value    [scan.GroupSize]float64
	ok       [scan.GroupSize / 8]uint8 // a bit for each line
}

// Known says that line i's value was read. Of those with a sign none is.
func (d *Group) Known(i int) bool { return d.ok[i/8]>>(i%8)&1 != 0 }

// Read reads the values of the first n lines, which stand in buf.
func (d *Group) Read(buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	if scan.Wide && n > 0 {
		readDecimals(d, buf, lines, n)
		return
	}
	d.readEach(buf, lines, n)
}

func (d *Group) readEach(buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	d.ok = [scan.GroupSize / 8]uint8{}
	for i, l := range lines[:n] {
		if !l.Plain() {
			continue
		}
		at := int(l.Colon) + 1
		if c := buf[at]; c == '-' || c == '+' {
			continue
		}
		if one, ok := protocol.ReadDecimal(buf, at, int(l.Bar)); ok {
			d.Mantissa[i], d.Scale[i], d.Value[i] = uint64(one.Mantissa), uint64(one.Scale), one.Float64()
			d.ok[i/8] |= 1 << (i % 8)
		}
	}
}
