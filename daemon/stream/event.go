package stream

import (
	"encoding/json"
	"strconv"

	"example.com/nexusctl/daemon/query"
)

// Kind is what an event tells.
type Kind uint8

// Kinds.
const (
	Sample Kind = iota // values that changed
	Ledger             // the ledger, where it changed
	Health             // whether the daemon is ready, and why not
	Gap                // seconds that are not told
	End                // the last event
	numKinds
)

var kindNames = [numKinds]string{"sample", "ledger", "health", "gap", "end"}

func (k Kind) String() string { return kindNames[k] }

// Kinds lists all.
func Kinds() []Kind { return []Kind{Sample, Ledger, Health, Gap, End} }

// Reason is why there is a gap, or an end.
type Reason uint8

// Reasons.
const (
	Window   Reason = iota // the seconds are not known one by one any more
	Slow                   // the client did not read
	Late                   // the daemon could not read them in time
	Unknown                // the client's last event is none of this daemon's
	Stopping               // the daemon stops
	TooMany                // more series match than may be watched
	numReasons
)

var reasonNames = [numReasons]string{"window", "slow", "late", "unknown_id", "stopping", "too_many_series"}

func (r Reason) String() string { return reasonNames[r] }

// Gaps lists the reasons of gaps.
func Gaps() []Reason { return []Reason{Window, Slow, Late, Unknown} }

// frame is one event as it is sent. Clients share it.
type frame struct {
	kind  Kind
	bytes []byte
}

// event is an event's bytes; an id of 0 is none. Data is one line of JSON.
func event(kind Kind, id int64, data []byte) []byte {
	b := make([]byte, 0, len(data)+64)
	if id != 0 {
		b = append(strconv.AppendInt(append(b, "id: "...), id, 10), '\n')
	}
	b = append(append(append(b, "event: "...), kind.String()...), "\ndata: "...)
	return append(append(b, data...), "\n\n"...)
}

// sampleEvent tells the tails' values as of a second; whole says that it is of all
// that is watched, whether it changed or not.
func sampleEvent(second int64, whole bool, tails []*tail) []byte {
	list := make([]valued, len(tails))
	for i, t := range tails {
		list[i] = valued{t.head, t.now}
	}
	return valuesEvent(second, whole, list)
}

type valued struct {
	head []byte
	reading
}

func valuesEvent(second int64, whole bool, list []valued) []byte {
	b := strconv.AppendInt([]byte(`{"at":`), second, 10)
	if whole {
		b = append(b, `,"whole":true`...)
	}
	b = append(b, `,"series":[`...)
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.append(b)
	}
	return event(Sample, second, append(b, "]}"...))
}

func (v *valued) append(b []byte) []byte {
	b = append(append(b, v.head...), `,"last":`...)
	if !v.known {
		return append(b, `null,"updated_at":0}`...)
	}
	b = strconv.AppendFloat(b, v.value, 'g', -1, 64)
	b = append(b, `,"updated_at":`...)
	return append(strconv.AppendFloat(b, float64(v.at)/1000, 'f', -1, 64), '}')
}

// headOf renders what never changes of a series.
func headOf(s *query.Series) []byte {
	tags := map[string]string{}
	for _, t := range s.Key.Tags {
		tags[t.Key] = t.Value
	}
	b, err := json.Marshal(struct {
		Name string            `json:"name"`
		Type string            `json:"type"`
		Tags map[string]string `json:"tags"`
	}{s.Key.Name, s.Key.Type.String(), tags})
	if err != nil { // strings alone: it cannot be
		return []byte(`{"name":""`)
	}
	return b[:len(b)-1]
}

// gapEvent tells that the seconds behind from, up to to, are not told. It has no id:
// whoever comes back says the last event that it had.
func gapEvent(from, to int64, why Reason) []byte {
	b := strconv.AppendInt([]byte(`{"from":`), from, 10)
	b = strconv.AppendInt(append(b, `,"to":`...), to, 10)
	b = append(append(append(b, `,"reason":"`...), why.String()...), `"}`...)
	return event(Gap, 0, b)
}

func endEvent(why Reason) []byte {
	return event(End, 0, []byte(`{"reason":"`+why.String()+`"}`))
}
