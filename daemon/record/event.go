package record

import (
	"encoding/binary"
	"fmt"

	"example.com/nexusctl/protocol"
)

// Events are the events and service checks of a batch, each encoded behind its
// length: they go from the line to the log, the tables and the store as bytes,
// and are understood where somebody reads them.
type Events struct {
	N     int
	Bytes []byte
}

// Event is one event or service check.
type Event struct {
	Kind   protocol.NoticeKind
	Status protocol.Status
	Low    bool
	// Time is when it happened, as its sender says, Unix milliseconds; 0 where
	// he says nothing, which means when it was logged.
	Time int64

	Title, Text, Host, Key, Source, Container []byte

	Tags []protocol.Tag
}

// Add encodes what a Parser understood.
func (e *Events) Add(m *protocol.Metric) {
	n := m.Notice
	one := Event{
		Kind: n.Kind, Status: n.Status, Low: n.Low, Title: n.Title, Text: n.Text, Host: n.Host, Key: n.Key,
		Source: n.Source, Container: n.Container, Tags: m.Tags,
	}
	if m.HasTime {
		one.Time = m.Time
	}
	e.Append(&one)
}

// Append encodes one event.
func (e *Events) Append(one *Event) {
	e.Bytes = binary.AppendUvarint(e.Bytes, uint64(eventSize(one)))
	e.Bytes = appendEvent(e.Bytes, one)
	e.N++
}

// Each calls f with the bytes of each event, which DecodeEvent reads.
func (e *Events) Each(f func(body []byte)) {
	r := reader{b: e.Bytes}
	for range e.N {
		f(r.bytes())
	}
}

const eventLow = 1

func appendEvent(dst []byte, e *Event) []byte {
	var flags byte
	if e.Low {
		flags = eventLow
	}
	dst = append(dst, byte(e.Kind), byte(e.Status), flags)
	dst = binary.AppendVarint(dst, e.Time)
	for _, field := range e.fields() {
		dst = appendBytes(dst, *field)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Tags)))
	for _, t := range e.Tags {
		dst = appendBytes(appendBytes(dst, t.Key), t.Value)
	}
	return dst
}

// fields are the strings of an event in the order in which they are encoded.
func (e *Event) fields() [6]*[]byte {
	return [6]*[]byte{&e.Title, &e.Text, &e.Host, &e.Key, &e.Source, &e.Container}
}

func eventSize(e *Event) int {
	n := 3 + len(binary.AppendVarint(make([]byte, 0, binary.MaxVarintLen64), e.Time)) + uvarintSize(len(e.Tags))
	for _, field := range e.fields() {
		n += uvarintSize(len(*field)) + len(*field)
	}
	for _, t := range e.Tags {
		n += uvarintSize(len(t.Key)) + len(t.Key) + uvarintSize(len(t.Value)) + len(t.Value)
	}
	return n
}

func uvarintSize(v int) (n int) {
	for n = 1; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// DecodeEvent decodes what Append wrote for one event. Its fields point into b.
func DecodeEvent(b []byte) (Event, error) {
	r := reader{b: b}
	e := Event{Kind: protocol.NoticeKind(r.byte()), Status: protocol.Status(r.byte())}
	flags := r.byte()
	e.Low, e.Time = flags&eventLow != 0, r.varint()
	for _, field := range e.fields() {
		*field = r.bytes()
	}
	if n := r.count(); n > 0 {
		e.Tags = make([]protocol.Tag, n)
		for i := range e.Tags {
			e.Tags[i] = protocol.Tag{Key: r.bytes(), Value: r.bytes()}
		}
	}
	known := e.Kind == protocol.EventNotice || e.Kind == protocol.CheckNotice
	if r.bad || len(r.b) > 0 || !known || int(e.Status) >= protocol.NumStatuses || flags&^eventLow != 0 || len(e.Title) == 0 {
		return Event{}, fmt.Errorf("%w: event", ErrMalformed)
	}
	return e, nil
}

// EventTime returns when an event happened, as its sender says, without decoding
// the rest of it; 0 where he says nothing.
func EventTime(b []byte) int64 {
	r := reader{b: b}
	r.byte()
	r.byte()
	r.byte()
	return r.varint()
}

func appendEvents(dst []byte, e *Events) []byte {
	if e.N == 0 {
		return dst
	}
	dst = append(dst, sectionEvents)
	dst = binary.AppendUvarint(dst, uint64(e.N))
	return append(dst, e.Bytes...)
}

// events reads the section and holds every event to its form. The bytes are
// copied: they outlive the record on their way into the tables.
func (r *reader) events(e *Events) {
	e.N = r.count()
	all := r.b
	for range e.N {
		body := r.bytes()
		if r.bad {
			return
		}
		if _, err := DecodeEvent(body); err != nil {
			r.fail()
			return
		}
	}
	e.Bytes = append(e.Bytes[:0], all[:len(all)-len(r.b)]...)
}
