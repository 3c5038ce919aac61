package stream

import (
	"slices"
	"sync"
)

const (
	// maxQueued and maxQueuedBytes bound what waits for one client: half a minute of
	// events, as many bytes. One event alone may be longer.
	maxQueued      = 32
	maxQueuedBytes = 1 << 20
)

// Client is one who is told. Its queue is filled by the hub and emptied by Next.
type Client struct {
	wants  [numKinds]bool
	begin  [][]byte // what it is told first
	seen   [numKinds]uint64
	topic  *topic
	ended  chan struct{}
	filled chan struct{} // holds one where the queue has something

	mu     sync.Mutex
	queue  []*frame
	bytes  int
	why    Reason
	isOver bool
}

func newClient(kinds []Kind) *Client {
	c := &Client{ended: make(chan struct{}), filled: make(chan struct{}, 1)}
	for _, k := range kinds {
		c.wants[k] = true
	}
	return c
}

// Begin returns what the client is told first. It is kept for one call.
func (c *Client) Begin() [][]byte {
	b := c.begin
	c.begin = nil
	return b
}

// Ended is closed when nothing more will come.
func (c *Client) Ended() <-chan struct{} { return c.ended }

// Filled has something when Next has.
func (c *Client) Filled() <-chan struct{} { return c.filled }

// Next returns the events that wait, nil where there are none.
func (c *Client) Next() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	out := make([][]byte, len(c.queue))
	for i, f := range c.queue {
		out[i] = f.bytes
	}
	c.queue, c.bytes = c.queue[:0], 0
	return out
}

// Farewell returns the last event: a gap for one who did not read, whose last
// event had the id last.
func (c *Client) Farewell(last, now int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == Slow {
		return gapEvent(last, now, Slow)
	}
	return endEvent(c.why)
}

// put queues a frame; false says that the client does not read.
func (c *Client) put(f *frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isOver:
		return true // it has been told why
	case len(c.queue) >= maxQueued, len(c.queue) > 0 && c.bytes+len(f.bytes) > maxQueuedBytes:
		return false
	}
	c.queue, c.bytes = append(c.queue, f), c.bytes+len(f.bytes)
	select {
	case c.filled <- struct{}{}:
	default:
	}
	return true
}

// end lets the client go; false says that it was gone already. What waits for one
// who did not read is dropped: it gets it when it comes back.
func (c *Client) end(why Reason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isOver {
		return false
	}
	c.isOver, c.why = true, why
	if why == Slow {
		c.queue, c.bytes = nil, 0
	}
	close(c.ended)
	return true
}

// Leave gives the client's place up.
func (h *Hub) Leave(c *Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, in := h.clients[c]; !in {
		return
	}
	delete(h.clients, c)
	if c.topic == nil {
		return
	}
	c.topic.clients = slices.DeleteFunc(c.topic.clients, func(x *Client) bool { return x == c })
	if len(c.topic.clients) == 0 {
		delete(h.topics, c.topic.key)
		h.release(c.topic.tails)
	}
}

// Second returns the last second that was told, Unix seconds.
func (h *Hub) Second() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.second
}
