package protocol

import "strconv"

// rules says in words what each reason is about.
var rules = [NumReasons]string{
	Syntax:           "not of the form name:value|type",
	EmptyName:        "the name is empty",
	EmptyValue:       "the value is empty",
	MissingType:      "the type is missing",
	UnknownType:      "the type is none of c, g, ms, h, d, s",
	Number:           "the value is no decimal number",
	NonFinite:        "the value is not finite",
	Range:            "the value is too large",
	SampleRate:       "the sampling rate is not between 0.000001 and 1",
	DuplicateSection: "a section comes twice",
	NegativeDuration: "a duration is negative",
	DuplicateTag:     "a tag comes twice with two values",
	ControlChar:      "a control character",
	UTF8:             "not UTF-8",
	NameCharset:      "the name has characters outside A-Z a-z 0-9 _ . : / - or begins with none of A-Z a-z _",
	ReservedName:     "the name's prefix is the daemon's own",
	LineTooLong:      "the line is too long",
	TooManyTags:      "too many tags",
	TagTooLong:       "a tag is too long",
	NameTooLong:      "the name is too long",
	TooManyValues:    "too many values",
	MemberTooLong:    "the set member is too long",
	TooOld:           "the timestamp is too old",
	Future:           "the timestamp lies in the future",
	Timestamp:        "the timestamp is malformed",
	Partial:          "the line was cut off",
	WrongProtocol:    "another protocol",
	JSONSyntax:       "not one JSON object",
	JSONType:         "a JSON value of the wrong kind",
	JSONDepth:        "nested too deep",
	DuplicateKey:     "a key comes twice, or in another case",
	TagType:          "tags are neither an object of strings nor a list of \"key:value\"",
	Event:            "not of the form _e{title bytes,text bytes}:title|text, or a section of it holds what may not stand there",
	ServiceCheck:     "not of the form _sc|name|status with a status of 0 to 3, or a section of it holds what may not stand there",
	BatchTooLarge:    "the batch is too large",
	Conflict:         "the series has another value at this time already",
	TooManySeries:    "the series is beyond ingest.max_series",
}

// Detail says in words what rule was broken and where.
func (f Fault) Detail() string {
	rule := ""
	if int(f.Reason) < NumReasons {
		rule = rules[f.Reason]
	}
	return rule + " (byte " + strconv.Itoa(f.Column) + ")"
}
