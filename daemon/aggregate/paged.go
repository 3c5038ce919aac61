package aggregate

const pageCells = 256

// paged are cells in pages, without pointers in them, so that a page is one stretch
// of memory the collector never walks. A page is made when it is first touched.
type paged[T any] struct {
	pages []*[pageCells]T // nil where nothing was touched
	pool  *pool[[pageCells]T]
}

// at returns a cell to be written.
func (p *paged[T]) at(i uint32) *T {
	if c := p.peek(i); c != nil {
		return c
	}
	n := int(i / pageCells)
	for n >= len(p.pages) {
		p.pages = append(p.pages, nil)
	}
	p.pages[n] = p.pool.get()
	return &p.pages[n][i%pageCells]
}

// peek returns a cell, nil where its page was never touched.
func (p *paged[T]) peek(i uint32) *T {
	if n := int(i / pageCells); n < len(p.pages) && p.pages[n] != nil {
		return &p.pages[n][i%pageCells]
	}
	return nil
}

// made returns a cell that at has made.
func (p *paged[T]) made(i uint32) *T { return &p.pages[i/pageCells][i%pageCells] }

// like returns empty pages, with room for as many as p has.
func (p *paged[T]) like() paged[T] {
	return paged[T]{make([]*[pageCells]T, 0, len(p.pages)), p.pool}
}

// release gives the pages back. Nothing of them may be read any more.
func (p *paged[T]) release() {
	for _, page := range p.pages {
		if page != nil {
			*page = [pageCells]T{}
			p.pool.put(page)
		}
	}
	p.pages = nil
}

// numbered are things counted from 1, in pages.
type numbered[T any] struct {
	pages []*[numberedPage]T
	n     uint64
}

// numberedPage histograms take 4 KiB but for 64 bytes; 32 would take as much.
const numberedPage = 36

// next returns the place of one more, which is empty. The pool is the kind's own.
func (p *numbered[T]) next(pool *pool[[numberedPage]T]) (place uint64) {
	if p.n%numberedPage == 0 {
		p.pages = append(p.pages, pool.get())
	}
	p.n++
	return p.n
}

func (p *numbered[T]) at(place uint64) *T {
	return &p.pages[(place-1)/numberedPage][(place-1)%numberedPage]
}

// release gives the pages back, empty: what they point to must not outlive them.
func (p *numbered[T]) release(pool *pool[[numberedPage]T]) {
	for _, page := range p.pages {
		clear(page[:])
		pool.put(page)
	}
	*p = numbered[T]{}
}
