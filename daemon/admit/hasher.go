package admit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"example.com/nexusctl/protocol/scan"
)

// hasher hashes spellings, with random keys. Its zero value has keys that are
// known to all.
type hasher struct {
	keys [2]uint64
	wide wideKeys // of the processor's own way, see find_amd64.s
}

// wideKeys are what name and suffix are mixed with where 64 bytes are hashed at
// once, then the key of the last round.
type wideKeys struct {
	name, suffix [8]uint64
	last         [2]uint64
}

func newHasher() (h hasher) {
	h.keys = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}
	for _, list := range [][]uint64{h.wide.name[:], h.wide.suffix[:], h.wide.last[:]} {
		for i := range list {
			list[i] = rand.Uint64()
		}
	}
	return h
}

// maxWide is the longest name, or suffix, that is hashed at once.
const maxWide = 63

// hash is the same for the same spelling as long as the process lives.
func (h *hasher) hash(name, suffix []byte) uint64 {
	if scan.Wide && len(name)|len(suffix) <= maxWide {
		return h.hashWide(name, suffix)
	}
	return h.hashSteps(name, suffix)
}

// hashSteps multiplies and folds 16 bytes a step, as wyhash does and the runtime's
// own hash where there is no AES.
func (h *hasher) hashSteps(name, suffix []byte) uint64 {
	x := h.keys[0] ^ uint64(len(name)|len(suffix)<<12)
	return h.absorb(h.absorb(x, name), suffix)
}

func (h *hasher) absorb(x uint64, b []byte) uint64 {
	for len(b) > 16 {
		x = fold(binary.LittleEndian.Uint64(b)^h.keys[1], binary.LittleEndian.Uint64(b[8:])^x)
		b = b[16:]
	}
	// What is left is read in two words that may overlap: the length is in the
	// hash already.
	switch n := len(b); {
	case n >= 8:
		return fold(binary.LittleEndian.Uint64(b)^h.keys[1], binary.LittleEndian.Uint64(b[n-8:])^x)
	case n >= 4:
		return fold(uint64(binary.LittleEndian.Uint32(b))^h.keys[1], uint64(binary.LittleEndian.Uint32(b[n-4:]))^x)
	case n > 0:
		return fold((uint64(b[0])<<16|uint64(b[n/2])<<8|uint64(b[n-1]))^h.keys[1], x)
	}
	return x
}

func fold(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}
