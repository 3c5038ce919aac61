package loadgen

import (
	"sort"
	"sync"
)

const (
	// ringBytes is about how much is rendered before a prerendered run: more
	// than the caches between sender and daemon hold, so that reading it costs
	// what reading fresh lines would.
	ringBytes = 16 << 20
	// ringMax bounds it where many series want more.
	ringMax = 128 << 20
	// ringVisits is how often a series should come, on average.
	ringVisits = 4
)

// Ring is lines rendered once and sent again and again. Sending costs a copy
// into the socket and nothing else. The account stays exact: what was sent of a
// ring is known from how far its reader came.
type Ring struct {
	mu      sync.Mutex
	lines   *lines
	start   draws // at the ring's first line
	bytes   []byte
	ends    []uint32 // of each line, in bytes
	taken   int64    // lines, over all turns
	skipped []span   // taken and given back
}

// span is lines [from, to) of the ring's endless sequence.
type span struct{ from, to int64 }

func newRing(l *lines, d draws) *Ring {
	r := &Ring{lines: l, start: d}
	want := ringVisits * len(l.rows)
	for len(r.bytes) < ringMax && (len(r.bytes) < ringBytes || len(r.ends) < want) {
		i, value := d.next()
		r.bytes = l.append(r.bytes, i, value)
		r.ends = append(r.ends, uint32(len(r.bytes)))
	}
	return r
}

func (r *Ring) take(_ []byte, n int64, limit int) batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := int(r.taken % int64(len(r.ends)))
	begin := uint32(0)
	if first > 0 {
		begin = r.ends[first-1]
	}
	last := first + int(min(n, int64(len(r.ends)-first)))
	last = first + sort.Search(last-first, func(i int) bool { return int(r.ends[first+i]-begin) > limit })
	last = max(last, first+1)
	b := batch{bytes: r.bytes[begin:r.ends[last-1]], lines: int64(last - first), from: r.taken}
	r.taken += b.lines
	return b
}

func (r *Ring) giveBack(b batch, kept int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped = append(r.skipped, span{b.from + kept, b.from + b.lines})
}

// tally draws the ring's lines once more and counts each as often as it went.
func (r *Ring) tally() []tally {
	size := int64(len(r.ends))
	sent := make([]int64, size)
	for i := range sent {
		sent[i] = r.taken / size
		if int64(i) < r.taken%size {
			sent[i]++
		}
	}
	for _, s := range r.skipped {
		for n := s.from; n < s.to; n++ {
			sent[n%size]--
		}
	}
	all := make([]tally, len(r.lines.rows))
	again := r.start
	for _, times := range sent {
		i, value := again.next()
		all[i].count += times
		all[i].sum += times * value
	}
	return all
}
