package aggregate

import (
	"sync"
	"unsafe"

	"example.com/nexusctl/protocol/histogram"
)

// pool keeps empty pages, from tables that are in the store for the next ones. The
// runtime's pools do not serve: they give up all they have within two collections,
// and a generation of many series sees more of them than that.
type pool[P any] struct {
	mu   sync.Mutex
	free []*P
	idle int // of the free ones, how many nobody needed since the last trim
}

// Pages go round among all tables of the process.
var (
	counterPages pool[[pageCells]counter]
	gaugePages   pool[[pageCells]slot]
	sketchPages  pool[[pageCells]sketched]
	oddPages     pool[[numberedPage]odd]
	fewPages     pool[[numberedPage]values]
	histPages    pool[[numberedPage]histogram.Histogram]
)

func (p *pool[P]) get() *P {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return new(P)
	}
	page := p.free[n-1]
	p.free[n-1], p.free = nil, p.free[:n-1]
	p.idle = min(p.idle, n-1)
	return page
}

// put takes a page back, which must be empty.
func (p *pool[P]) put(page *P) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, page)
}

// trim gives half of what nobody needed since the last time to the collector, and
// all of a few.
func (p *pool[P]) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := len(p.free) - (p.idle+1)/2
	clear(p.free[keep:])
	p.free = p.free[:keep]
	p.idle = keep
}

// bytes is how much memory the free pages take.
func (p *pool[P]) bytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var page P
	return len(p.free) * int(unsafe.Sizeof(page))
}

// FreePages returns how many bytes the pages take that tables gave back and nobody
// uses: what the next generations begin with, and what a burst has left for some.
func FreePages() int {
	return counterPages.bytes() + gaugePages.bytes() + sketchPages.bytes() + oddPages.bytes() + fewPages.bytes() + histPages.bytes()
}

// trimPools runs once a generation.
func trimPools() {
	counterPages.trim()
	gaugePages.trim()
	sketchPages.trim()
	oddPages.trim()
	fewPages.trim()
	histPages.trim()
}
