package flush

import (
	"context"
	"slices"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/event"
	"example.com/nexusctl/storage"
)

// replayedLane stands in the place of a lane with events that come back from
// dead letters. No daemon has that many lanes.
const replayedLane = 1 << 20

// reviveEvents takes a letter's events along.
func (d *draft) reviveEvents(l *deadletter.Letter) error {
	list, err := l.Events()
	if err != nil {
		return err
	}
	for _, e := range list {
		d.happened = append(d.happened, aggregate.Event{At: e.At, Lane: replayedLane, Number: len(d.happened), Body: e.Body})
	}
	return nil
}

// happening is one event on its way: as it was logged, and as it is stored.
type happening struct {
	raw aggregate.Event
	row storage.Event
}

// addEvents makes a shard of the draft's events, the generation's and those that
// come back, so that what the store refuses is looked for among them as it is
// among blocks.
func (d *draft) addEvents() error {
	s := &shard{number: deadletter.Events}
	for _, e := range append(d.g.Events(), d.happened...) {
		row, err := event.Row(d.writer, d.g.Number, e)
		if err != nil {
			return err
		}
		s.events = append(s.events, happening{e, row})
	}
	if s.units = uint64(len(s.events)); s.units > 0 {
		d.shards = append(d.shards, s)
	}
	return nil
}

func rows(dst []storage.Event, list []happening) []storage.Event {
	for _, h := range list {
		dst = append(dst, h.row)
	}
	return dst
}

// searchEvents finds the events that the store refuses.
func (f *Flusher) searchEvents(ctx context.Context, d *draft, s *shard, tries int) (left int, err error) {
	search := bisection[happening]{tries: tries, try: func(taken, some []happening) error {
		return f.probe(ctx, d.with([]*shard{{number: s.number, events: slices.Concat(taken, some)}}))
	}}
	if err := search.add(s.events); err != nil {
		return tries, err
	}
	var dead []happening
	for _, r := range search.refused {
		dead = append(dead, r.item)
	}
	s.events, s.units = search.taken, uint64(len(search.taken))
	if len(dead) > 0 {
		s.dead = d.eventLetter(dead, search.refused[0].reason)
	}
	return max(search.tries, 1), nil
}

// eventLetter makes a dead letter of events.
func (d *draft) eventLetter(list []happening, reason error) *deadletter.Letter {
	slices.SortFunc(list, func(a, b happening) int { return a.row.Compare(b.row.EventID) })
	events := make([]deadletter.Event, len(list))
	for i, h := range list {
		events[i] = deadletter.Event{At: h.raw.At, Body: h.raw.Body}
	}
	return &deadletter.Letter{
		Writer: d.writer, Generation: d.g.Number, Shard: deadletter.Events, At: markedAt(d.g), Reason: reason.Error(),
		Units: uint64(len(list)), Block: deadletter.AppendEvents(nil, events),
	}
}

// giveUpEvents makes every event dead, where some are.
func (d *draft) giveUpEvents(s *shard, reason error) error {
	back, err := s.dead.Events()
	if err != nil {
		return err
	}
	for i, e := range back {
		h := happening{raw: aggregate.Event{At: e.At, Lane: replayedLane, Number: i, Body: e.Body}}
		h.row.EventID = storage.EventID{At: e.At, Lane: replayedLane, Number: i}
		s.events = append(s.events, h)
	}
	s.dead, s.events, s.units = d.eventLetter(s.events, reason), nil, 0
	return nil
}
