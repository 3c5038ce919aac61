package protocol

// Reason is why a unit was refused. The set is closed: it labels metrics and
// ledger terms, and its numbers stand in the log, so values are only ever
// appended.
type Reason uint8

const (
	Accepted         Reason = 0
	Syntax           Reason = 1  // no colon, two tag styles, a fragment that is no line, an empty tag key
	EmptyName        Reason = 2  // nothing before the colon, or JSON without a name
	EmptyValue       Reason = 3  // nothing between colon and bar, or JSON without a value
	MissingType      Reason = 4  // no type section
	UnknownType      Reason = 5  // a type outside the six, or in the wrong case
	Number           Reason = 6  // not a decimal number
	NonFinite        Reason = 7  // NaN or an infinity
	Range            Reason = 8  // beyond float64
	SampleRate       Reason = 9  // not in [1e-6, 1]
	DuplicateSection Reason = 10 // the same section twice
	NegativeDuration Reason = 11 // a timer below zero
	DuplicateTag     Reason = 12 // one tag key with two values
	ControlChar      Reason = 13 // a control character anywhere in the line
	UTF8             Reason = 14 // bytes that are no UTF-8
	NameCharset      Reason = 15 // a name outside [A-Za-z_][A-Za-z0-9_.:/-]*
	ReservedName     Reason = 16 // the daemon's own prefix
	LineTooLong      Reason = 17
	TooManyTags      Reason = 18
	TagTooLong       Reason = 19
	NameTooLong      Reason = 20
	TooManyValues    Reason = 21
	MemberTooLong    Reason = 22
	TooOld           Reason = 23
	Future           Reason = 24
	Timestamp        Reason = 25 // malformed
	Partial          Reason = 26 // a fragment cut off by a reset
	WrongProtocol    Reason = 27 // another protocol's first bytes
	JSONSyntax       Reason = 28
	JSONType         Reason = 29 // a JSON value of the wrong kind
	JSONDepth        Reason = 30
	DuplicateKey     Reason = 31 // a JSON key twice, or in another case
	TagType          Reason = 32 // tags that are neither object nor list of "k:v"
	Event            Reason = 33 // a malformed _e{}
	ServiceCheck     Reason = 34 // a malformed _sc
	BatchTooLarge    Reason = 35
	Conflict         Reason = 36 // another value of a raw series at a time that has one
	TooManySeries    Reason = 37 // a raw series beyond the budget, which no overflow series can stand for
)

// NumReasons is one more than the highest Reason.
const NumReasons = int(TooManySeries) + 1

var reasonNames = [NumReasons]string{
	"accepted", "syntax", "empty_name", "empty_value", "missing_type", "unknown_type", "number", "non_finite",
	"range", "sample_rate", "duplicate_section", "negative_duration", "duplicate_tag", "control_char", "utf8",
	"name_charset", "reserved_name", "line_too_long", "too_many_tags", "tag_too_long", "name_too_long",
	"too_many_values", "member_too_long", "too_old", "future", "timestamp", "partial", "wrong_protocol",
	"json_syntax", "json_type", "json_depth", "duplicate_key", "tag_type", "event", "service_check",
	"batch_too_large", "conflict", "too_many_series",
}

// String returns the name that metrics, the ledger and the API use.
func (r Reason) String() string {
	if int(r) < NumReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Shed is why a well-formed unit was not kept. Closed and append-only, as
// Reason is.
type Shed uint8

const (
	ShedCrash   Shed = 0 // received, not yet logged when the process was killed
	ShedMemory  Shed = 1 // refused at a hard memory limit
	ShedDisk    Shed = 2 // refused because the log could not be written
	ShedDropped Shed = 3 // a dead letter that an operator dropped
)

// NumSheds is one more than the highest Shed.
const NumSheds = int(ShedDropped) + 1

var shedNames = [NumSheds]string{"crash", "memory", "disk", "dropped"}

// String returns the name that metrics, the ledger and the API use.
func (s Shed) String() string {
	if int(s) < NumSheds {
		return shedNames[s]
	}
	return "unknown"
}
