package deadletter

import (
	"encoding/binary"
	"fmt"
)

// Events is the shard of letters that hold events and service checks instead of
// points. No store and no letter has that many shards.
const Events = 1 << 31

// Event is one event or service check of a letter: when it happened, Unix
// milliseconds, and what it says, as record.DecodeEvent reads it.
type Event struct {
	At   int64
	Body []byte
}

// AppendEvents encodes what stands in the place of a block in a letter of events.
func AppendEvents(dst []byte, list []Event) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, e := range list {
		dst = binary.AppendVarint(dst, e.At)
		dst = appendString(dst, string(e.Body))
	}
	return dst
}

// Events returns what a letter of events holds. Bodies point into the letter.
func (l *Letter) Events() ([]Event, error) {
	r := reader{b: l.Block}
	list := make([]Event, r.count())
	for i := range list {
		list[i] = Event{At: r.varint(), Body: r.bytes()}
	}
	if r.bad || len(r.b) > 0 || l.Shard != Events || uint64(len(list)) != l.Units {
		return nil, fmt.Errorf("%w: events", ErrMalformed)
	}
	return list, nil
}

// check reads what the letter holds, to the end.
func (l *Letter) check() error {
	if l.Shard == Events {
		_, err := l.Events()
		return err
	}
	return l.Points(nil)
}
