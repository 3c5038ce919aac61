package aggregate

import (
	"bytes"

	"example.com/nexusctl/daemon/record"
)

// maxEventBytes bounds the events of one lane's generation, in bytes with
// eventCost for each. A lane that passes it asks for an early mark.
const (
	maxEventBytes = 8 << 20
	eventCost     = 64
)

// Event is one event or service check, which is kept and never folded. Lane and
// number tell it from every other of its generation, live and on replay alike.
type Event struct {
	At     int64 // when it happened, Unix milliseconds
	Lane   int
	Number int    // among the lane's events of the generation, from 0
	Body   []byte // as record.DecodeEvent reads it
}

// happen keeps a batch's events, whose memory is the batch's own.
func (t *table) happen(lane int, b *record.Batch) {
	if b.Events.N == 0 {
		return
	}
	kept := record.Events{N: b.Events.N, Bytes: bytes.Clone(b.Events.Bytes)}
	kept.Each(func(body []byte) {
		at := record.EventTime(body)
		if at == 0 {
			at = b.At
		}
		t.events = append(t.events, Event{At: at, Lane: lane, Number: len(t.events), Body: body})
	})
	t.values += uint64(kept.N)
	t.eventBytes += len(kept.Bytes) + kept.N*eventCost
}

// Events returns the events of the open generation so far. They never change,
// and more may follow.
func (l *Lane) Events() []Event { return l.table.events[:len(l.table.events):len(l.table.events)] }

// Events returns the events of the part.
func (p Part) Events() []Event { return p.table.events }

// Events returns the generation's events, by lane and number.
func (g *Generation) Events() (list []Event) {
	for _, p := range g.Parts {
		if !p.Sealed() {
			continue // its lane has them still
		}
		list = append(list, p.table.events...)
	}
	return list
}
