// Package protocol is the wire vocabulary of nexusctl: what a metric line may
// say, how text and JSON lines are read, and the closed set of reasons for
// which a line is refused.
//
// The parsers are pure: bytes in, a Metric or a Fault out. They keep no state
// between lines, do no I/O and, on the accepted path, allocate nothing; every
// slice of a Metric points into the line or into the Parser and is valid until
// the Parser's next call. The package imports the standard library alone, so
// that servers, clients and load generators share one verdict.
package protocol

// Type is what a metric's values mean. The zero Type is no type.
type Type uint8

const (
	Counter      Type = iota + 1 // c: increments, summed
	Gauge                        // g: last value, with deltas
	Histogram                    // h: distribution of any value
	Timer                        // ms: distribution of durations in milliseconds, never negative
	Distribution                 // d: distribution, merged over all senders
	Set                          // s: number of distinct members
	Raw                          // samples with times of their own, never folded; no line can send one
)

// NumTypes is one more than the highest Type; arrays indexed by Type use it.
const NumTypes = int(Raw) + 1

var typeNames = [NumTypes]string{"", "counter", "gauge", "histogram", "timer", "distribution", "set", "raw"}
var typeSymbols = [NumTypes]string{"", "c", "g", "h", "ms", "d", "s", ""}

// String returns the long name, as JSON and the API write it: "counter".
func (t Type) String() string { return typeNames[t.index()] }

// Symbol returns the short form, as text lines write it: "c".
func (t Type) Symbol() string { return typeSymbols[t.index()] }

// IsHistogram reports whether values of the type are kept as a distribution.
func (t Type) IsHistogram() bool { return t == Histogram || t == Timer || t == Distribution }

func (t Type) index() int {
	if int(t) < NumTypes {
		return int(t)
	}
	return 0
}

// StoredType reads a type's long name as the store and the API write it: those
// of lines, and raw.
func StoredType(s string) (t Type, ok bool) {
	if s == typeNames[Raw] {
		return Raw, true
	}
	t, ok = ParseType(s)
	return t, ok && s == typeNames[t]
}

// ParseType reads a long name or a short form, case-sensitively. ok is false
// for anything else.
func ParseType(s string) (t Type, ok bool) {
	for t := Counter; t <= Set; t++ {
		if s == typeNames[t] || s == typeSymbols[t] {
			return t, true
		}
	}
	return 0, false
}

// Metric is one parsed line: a name, a type, one or more values. It is atomic:
// all its values are taken or none.
type Metric struct {
	// Notice is set where the line was an event or a service check. Then there
	// are no name, no type and no values, and Rate means nothing.
	Notice *Notice

	Name []byte
	Type Type

	// Values holds the numbers, in the order sent; empty for a Set.
	Values []Value
	// Member is what a Set counts: the whole raw value. Nil for other types.
	Member []byte

	// Tags as sent, without repetitions; the order is the sender's.
	Tags []Tag
	// Rate is the sampling rate in (0, 1]; 1 where none was sent, and on
	// gauges and sets, whose rate is ignored.
	Rate float64
	// Time is when the sender says it happened, in Unix milliseconds;
	// meaningful only where HasTime.
	Time    int64
	HasTime bool

	// ValueAt and ValueEnd are where the one number of a line stands in it; what
	// they are is not said where there are several, or none.
	ValueAt, ValueEnd int

	// IgnoredSections counts sections and JSON fields that were not
	// understood and skipped; IgnoredRate says that a rate was sent where it
	// has no meaning.
	IgnoredSections int
	IgnoredRate     bool
}

// Count returns the units the ledger counts for the accepted metric: one per
// value, one for a set member, an event or a service check.
func (m *Metric) Count() int {
	if m.Type == Set || m.Notice != nil {
		return 1
	}
	return len(m.Values)
}

// Value is one number of a metric. Delta marks a signed gauge value, which
// changes the gauge instead of setting it.
type Value struct {
	Number float64
	Delta  bool
}

// Tag is one key and value, as views into the line. A tag sent without a value
// has an empty one.
type Tag struct{ Key, Value []byte }

// Fault says why a line was refused and where. The zero Fault is no fault.
type Fault struct {
	Reason Reason
	// Column is the byte offset, from 0, at which the rule was broken.
	Column int
}

// Limits bound what one line may hold. The zero value is not useful; start
// from DefaultLimits.
type Limits struct {
	MaxLine     int // bytes of a line without its terminator; also the framer's bound
	MaxName     int // bytes of a name
	MaxTags     int // tags of a line
	MaxTagKey   int // bytes of a tag key
	MaxTagValue int // bytes of a tag value
	MaxValues   int // values of a line
	MaxMember   int // bytes of a set member
	MaxDepth    int // nesting of a JSON line

	// Past and Future bound a sent timestamp around now, in milliseconds.
	Past, Future int64
	// AbsoluteGauges takes signed gauge values as absolute, as DogStatsD does.
	AbsoluteGauges bool
	// Names judges the characters of names beyond ASCII; nil allows none.
	Names NameRules
	// ReservedPrefix is refused as the start of a name; empty refuses none.
	ReservedPrefix string
}

// NameRules say which names beyond ASCII are legal; package unicodename has them.
type NameRules interface {
	// Rune reports a character beyond ASCII that may stand in a name, or begin one.
	Rune(r rune, first bool) bool
	// Normal reports a name that is written the one way that is legal.
	Normal(name []byte) bool
}

// ReservedPrefix begins the names of the daemon's own signals.
const ReservedPrefix = "nexus."

// DefaultLimits returns the limits of SPEC's verdict table.
func DefaultLimits() Limits {
	return Limits{
		MaxLine:        64 << 10,
		MaxName:        1 << 10,
		MaxTags:        100,
		MaxTagKey:      1 << 10,
		MaxTagValue:    2 << 10,
		MaxValues:      10_000,
		MaxMember:      256,
		MaxDepth:       32,
		Past:           24 * 60 * 60 * 1000,
		Future:         10 * 60 * 1000,
		ReservedPrefix: ReservedPrefix,
	}
}
