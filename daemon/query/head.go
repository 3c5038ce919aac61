package query

import (
	"cmp"
	"slices"
	"sync"

	"example.com/nexusctl/storage"
)

// Head keeps recent flush blocks in memory, as they were stored, under a byte
// budget. It is a cache by name of block: which blocks exist is the store's
// answer, so the head can be short of some and never wrong.
//
// Of this daemon's own flushes it also knows which ones it has whole, so that who
// knows a series up to one of them learns the rest here (Since).
type Head struct {
	mu     sync.RWMutex
	budget int64
	bytes  int64
	data   map[storage.BlockKey][]byte
	order  []storage.BlockKey // oldest first

	own     string     // the writer whose flushes are added
	flushes []ownFlush // its flushes behind whole, by sequence
	whole   uint64     // behind this one, every block of every flush is held
	again   uint64     // how often a flush was added that had been before
}

// ownFlush names a flush of this daemon.
type ownFlush struct {
	seq  uint64
	hour int64
}

// NewHead returns an empty head that keeps up to budget bytes.
func NewHead(budget int64) *Head {
	return &Head{budget: budget, data: map[storage.BlockKey][]byte{}}
}

// SetBudget changes how many bytes are kept.
func (h *Head) SetBudget(budget int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.budget = budget
	h.evict()
}

// Get returns a block's bytes, nil where the head has them not.
func (h *Head) Get(k storage.BlockKey) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.data[k]
}

// Add keeps the blocks of one flush.
func (h *Head) Add(f storage.Flush) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follow(f)
	for _, b := range f.Blocks {
		h.put(storage.BlockKey{Hour: f.Hour, Writer: f.Writer, Seq: f.Seq, Shard: b.Shard}, b.Data)
	}
}

// follow notes a flush behind the last one. One that is not behind it is stored
// again, because the store went back: what anybody learnt here may lack it.
func (h *Head) follow(f storage.Flush) {
	last := h.whole
	if n := len(h.flushes); n > 0 {
		last = h.flushes[n-1].seq
	}
	if h.own = f.Writer; f.Seq <= last {
		h.again++
		h.flushes, h.whole = nil, last
		return
	}
	h.flushes = append(h.flushes, ownFlush{f.Seq, f.Hour})
}

// Again counts the flushes that were added although they had been before. What was
// learnt from Since before it grew is void.
func (h *Head) Again() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.again
}

// Since returns a shard's blocks of this daemon's flushes behind one and up to
// another, oldest first. ok is false where the head has not all of them.
func (h *Head) Since(shard int64, behind, upTo uint64) (blocks [][]byte, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if behind < h.whole {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(h.flushes, behind+1, func(f ownFlush, seq uint64) int { return cmp.Compare(f.seq, seq) })
	for ; i < len(h.flushes) && h.flushes[i].seq <= upTo; i++ {
		f := h.flushes[i]
		if b := h.data[storage.BlockKey{Hour: f.hour, Writer: h.own, Seq: f.seq, Shard: shard}]; b != nil {
			blocks = append(blocks, b)
		}
	}
	return blocks, true
}

// lack notes that a block is not held any more.
func (h *Head) lack(k storage.BlockKey) {
	if k.Writer != h.own || k.Seq <= h.whole {
		return
	}
	h.whole = k.Seq
	i, _ := slices.BinarySearchFunc(h.flushes, k.Seq+1, func(f ownFlush, seq uint64) int { return cmp.Compare(f.seq, seq) })
	h.flushes = h.flushes[i:]
}

// Load keeps blocks read from the store, as after a restart.
func (h *Head) Load(blocks []storage.StoredBlock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range blocks {
		h.put(storage.BlockKey{Hour: b.Hour, Writer: b.Writer, Seq: b.Seq, Shard: b.Shard}, b.Data)
	}
}

func (h *Head) put(k storage.BlockKey, data []byte) {
	if _, ok := h.data[k]; ok {
		return
	}
	h.data[k] = data
	h.order = append(h.order, k)
	h.bytes += int64(len(data))
	h.evict()
}

// evict forgets the oldest blocks until the budget is kept.
func (h *Head) evict() {
	for h.bytes > h.budget && len(h.order) > 0 {
		k := h.order[0]
		h.order = h.order[1:]
		h.bytes -= int64(len(h.data[k]))
		delete(h.data, k)
		h.lack(k)
	}
}

// DropBefore forgets the blocks of arrival hours before hour, which have been
// compacted.
func (h *Head) DropBefore(hour int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.order[:0]
	for _, k := range h.order {
		if k.Hour < hour {
			h.bytes -= int64(len(h.data[k]))
			delete(h.data, k)
			h.lack(k)
			continue
		}
		kept = append(kept, k)
	}
	h.order = kept
}

// Bytes returns what the head holds.
func (h *Head) Bytes() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.bytes
}
