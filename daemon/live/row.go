package live

import "math"

// State is what is known of one second.
type State uint8

// States.
const (
	Unknown State = iota // nobody followed the series then
	Quiet                // nothing had come since the bucket's beginning
	Some                 // something had
)

// Row is one series in one bucket. It does not tell the bucket's end: that is the
// bucket's own point.
type Row struct {
	Bucket int64
	// Values are how far a counter or gauge had come: Values[i] is as of i+1
	// seconds behind the bucket's beginning. At reads them.
	Values []float64
	Neg    []float64 // sums of negative increments; nil where there were none
	// Sketches are what came into a distribution, by rising second.
	Sketches []Sketch
}

// Sketch is what came into a distribution in the second that begins Second seconds
// behind the bucket's beginning, and before it since the sketch before.
type Sketch struct {
	Second int
	Data   []byte // package histogram's
}

// At returns the value as of i+1 seconds behind the bucket's beginning, where the
// state is Some: a gauge's last value, or what a counter gathered in the bucket
// up to then, and of that the negative increments.
func (r *Row) At(i int) (v, neg float64, s State) {
	v = r.Values[i]
	if math.IsNaN(v) {
		if isQuiet(v) {
			return 0, 0, Quiet
		}
		return 0, 0, Unknown
	}
	if r.Neg != nil {
		neg = r.Neg[i]
	}
	return v, neg, Some
}
