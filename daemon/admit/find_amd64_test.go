package admit

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol/scan"
)

// TestWideHash holds the hash of a group's lines to that of one spelling, over
// all lengths, and every byte of a spelling to its place in the hash.
func TestWideHash(t *testing.T) {
	if !scan.Wide {
		t.Skip("this processor hashes in steps")
	}
	a := loneAliases(100)
	seen := map[uint64]string{}
	text := []byte(strings.Repeat("a", maxWide))
	for n := range maxWide {
		for m := range maxWide {
			line := slices.Concat(text[:n+1], []byte(":1"), text[:m+1])
			l := scan.Line{Start: 0, Colon: uint32(n + 1), Bar: uint32(n + 3), End: uint32(len(line))}
			hashLines(&a.hasher.wide, line, []scan.Line{l}, a.slots, &a.group.hashes)
			h := a.hasher.hash(text[:n+1], text[:m+1])
			if h != a.group.hashes[0] {
				t.Fatalf("lengths %d and %d: %x alone, %x in a group", n+1, m+1, h, a.group.hashes[0])
			}
			if other, twice := seen[h]; twice {
				t.Fatalf("%d and %d bytes hash like %q", n+1, m+1, other)
			}
			seen[h] = string(text[:n+1]) + ":" + string(text[:m+1])
		}
	}
	for i := range maxWide {
		for range 100 {
			changed := slices.Clone(text)
			changed[i] = byte(1 + rand.IntN(255))
			for _, s := range []spelling{{string(changed), "|c"}, {"a", string(changed)}} {
				h, id := s.hash(a), s.name+":"+s.suffix
				if other, twice := seen[h]; twice && other != id {
					t.Fatalf("%q hashes like %q", id, other)
				}
				seen[h] = id
			}
		}
	}
}
