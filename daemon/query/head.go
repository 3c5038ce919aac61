package query

import (
	"cmp"
	"slices"
	"sync"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Head keeps recent flush blocks in memory, as they were stored, under a byte
// budget. It is a cache by name of block: which blocks exist is the store's
// answer, so the head can be short of some and never wrong.
//
// Of each writer's flushes it also knows which ones it has whole, so that who knows a
// series up to one of them learns the rest here (Since).
type Head struct {
	mu     sync.RWMutex
	budget int64
	bytes  int64
	data   map[storage.BlockKey][]byte
	order  []storage.BlockKey // oldest first

	trails map[string]*trail // by writer
	again  uint64            // how often a flush was added that had been before, or the store went back
}

// trail is which flushes of one writer are held.
type trail struct {
	flushes []seqHour // behind whole, by sequence
	whole   uint64    // behind this one, every block of every flush is held
}

// seqHour names a flush of a writer.
type seqHour struct {
	seq  uint64
	hour int64
}

// last is the newest flush that the trail knows of.
func (t *trail) last() uint64 {
	if n := len(t.flushes); n > 0 {
		return t.flushes[n-1].seq
	}
	return t.whole
}

// behind returns the flushes behind one.
func (t *trail) behind(seq uint64) []seqHour {
	i, _ := slices.BinarySearchFunc(t.flushes, seq+1, func(f seqHour, seq uint64) int { return cmp.Compare(f.seq, seq) })
	return t.flushes[i:]
}

// lack notes that blocks of a flush, and of those before it, are not held.
func (t *trail) lack(seq uint64) {
	if seq > t.whole {
		t.whole, t.flushes = seq, t.behind(seq)
	}
}

// NewHead returns an empty head that keeps up to budget bytes.
func NewHead(budget int64) *Head {
	return &Head{budget: budget, data: map[storage.BlockKey][]byte{}, trails: map[string]*trail{}}
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

// Add keeps the blocks of one flush of this daemon.
func (h *Head) Add(f storage.Flush) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(f)
	for _, b := range f.Blocks {
		h.put(storage.BlockKey{Hour: f.Hour, Writer: f.Writer, Seq: f.Seq, Shard: b.Shard}, b.Data)
	}
}

// note notes a flush behind the last one. One that is not behind it is stored
// again, because the store went back: what anybody learnt here may lack it.
func (h *Head) note(f storage.Flush) {
	t := h.trail(f.Writer)
	if last := t.last(); f.Seq <= last {
		h.again++
		t.lack(last)
		return
	}
	t.flushes = append(t.flushes, seqHour{f.Seq, f.Hour})
}

func (h *Head) trail(writer string) *trail {
	t := h.trails[writer]
	if t == nil {
		t = &trail{}
		h.trails[writer] = t
	}
	return t
}

// Follow keeps blocks that another daemon stored behind those that the head has been
// told of, whole flushes by sequence.
func (h *Head) Follow(writer string, blocks []storage.StoredBlock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trail(writer)
	for _, b := range blocks {
		if b.Seq > t.last() {
			t.flushes = append(t.flushes, seqHour{b.Seq, b.Hour})
		}
		if block.Check(b.Data) != nil {
			t.lack(b.Seq) // who reads it from the store says what is wrong
			continue
		}
		h.put(b.BlockKey, b.Data)
	}
}

// Lack notes that another daemon's flushes up to one are not all held.
func (h *Head) Lack(writer string, upTo uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trail(writer).lack(upTo)
}

// Void forgets everything, and all that was learnt here: the store went back.
func (h *Head) Void() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.again++
	for _, k := range h.order {
		h.lack(k)
	}
	h.order, h.bytes = nil, 0
	clear(h.data)
}

// Again counts how often what was learnt from Since became void: a flush was added that
// had been before, or the store went back.
func (h *Head) Again() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.again
}

// Since returns a shard's blocks of a writer's flushes behind one and up to another,
// oldest first, whose checksums were compared when they came. ok is false where the head has not all of them. The writer is this
// daemon, or one that the head has been told of.
func (h *Head) Since(writer string, shard int64, behind, upTo uint64) (blocks [][]byte, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	t := h.trails[writer]
	if t == nil {
		return nil, true
	}
	if behind < t.whole {
		return nil, false
	}
	flushes := t.behind(behind)
	blocks = make([][]byte, 0, len(flushes))
	for _, f := range flushes {
		if f.seq > upTo {
			break
		}
		if b := h.data[storage.BlockKey{Hour: f.hour, Writer: writer, Seq: f.seq, Shard: shard}]; b != nil {
			blocks = append(blocks, b)
		}
	}
	return blocks, true
}

// lack notes that a block is not held any more.
func (h *Head) lack(k storage.BlockKey) {
	if t := h.trails[k.Writer]; t != nil {
		t.lack(k.Seq)
	}
}

// Load keeps blocks read from the store, as after a restart.
func (h *Head) Load(blocks []storage.StoredBlock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range blocks {
		if block.Check(b.Data) != nil {
			continue // who reads it from the store says what is wrong
		}
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
