package protocol

import "example.com/nexusctl/protocol/scan"

// Decimals are the values of a group of lines, as ReadDecimal reads each.
type Decimals struct {
	Mantissa [scan.GroupSize]uint64
	Scale    [scan.GroupSize]uint64
	Value    [scan.GroupSize]float64
	ok       [scan.GroupSize / 8]uint8 // a bit for each line
}

// Known says that line i's value was read. Of those with a sign none is.
func (d *Decimals) Known(i int) bool { return d.ok[i/8]>>(i%8)&1 != 0 }

// Read reads the values of the first n lines, which stand in buf.
func (d *Decimals) Read(buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	if scan.Wide && n > 0 {
		readDecimals(d, buf, lines, n)
		return
	}
	d.readEach(buf, lines, n)
}

func (d *Decimals) readEach(buf []byte, lines *[scan.GroupSize]scan.Line, n int) {
	d.ok = [scan.GroupSize / 8]uint8{}
	for i, l := range lines[:n] {
		if !l.Plain() {
			continue
		}
		at := int(l.Colon) + 1
		if c := buf[at]; c == '-' || c == '+' {
			continue
		}
		if one, ok := ReadDecimal(buf, at, int(l.Bar)); ok {
			d.Mantissa[i], d.Scale[i], d.Value[i] = uint64(one.Mantissa), uint64(one.Scale), one.Float64()
			d.ok[i/8] |= 1 << (i % 8)
		}
	}
}
