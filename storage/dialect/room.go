package dialect

import "sync"

// roomChunk is what a Room takes at once, bytes; what is larger has memory of its own.
const roomChunk = 256 << 10

// Room holds the bytes of an answer in memory that was used before. What a read of an
// open hour copies is hundreds of KB: made anew, the system has to find them page by
// page, beside a flush that asks for pages too, and they bring the next garbage
// collection closer.
type Room struct {
	chunks []*[roomChunk]byte
	used   int // of the last one
}

var roomChunks = sync.Pool{New: func() any { return new([roomChunk]byte) }}

// copy returns a copy of b, which holds until Release. A nil Room makes one that holds
// for ever.
func (r *Room) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	if r == nil || len(b) > roomChunk/4 {
		return append(make([]byte, 0, len(b)), b...)
	}
	if len(r.chunks) == 0 || roomChunk-r.used < len(b) {
		r.chunks, r.used = append(r.chunks, roomChunks.Get().(*[roomChunk]byte)), 0
	}
	to := r.chunks[len(r.chunks)-1][r.used : r.used+len(b) : r.used+len(b)]
	copy(to, b)
	r.used += len(b)
	return to
}

// Release gives the memory to other Rooms: nobody may use it any more. Without it the
// garbage collector does that some time.
func (r *Room) Release() {
	if r == nil {
		return
	}
	for _, c := range r.chunks {
		roomChunks.Put(c)
	}
	r.chunks, r.used = nil, 0
}
