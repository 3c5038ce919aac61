package query

import (
	"sync"

	"example.com/nexusctl/storage"
)

// Head keeps recent flush blocks in memory, as they were stored, under a byte
// budget. It is a cache by name of block: which blocks exist is always the
// store's answer, so the head can be short of some and never wrong.
type Head struct {
	mu     sync.RWMutex
	budget int64
	bytes  int64
	data   map[storage.BlockKey][]byte
	order  []storage.BlockKey // oldest first
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
	for _, b := range f.Blocks {
		h.put(storage.BlockKey{Hour: f.Hour, Writer: f.Writer, Seq: f.Seq, Shard: b.Shard}, b.Data)
	}
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
