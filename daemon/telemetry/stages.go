package telemetry

import (
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/lane"
)

// batchEvery is the least time between two traced batches: at a million lines
// a second even a hundredth of the batches would be a flood.
const batchEvery = 100 * time.Millisecond

// Sample decides whether the next batch is timed and traced. It is asked for
// every batch, so it is cheap where it says no.
func (t *Tracer) Sample() bool {
	if t.all == nil {
		return false
	}
	now, last := time.Now().UnixNano(), t.batches.Load()
	return now-last >= int64(batchEvery) && rand.Float64() < t.sample.Load().share && t.batches.CompareAndSwap(last, now)
}

// Batch makes a span of one batch's way from the socket into the tables.
func (t *Tracer) Batch(b lane.Timing) {
	from := b.Began
	if !b.Arrived.IsZero() {
		from = b.Arrived
	}
	t.past("ingest batch", from, b.Folded, []step{
		{"wait for the lane", b.Arrived, b.Began}, {"parse and admit", b.Began, b.Taken}, {"append to the log", b.Taken, b.Logged}, {"fold", b.Logged, b.Folded},
	}, attribute.Int("nexus.lane", b.Lane), attribute.Int64("nexus.units", int64(b.Units)),
		attribute.Int64("nexus.generation", int64(b.Generation)), attribute.Int64("nexus.log.position", int64(b.Log)))
}

// Flushed makes a span of one generation's way into the store, which batches
// of the same generation belong to.
func (t *Tracer) Flushed(c flush.Committed) {
	if t.all == nil || rand.Float64() >= t.sample.Load().share {
		return
	}
	t.past("flush generation", c.Began, c.Done, []step{
		{"name new series", c.Began, c.Named}, {"encode blocks", c.Named, c.Encoded}, {"commit", c.Encoded, c.Done},
	}, attribute.Int64("nexus.generation", int64(c.Flush.Seq)), attribute.Int("nexus.blocks", len(c.Flush.Blocks)),
		attribute.Int64("nexus.units", int64(c.Flush.Counts.Stored)))
}
