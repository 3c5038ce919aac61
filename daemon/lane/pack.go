package lane

import (
	"context"

	"example.com/nexusctl/daemon/aggregate"
)

// PackWaiting packs the complete generations that wait behind another one for the
// store, until ctx ends: what a million series hold in ten seconds takes a third
// of the memory then, or less where there are more lanes.
func (c *Collector) PackWaiting(ctx context.Context) {
	for {
		select {
		case <-c.behind:
		case <-ctx.Done():
			return
		}
		for e := c.unpacked(); e != nil && ctx.Err() == nil; e = c.unpacked() {
			c.pack(e)
		}
	}
}

// Pack packs a generation that Next has returned, where its caller will be long with
// the store. Nobody else may be reading it but through the collector.
func (c *Collector) Pack(g *aggregate.Generation) {
	if e := c.claim(g); e != nil {
		c.pack(e)
	}
}

// unpacked claims a generation that is to be packed, nil where there is none. The
// oldest is its flusher's.
func (c *Collector) unpacked() *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.gens[min(1, len(c.gens)):] {
		if e.complete(c.lanes) && e.pack == loose && !e.spilled {
			e.pack = packing
			return e
		}
	}
	return nil
}

func (c *Collector) claim(g *aggregate.Generation) *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.gens {
		if e.gen == g && e.pack == loose && !e.spilled {
			e.pack = packing
			return e
		}
	}
	return nil
}

// pack packs a claimed generation. Readers go on reading its parts meanwhile.
func (c *Collector) pack(e *pending) {
	p := e.gen.Pack()
	c.mu.Lock()
	defer c.mu.Unlock()
	e.pack = packed
	if p != nil {
		e.gen.Replace(p)
		c.packed++
	}
	c.wake() // the flusher may be waiting for this one
}

// Packed returns how many generations were packed so far, and how many bytes those
// take that wait.
func (c *Collector) Packed() (total uint64, bytes int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, e := range c.gens {
		bytes += e.gen.Packed.Bytes()
	}
	return c.packed, bytes
}
