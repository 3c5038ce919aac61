package loadgen

import (
	"math"
	"math/rand/v2"
)

// valueBits is the size of the table that values are drawn from.
const valueBits = 12

// meanValue is about what values are on average, whatever the distribution.
const meanValue = 128

// drawValues fills the table that values are drawn from: quantiles of the
// distribution, so that a draw is one look-up. Values are whole numbers and
// never negative: sums of them are exact, and a signed gauge would be a delta.
func drawValues(kind string) (table [1 << valueBits]int64) {
	for i := range table {
		q := (float64(i) + 0.5) / float64(len(table))
		switch kind {
		case "constant":
			table[i] = 1
		case "normal":
			table[i] = int64(max(meanValue+meanValue/4*math.Sqrt2*math.Erfinv(2*q-1), 0))
		case "exponential":
			table[i] = int64(-meanValue * math.Log(1-q))
		default:
			table[i] = int64(q * 2 * meanValue)
		}
	}
	return table
}

// picker draws a series. Skewed draws go through an alias table, which costs
// one comparison whatever the skew.
type picker struct {
	n     uint64
	cells []aliasCell // nil: all series alike
}

// aliasCell says that of the draws that land here those below limit are meant
// for this series, the others for other.
type aliasCell struct{ limit, other uint32 }

// pickBits is the resolution of aliasCell.limit.
const pickBits = 20

func newPicker(series int, skew float64) picker {
	p := picker{n: uint64(series)}
	if skew == 0 {
		return p
	}
	share := make([]float64, series) // of an even one
	sum := 0.0
	for i := range share {
		share[i] = math.Pow(float64(i+1), -skew)
		sum += share[i]
	}
	var small, large []uint32
	for i := range share {
		if share[i] *= float64(series) / sum; share[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	p.cells = make([]aliasCell, series)
	for i := range p.cells {
		p.cells[i] = aliasCell{1 << pickBits, uint32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		p.cells[s] = aliasCell{uint32(share[s] * (1 << pickBits)), l}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	return p
}

// pick maps random bits to a series.
func (p *picker) pick(r uint64) int {
	i := (r >> 32) * p.n >> 32
	if p.cells == nil {
		return int(i)
	}
	if c := p.cells[i]; uint32(r>>valueBits)&(1<<pickBits-1) >= c.limit {
		return int(c.other)
	}
	return int(i)
}

// draws is a sequence of series and values, the same for the same seed. A copy
// draws the same again.
type draws struct {
	rand   rand.PCG
	picker *picker
	values *[1 << valueBits]int64
}

func newDraws(s Shape) draws {
	p, v := newPicker(s.Series, s.Zipf), drawValues(s.Values)
	d := draws{picker: &p, values: &v}
	return d.stream(s.Seed, 0)
}

// stream returns another sequence for the same seed.
func (d draws) stream(seed, number uint64) draws {
	d.rand = *rand.NewPCG(seed, 0x9e3779b97f4a7c15+number)
	return d
}

func (d *draws) next() (series int, value int64) {
	r := d.rand.Uint64()
	return d.picker.pick(r), d.values[r&(1<<valueBits-1)]
}
