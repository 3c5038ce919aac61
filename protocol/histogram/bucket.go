package histogram

import (
	"math"
	"math/big"
)

// Schemas set the resolution: 2^schema buckets to a power of two. Schema 5
// keeps every quantile within 1.09 % of a true one.
const (
	MinSchema     = -4 // to which a histogram may widen
	MaxSchema     = 8
	DefaultSchema = 5
)

const (
	mantissaBits = 52
	exponentBias = 1023
)

// bounds holds, for each schema s ≥ 0, the mantissa bits of the upper bounds
// 2^(k/2^s), 0 < k < 2^s. Each is the greatest float that is not above the
// true bound, so that one comparison of integers places a value exactly: no
// float lies between it and the bound.
var bounds = computeBounds()

// computeBounds takes square roots at 200 bits, which give 2^(1/256) far more
// exactly than a float can tell; its powers are every schema's bounds.
func computeBounds() (b [MaxSchema + 1][]uint64) {
	root := new(big.Float).SetPrec(200).SetInt64(2)
	for range MaxSchema {
		root.Sqrt(root)
	}
	const n = 1 << MaxSchema
	finest := make([]uint64, n)
	power := new(big.Float).SetPrec(200).SetInt64(1)
	for k := 1; k < n; k++ {
		power.Mul(power, root)
		finest[k] = math.Float64bits(below(power)) & (1<<mantissaBits - 1)
	}
	for s := range b {
		step := n >> s
		for k := step; k < n; k += step {
			b[s] = append(b[s], finest[k])
		}
	}
	return b
}

// below returns the greatest float not above x.
func below(x *big.Float) float64 {
	f, accuracy := x.Float64()
	if accuracy == big.Above {
		return math.Nextafter(f, 0)
	}
	return f
}

// index returns the bucket of a positive, finite v: bucket i holds
// (2^(i/2^s), 2^((i+1)/2^s)].
func index(v float64, schema int) int {
	bits := math.Float64bits(v)
	exponent := int(bits >> mantissaBits)
	mantissa := bits & (1<<mantissaBits - 1)
	if exponent == 0 { // subnormal: bring the mantissa to the usual form
		f, e := math.Frexp(v)
		exponent = e - 1 + exponentBias
		mantissa = math.Float64bits(f) & (1<<mantissaBits - 1)
	}
	exponent -= exponentBias
	if schema <= 0 {
		if mantissa == 0 {
			exponent-- // a power of two is its bucket's upper bound
		}
		return exponent >> -schema
	}
	if mantissa == 0 {
		return exponent<<schema - 1
	}
	return exponent<<schema + place(schema, mantissa)
}

// cells divide the mantissas of a schema s ≥ 1 into 2^(s+1) equal parts, in each of
// which at most one bound lies, because bounds are further apart than that: so one
// comparison tells on which side of it a mantissa is.
type cell struct {
	bound uint64 // in the cell or above it; the highest mantissa where there is none
	below uint16 // how many bounds lie under the cell
}

var cells = computeCells()

func computeCells() (c [MaxSchema + 1][]cell) {
	for s := 1; s <= MaxSchema; s++ {
		c[s] = make([]cell, 2<<s)
		below := 0
		for i := range c[s] {
			start := uint64(i) << (mantissaBits - s - 1)
			for below < len(bounds[s]) && bounds[s][below] < start {
				below++
			}
			c[s][i] = cell{bound: 1<<mantissaBits - 1, below: uint16(below)}
			if below < len(bounds[s]) {
				c[s][i].bound = bounds[s][below]
			}
		}
	}
	return c
}

// place counts the bounds below the mantissa.
func place(schema int, mantissa uint64) int {
	c := &cells[schema][mantissa>>(mantissaBits-schema-1)]
	i := int(c.below)
	if c.bound < mantissa {
		i++
	}
	return i
}

// upper returns the upper bound of bucket i.
func upper(i, schema int) float64 {
	if schema <= 0 {
		return math.Ldexp(1, (i+1)<<-schema)
	}
	n := i + 1
	exponent, k := n>>schema, n&(1<<schema-1)
	if k == 0 {
		return math.Ldexp(1, exponent)
	}
	return math.Ldexp(math.Float64frombits(exponentBias<<mantissaBits|bounds[schema][k-1]), exponent)
}

// relativeError is how far a value may lie from the middle of its bucket, as a
// share of the value.
func relativeError(schema int) float64 {
	base := math.Exp2(math.Exp2(-float64(schema)))
	return (base - 1) / (base + 1)
}

// Width is by how much the upper bound of a bucket is above its lower one, as a
// share of the lower: how far from the true quantile a value may lie that was
// interpolated inside of its bucket, as PromQL does, instead of taken from its
// middle.
func Width(schema int) float64 { return math.Exp2(math.Exp2(-float64(schema))) - 1 }
