package histogram

import (
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"
)

const (
	precision = 14
	registers = 1 << precision
	maxRank   = 64 - precision + 1
	// exactMembers is up to where a set keeps its members' hashes and counts
	// them; beyond it, it estimates from registers.
	exactMembers = 512
)

// HashMember hashes a set's member. The hash stands in the log and in the
// store, so it never changes.
func HashMember(b []byte) uint64 { return xxh3.Hash(b) }

// Set counts distinct members: exactly up to 512, and by HyperLogLog with 2^14
// registers beyond. Its content, and so its bytes, depend on the members alone
// and not on their order or on how sets were merged; no library found keeps
// that promise, on which byte-identical replay rests.
type Set struct {
	hashes map[uint64]struct{} // nil once there are registers
	regs   []uint8
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{hashes: map[uint64]struct{}{}} }

// AddHash adds a member by its hash.
func (s *Set) AddHash(h uint64) {
	if s.regs != nil {
		s.register(h)
		return
	}
	s.hashes[h] = struct{}{}
	if len(s.hashes) > exactMembers {
		s.toRegisters()
	}
}

func (s *Set) toRegisters() {
	s.regs = make([]uint8, registers)
	for h := range s.hashes {
		s.register(h)
	}
	s.hashes = nil
}

func (s *Set) register(h uint64) {
	i := h >> (64 - precision)
	rank := uint8(min(bits.LeadingZeros64(h<<precision)+1, maxRank))
	s.regs[i] = max(s.regs[i], rank)
}

// Merge adds the members of o, which stays as it is.
func (s *Set) Merge(o *Set) {
	if o.regs == nil {
		for h := range o.hashes {
			s.AddHash(h)
		}
		return
	}
	if s.regs == nil {
		s.toRegisters()
	}
	for i, r := range o.regs {
		s.regs[i] = max(s.regs[i], r)
	}
}

// Estimate returns the number of distinct members and the relative standard
// error of that number: 0 while it is exact.
func (s *Set) Estimate() (n uint64, relErr float64) {
	if s.regs == nil {
		return uint64(len(s.hashes)), 0
	}
	return uint64(math.Round(s.estimate())), 1.04 / math.Sqrt(registers)
}

// estimate is Ertl's improved raw estimator, unbiased over the whole range
// without tables ("New cardinality estimation algorithms for HyperLogLog
// sketches", 2017).
func (s *Set) estimate() float64 {
	var ranks [maxRank + 1]float64
	for _, r := range s.regs {
		ranks[r]++
	}
	const m = float64(registers)
	z := m * tau(1-ranks[maxRank]/m)
	for k := maxRank - 1; k >= 1; k-- {
		z = (z + ranks[k]) / 2
	}
	z += m * sigma(ranks[0]/m)
	return m * m / (2 * math.Ln2 * z)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	z, y := x, 1.0
	for last := -1.0; z != last; {
		last = z
		x *= x
		z += x * y
		y += y
	}
	return z
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	z, y := 1-x, 1.0
	for last := -1.0; z != last; {
		last = z
		x = math.Sqrt(x)
		y /= 2
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}
