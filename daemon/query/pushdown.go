package query

import (
	"regexp"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// storedMatchers select a metric in the store, narrowed by what the selector says
// of labels as far as the store can tell it. What is found is held against the
// labels afterwards: a matcher may be left out here, and must never drop a series
// that its label matcher keeps.
func storedMatchers(n storage.Name, ms []*labels.Matcher) ([]series.Matcher, error) {
	name, err := series.NewMatcher(series.NameTag, series.Equal, n.Name)
	if err != nil {
		return nil, err
	}
	typ, err := series.NewMatcher(series.TypeTag, series.Equal, n.Type.String())
	if err != nil {
		return nil, err
	}
	list := []series.Matcher{name, typ}
	for _, m := range ms {
		if one, ok := pushed(n.Type, m); ok {
			list = append(list, one)
		}
	}
	return list, nil
}

// pushed returns the store's matcher for a label's, where there is one that keeps
// every series that the label's does.
//
// The labels of raw samples are their tags. Of other series several tag keys can
// become one label, whose value is that of the first in key order: a.b and a_b. A
// series whose tag has the label's own name may therefore show the value of another
// tag, and one without it may show one all the same, so that no single tag tells. It
// does where the label's name can come from one key alone.
func pushed(t protocol.Type, m *labels.Matcher) (one series.Matcher, ok bool) {
	if m.Name == nameLabel || t != protocol.Raw && !onlyKey(m.Name) {
		return one, false
	}
	op := matchOps[m.Type]
	if (op == series.Regexp || op == series.NotRegexp) && !alone(m.Value) {
		return one, false
	}
	one, err := series.NewMatcher(m.Name, op, m.Value)
	return one, err == nil // an expression too long for the store is tried on the labels
}

// onlyKey reports a label that shows the tag of its own name and no other: one
// without an underscore, for that is what every character that labels cannot hold
// becomes.
func onlyKey(label string) bool {
	for i := range len(label) {
		switch c := label[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', i > 0 && c >= '0' && c <= '9':
		default:
			return false
		}
	}
	return label != ""
}

// alone reports an expression that is one by itself, as "a)|(b" is not: only between
// the engine's own parentheses.
func alone(pattern string) bool {
	_, err := regexp.Compile(pattern)
	return err == nil
}
