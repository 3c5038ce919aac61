package protocol

import "bytes"

// JSON reads one object:
//
//	{"name":"…", "value":n | "values":[n,…], "type":"counter"|"c"|…,
//	 "tags":{"k":"v",…} | ["k:v",…], "rate":n,
//	 "timestamp":<Unix seconds, fractions allowed> | "<RFC 3339>", "timestamp_ms":n}
//
// Name and value are required; the type is gauge where none is given; the value
// of a set is a string. A gauge's number is absolute, below zero too: deltas are
// for text alone. Keys are matched exactly, and a key twice, a known key in
// another case, or two keys for one thing are DuplicateKey. Unknown keys are
// skipped and counted.
//
// What is read is held to the rules of text. Keys in the order name, value, type,
// rate, tags, timestamp give a line with several faults the same verdict; what an
// object lacks counts as missing where text would have it.
//
// See Line for what is returned.
func (p *Parser) JSON(line []byte) (*Metric, Fault) {
	if len(line) > p.limits.MaxLine {
		return nil, Fault{LineTooLong, p.limits.MaxLine}
	}
	p.reset()
	p.fields = fields{}
	s := &p.scan
	s.begin(line, p.limits.MaxDepth)
	complete := p.object(s)
	p.judgeFields(s, complete)
	return p.finish(settle(s.grammar, s.char))
}

// The known keys.
const (
	nameField = 1 << iota
	valueField
	valuesField
	typeField
	tagsField
	timeField
	millisField
	rateField
)

// valueKind is what a value turned out to be.
type valueKind uint8

const (
	noValue valueKind = iota
	numberValue
	stringValue
	otherValue // of no kind that a value can have: noted already
)

// fields is what an object holds beside what the Metric already has: the parts
// whose rules depend on a field that may stand further right.
type fields struct {
	seen    uint
	nameEnd int

	kind              valueKind
	member            []byte // of a stringValue
	bad               fault  // the first bad number; those before it are in Parser.values
	valueAt, valueEnd int

	rate            float64
	rateAt, rateEnd int // both 0 where no number was read
}

// object reads the object and notes what each field tells by itself.
func (p *Parser) object(s *scanner) (ok bool) {
	s.space()
	if s.peek() != '{' {
		s.wrongKind(JSONType)
		return false
	}
	more, ok := s.open('}')
	for more && ok {
		at := s.i
		key, isKey := s.str()
		if !isKey || !s.colon() || !p.field(s, key, at) {
			return false
		}
		more, ok = s.next('}')
	}
	if !ok {
		return false
	}
	if s.space(); s.i < len(s.b) {
		return s.unexpected()
	}
	return true
}

// fieldOf returns the field of a key, 0 where the key is unknown, and the fields
// that may not stand beside it.
func fieldOf(key []byte) (field, excluded uint) {
	switch string(key) {
	case "name":
		return nameField, nameField
	case "value":
		return valueField, valueField | valuesField
	case "values":
		return valuesField, valueField | valuesField
	case "type":
		return typeField, typeField
	case "tags":
		return tagsField, tagsField
	case "timestamp":
		return timeField, timeField | millisField
	case "timestamp_ms":
		return millisField, timeField | millisField
	case "rate":
		return rateField, rateField
	}
	return 0, 0
}

var knownKeys = [...][]byte{
	[]byte("name"), []byte("value"), []byte("values"), []byte("type"), []byte("tags"),
	[]byte("timestamp"), []byte("timestamp_ms"), []byte("rate"),
}

// beginsKnown marks the letters, in either case, that a known key begins with. No
// other character folds to one of them.
var beginsKnown = func() (table [256]bool) {
	for _, known := range knownKeys {
		table[known[0]], table[known[0]-'a'+'A'] = true, true
	}
	return table
}()

// variantOf returns the field whose key this one is in another case, 0 for none.
// Other readers would take the one for the other, so that two readers could see
// two metrics.
func variantOf(key []byte) (field uint) {
	if len(key) == 0 || !beginsKnown[key[0]] {
		return 0
	}
	for _, known := range knownKeys {
		if bytes.EqualFold(key, known) {
			field, _ = fieldOf(known)
		}
	}
	return field
}

// field reads the value of one key, which stands at at.
func (p *Parser) field(s *scanner, key []byte, at int) (ok bool) {
	field, excluded := fieldOf(key)
	if field == 0 {
		return p.otherField(s, key, at)
	}
	if p.fields.seen&excluded != 0 {
		s.note(fault{DuplicateKey, at, at})
		return s.skip()
	}
	p.fields.seen |= field
	switch field {
	case nameField:
		return p.jsonName(s)
	case valueField:
		return p.jsonValue(s)
	case valuesField:
		return p.jsonValues(s)
	case typeField:
		return p.jsonType(s)
	case tagsField:
		return p.jsonTags(s)
	case rateField:
		return p.jsonRate(s)
	}
	return p.jsonTime(s, field)
}

// otherField passes over the value of a key that is not known.
func (p *Parser) otherField(s *scanner, key []byte, at int) (ok bool) {
	variant := variantOf(key)
	if variant == 0 {
		p.metric.IgnoredSections++
		return s.skip()
	}
	s.note(fault{DuplicateKey, at, at})
	p.fields.seen |= variant // it is not missing, too
	if variant == nameField {
		p.fields.nameEnd = at
	}
	return s.skip()
}

// judgeFields applies the rules that need more than one field, and asks for what
// is missing where the object could be read to its end.
func (p *Parser) judgeFields(s *scanner, complete bool) {
	f := &p.fields
	if f.seen&typeField == 0 {
		if !complete {
			s.note(f.bad) // the type may stand in what could not be read
			return
		}
		p.metric.Type = Gauge
	}
	s.note(p.judgeValue())
	if f.rateEnd > 0 && !p.ignoresRate() {
		s.note(fault{p.setRate(f.rate), f.rateAt, f.rateEnd})
	}
	if complete && f.seen&(valueField|valuesField) == 0 {
		s.note(fault{EmptyValue, f.nameEnd, f.nameEnd})
	}
	if complete && f.seen&nameField == 0 {
		s.grammar = fault{reason: EmptyName}
	}
}

// judgeValue holds the value to the type: a set wants a string, all others want
// numbers, and durations none below zero.
func (p *Parser) judgeValue() fault {
	f := &p.fields
	isSet := p.metric.Type == Set
	switch {
	case f.kind == stringValue && isSet:
		return p.setMember(f.member, f.valueAt, f.valueEnd)
	case f.kind == stringValue, f.kind == numberValue && isSet:
		return fault{JSONType, f.valueAt, f.valueAt}
	case f.kind != numberValue:
		return fault{}
	}
	p.metric.ValueAt, p.metric.ValueEnd = f.valueAt, f.valueEnd
	if p.metric.Type == Timer {
		for _, v := range p.values {
			if v.Number < 0 {
				return fault{NegativeDuration, f.valueAt, f.valueEnd}
			}
		}
	}
	return f.bad
}
