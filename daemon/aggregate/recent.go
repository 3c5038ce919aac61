package aggregate

import (
	"math"
	"sync"

	"github.com/zeebo/xxh3"

	"example.com/nexusctl/daemon/record"
)

// maxRecent bounds the raw samples of one half of a Recent; it remembers one to
// two halves. At 15 s a scrape, 100,000 series fill a half in two minutes.
const maxRecent = 1 << 19

// Repetition is what a raw sample is, compared with what came before it.
type Repetition uint8

const (
	Fresh    Repetition = iota // nothing is known at its time
	Repeated                   // the same value is
	Conflict                   // another value is, and stays
)

// Recent knows the raw samples that came last, over all lanes: senders deliver
// again what they got no answer for. It is asked under the log's lock, so that
// two lanes cannot both be first. What it has forgotten is stored twice, and
// readers and compaction keep the first.
type Recent struct {
	mu      sync.Mutex
	newer   map[rawAt]uint64 // the value's fingerprint
	older   map[rawAt]uint64
	dropped uint64
}

type rawAt struct {
	time   int64
	series uint32
}

// NewRecent returns a Recent that knows nothing.
func NewRecent() *Recent { return &Recent{newer: map[rawAt]uint64{}} }

// Decide says what the sample is and remembers one that is fresh.
func (r *Recent) Decide(series uint32, s *record.Raw) Repetition {
	k, v := rawAt{s.Time, series}, fingerprint(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.newer[k]
	if !ok {
		known, ok = r.older[k]
	}
	switch {
	case ok && known == v:
		return Repeated
	case ok:
		return Conflict
	}
	if len(r.newer) >= maxRecent {
		r.dropped += uint64(len(r.older))
		r.newer, r.older = make(map[rawAt]uint64, maxRecent/8), r.newer
	}
	r.newer[k] = v
	return Fresh
}

// Forget takes back what Decide remembered of a sample that the log refused.
func (r *Recent) Forget(series uint32, s *record.Raw) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.newer, rawAt{s.Time, series})
	delete(r.older, rawAt{s.Time, series})
}

// ForgetSeries forgets every sample of series: what is sent of them again is
// fresh.
func (r *Recent) ForgetSeries(series map[uint32]struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range []map[rawAt]uint64{r.newer, r.older} {
		for k := range known {
			if _, ok := series[k.series]; ok {
				delete(known, k)
			}
		}
	}
}

// Size returns how many samples are remembered, and how many were forgotten for
// want of room.
func (r *Recent) Size() (samples int, forgotten uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.newer) + len(r.older), r.dropped
}

// fingerprint tells values apart: a number by its bits, so that one NaN is
// another than the stale marker; a histogram by a hash of its bytes.
func fingerprint(s *record.Raw) uint64 {
	if len(s.Hist) > 0 {
		return xxh3.Hash(s.Hist)
	}
	return math.Float64bits(s.Value)
}
