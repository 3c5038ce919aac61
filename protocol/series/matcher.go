package series

import (
	"errors"
	"fmt"
	"regexp"
)

// Reserved tag keys of matchers: no line can send them, because a tag key that
// holds a NUL is refused at every door.
const (
	NameTag = "\x00name" // the metric's name
	TypeTag = "\x00type" // the metric's type, in its long form
)

// MatchOp is how a Matcher compares.
type MatchOp uint8

const (
	Equal MatchOp = iota + 1
	NotEqual
	Regexp
	NotRegexp
)

// maxPattern bounds a regular expression, in bytes. RE2 runs in linear time,
// but its program grows with the pattern.
const maxPattern = 1 << 10

// ErrPattern reports a regular expression that is too long or not one.
var ErrPattern = errors.New("bad regular expression")

// Matcher selects series by one tag, by name or by type. A series without the
// tag matches as if its value were empty. Regular expressions match the whole
// value.
type Matcher struct {
	Tag   string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns a matcher; it fails on a bad regular expression alone.
func NewMatcher(tag string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Tag: tag, Op: op, Value: value}
	if op != Regexp && op != NotRegexp {
		return m, nil
	}
	if len(value) > maxPattern {
		return m, fmt.Errorf("%w: longer than %d bytes", ErrPattern, maxPattern)
	}
	var err error
	if m.re, err = regexp.Compile("^(?s:" + value + ")$"); err != nil {
		return m, fmt.Errorf("%w: %w", ErrPattern, err)
	}
	return m, nil
}

// Matches reports whether the matcher takes a value.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case Equal:
		return value == m.Value
	case NotEqual:
		return value != m.Value
	case Regexp:
		return m.re.MatchString(value)
	case NotRegexp:
		return !m.re.MatchString(value)
	}
	return false
}

// MatchAll reports whether every matcher takes the key.
func MatchAll(ms []Matcher, k Key) bool {
	for _, m := range ms {
		value := ""
		switch m.Tag {
		case NameTag:
			value = k.Name
		case TypeTag:
			value = k.Type.String()
		default:
			value, _ = k.Tag(m.Tag)
		}
		if !m.Matches(value) {
			return false
		}
	}
	return true
}
