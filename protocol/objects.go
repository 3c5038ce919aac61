package protocol

// Objects cuts an HTTP body into its units: one object, the elements of an array,
// or the lines of NDJSON. It only finds where units end; Parser.JSON judges each,
// so that a bad unit is one unit, and also what is no object comes out as one.
//
// A body that begins with '[' is an array. Another is one object if it is nothing
// but that, over however many lines; else each line that is not blank is a unit.
type Objects struct {
	body  []byte
	at    int
	end   int // of the one object
	shape shape
	begun bool // an array's first element is out
	done  bool
	fault Fault
}

type shape uint8

const (
	linesShape shape = iota
	objectShape
	arrayShape
)

// NewObjects begins to cut body, which it neither copies nor changes.
func NewObjects(body []byte) *Objects {
	o := &Objects{body: body, at: blanks(body)}
	switch o.peek() {
	case '[':
		o.at++
		o.shape = arrayShape
	case '{':
		end := valueEnd(body, o.at)
		if end > 0 && end+blanks(body[end:]) == len(body) {
			o.shape, o.end = objectShape, end
		}
	}
	return o
}

// Next returns the next unit, a view into the body. ok is false after the last
// one, and where the body is broken: see Fault.
func (o *Objects) Next() (unit []byte, ok bool) {
	switch {
	case o.done:
		return nil, false
	case o.shape == arrayShape:
		return o.element()
	case o.shape == objectShape:
		o.done = true
		return o.body[o.at:o.end], true
	}
	for o.at < len(o.body) {
		line, rest := NextLine(o.body[o.at:])
		o.at = len(o.body) - len(rest)
		if blanks(line) < len(line) {
			return line, true
		}
	}
	o.done = true
	return nil, false
}

// Fault tells where an array is broken. It is known only when Next has returned
// false: whoever must refuse a broken body whole walks it twice.
func (o *Objects) Fault() Fault { return o.fault }

// element returns the next element of an array.
func (o *Objects) element() (unit []byte, ok bool) {
	o.space()
	switch {
	case o.peek() == ']':
		return nil, o.close()
	case !o.begun:
		o.begun = true
	case o.peek() == ',':
		o.at++
		o.space()
	default:
		return nil, o.broken()
	}
	end := valueEnd(o.body, o.at)
	if end <= o.at {
		return nil, o.broken()
	}
	unit = o.body[o.at:end]
	o.at = end
	return unit, true
}

// close ends an array, after which nothing may stand.
func (o *Objects) close() (ok bool) {
	o.at++
	o.space()
	if o.at < len(o.body) {
		return o.broken()
	}
	o.done = true
	return false
}

func (o *Objects) broken() (ok bool) {
	o.fault = Fault{JSONSyntax, o.at}
	o.done = true
	return false
}

func (o *Objects) space() { o.at += blanks(o.body[o.at:]) }

func (o *Objects) peek() byte {
	if o.at < len(o.body) {
		return o.body[o.at]
	}
	return 0
}

// blanks returns how many bytes of JSON's white space b begins with.
func blanks(b []byte) int {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return i
		}
	}
	return len(b)
}

// valueEnd returns where the JSON value that begins at from ends, 0 where it does
// not. It heeds strings and counts brackets, of whatever kind; a number or a word
// ends where one must.
func valueEnd(b []byte, from int) int {
	depth := 0
	for i := from; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return 0
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			if depth == 0 && i+1 < len(b) {
				continue
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return 0
}

// stringEnd returns where the string's closing quote is, below 0 where none is.
func stringEnd(b []byte, from int) int {
	for i := from + 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}
