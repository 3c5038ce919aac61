package admit

import (
	"sync"
	"sync/atomic"
)

// refs are the references under which one lane knows series. The lane alone adds to
// them, and anybody reads: four bytes a series and lane, where series that kept
// their references themselves took 24, and twice as many for a third lane.
type refs struct {
	pages atomic.Pointer[[]*refPage] // by series, at rate 1

	mu    sync.RWMutex
	rated map[uint32][]ratedRef // by series, at other rates
}

// refPage has one more than the reference of each of some neighbouring series, 0
// where the lane knows none.
type refPage [refPageSize]atomic.Uint32

const refPageSize = 1 << 10

type ratedRef struct {
	rate float64
	ref  uint32
}

// at returns the reference of a series at a rate.
func (r *refs) at(series uint32, rate float64) (ref uint32, known bool) {
	if rate == 1 {
		return r.plain(series)
	}
	for _, one := range r.rated[series] { // the lane's own goroutine need not lock
		if one.rate == rate {
			return one.ref, true
		}
	}
	return 0, false
}

func (r *refs) plain(series uint32) (ref uint32, known bool) {
	pages := r.pages.Load()
	if pages == nil || int(series/refPageSize) >= len(*pages) {
		return 0, false
	}
	n := (*pages)[series/refPageSize][series%refPageSize].Load()
	return n - 1, n != 0
}

// add notes a reference that the lane has just given.
func (r *refs) add(series uint32, rate float64, ref uint32) {
	if rate != 1 {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.rated == nil {
			r.rated = map[uint32][]ratedRef{}
		}
		r.rated[series] = append(r.rated[series], ratedRef{rate, ref})
		return
	}
	var pages []*refPage
	if p := r.pages.Load(); p != nil {
		pages = *p
	}
	for int(series/refPageSize) >= len(pages) {
		pages = append(pages, new(refPage)) // behind what readers see
		r.pages.Store(&pages)
	}
	pages[series/refPageSize][series%refPageSize].Store(ref + 1)
}

// all appends every reference of a series, by rising reference.
func (r *refs) all(dst []uint32, series uint32) []uint32 {
	r.mu.RLock()
	rated := r.rated[series]
	r.mu.RUnlock()
	ref, known := r.plain(series)
	for _, one := range rated {
		if known && ref < one.ref {
			dst, known = append(dst, ref), false
		}
		dst = append(dst, one.ref)
	}
	if known {
		dst = append(dst, ref)
	}
	return dst
}
