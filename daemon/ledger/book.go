package ledger

import "sync"

// Book holds the terms that are settled in the store: this daemon's, which
// grow with each flush, and those of the other writers to the same store.
type Book struct {
	mu          sync.Mutex
	own, others Statement
}

// Open sets this daemon's settled terms as the store has them.
func (b *Book) Open(own Statement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = own
}

// Settle adds the terms of one flush.
func (b *Book) Settle(terms Statement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own.Add(terms)
}

// SetOthers replaces the terms of the other writers. What they received is
// known up to their own last flush, and is what they settled by it.
func (b *Book) SetOthers(terms Statement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	terms.Received = terms.Accounted()
	b.others = terms
}

// Own returns this daemon's settled terms.
func (b *Book) Own() Statement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own.clone()
}

// Settled returns the settled terms of all writers. Received is that of the
// others alone: this daemon's is counted by its lanes, never derived.
func (b *Book) Settled() Statement {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.own.clone()
	s.Received = 0
	s.Add(b.others)
	return s
}

func (s Statement) clone() Statement {
	c := s
	c.Rejected = addCounts(s.Rejected, nil)
	c.Shed = addCounts(s.Shed, nil)
	return c
}
