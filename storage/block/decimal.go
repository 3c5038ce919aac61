package block

import "math"

// Floats of real senders are mostly short decimals: whole numbers, hundredths,
// milliseconds with three digits. As mantissa and decimals they are small
// integers, which is what the codecs pack.
const (
	maxDecimals = 6
	maxMantissa = 1 << 53 // whole floats up to here are exact
)

var pow10 = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// decimal finds the fewest decimals at which m / 10^decimals is v bit for bit.
func decimal(v float64) (m int64, decimals int, ok bool) {
	for d := range maxDecimals + 1 {
		if m, ok := mantissa(v, d); ok {
			return m, d, true
		}
		if !(math.Abs(v) < maxMantissa) {
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// mantissa returns v's mantissa at so many decimals, where it is exact.
func mantissa(v float64, decimals int) (m int64, ok bool) {
	scaled := v * pow10[decimals]
	if !(scaled > -maxMantissa && scaled < maxMantissa) {
		return 0, false
	}
	scaled = math.RoundToEven(scaled)
	m = int64(scaled)
	if m == 0 {
		return 0, v == 0 && !math.Signbit(v)
	}
	return m, scaled/pow10[decimals] == v
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
