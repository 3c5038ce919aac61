package aggregate

import "testing"

// TestPool takes pages round and round: those in use stay, and those that a burst
// has left go by halves.
func TestPool(t *testing.T) {
	var p pool[[2]int]
	take := func(n int) (pages []*[2]int) {
		for range n {
			pages = append(pages, p.get())
		}
		return pages
	}
	give := func(pages []*[2]int) {
		for _, page := range pages {
			p.put(page)
		}
		p.trim()
	}
	burst := take(1000)
	few := burst[0]
	give(burst)
	if p.get() == nil || len(p.free) != 999 {
		t.Fatalf("%d pages are free after a burst of 1000, one of them in use", len(p.free))
	}
	p.put(few)
	if n := p.bytes(); n != 1000*16 {
		t.Errorf("%d pages of two integers are said to take %d bytes", len(p.free), n)
	}
	for range 30 {
		give(take(10))
	}
	if n := len(p.free); n < 10 || n > 12 {
		t.Errorf("%d pages are kept where 10 go round", n)
	}
	for range 10 {
		p.trim()
	}
	if len(p.free) != 0 || p.bytes() != 0 {
		t.Errorf("%d pages are kept for nobody", len(p.free))
	}
}
