package query

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// newParser reads PromQL in which names with dots may stand as they are sent.
func newParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableUnquotedUTF8Names: true, EnableExperimentalFunctions: true, EnableBinopFillModifiers: true})
}

// ParseSelector reads metric.name{tag="value",other=~"re.*"}: the name as sent
// and conditions on tags, in PromQL's syntax. types, where given, are the only
// types that match.
func ParseSelector(s string, types ...protocol.Type) ([]series.Matcher, error) {
	expr, err := newParser().ParseExpr(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no selector: %w", s, err)
	}
	v, ok := expr.(*parser.VectorSelector)
	if !ok || v.OriginalOffset != 0 || v.Timestamp != nil || v.StartOrEnd != 0 {
		return nil, fmt.Errorf("%q is no plain selector: write name{tag=\"value\"}", s)
	}
	var ms []series.Matcher
	for _, m := range v.LabelMatchers {
		tag := m.Name
		if tag == nameLabel {
			tag = series.NameTag
		}
		one, err := series.NewMatcher(tag, matchOps[m.Type], m.Value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		ms = append(ms, one)
	}
	return appendTypes(ms, types)
}

var matchOps = map[labels.MatchType]series.MatchOp{
	labels.MatchEqual: series.Equal, labels.MatchNotEqual: series.NotEqual,
	labels.MatchRegexp: series.Regexp, labels.MatchNotRegexp: series.NotRegexp,
}

func appendTypes(ms []series.Matcher, types []protocol.Type) ([]series.Matcher, error) {
	if len(types) == 0 {
		return ms, nil
	}
	names := ""
	for _, t := range types {
		if names != "" {
			names += "|"
		}
		names += t.String()
	}
	m, err := series.NewMatcher(series.TypeTag, series.Regexp, names)
	return append(ms, m), err
}
