package loadgen

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/protocol"
)

// Format is the language of the lines.
type Format string

const (
	Text Format = "text"
	JSON Format = "json"
)

// Shape is what the lines look like.
type Shape struct {
	Format Format  // default Text
	Prefix string  // of names; default "load"
	Series int     // different series; default 1000
	Zipf   float64 // skew: series n comes 1/n^Zipf as often as the first; 0 is even
	Tags   int     // tags of a line
	Types  []Share // default DefaultTypes
	Values string  // of ValueKinds; default "uniform"
	Seed   uint64
}

// Share is how many of the names, in proportion, have a type.
type Share struct {
	Type   protocol.Type
	Weight int
}

// DefaultTypes is the mix of a usual service.
func DefaultTypes() []Share {
	return []Share{{protocol.Counter, 3}, {protocol.Gauge, 1}, {protocol.Histogram, 1}}
}

// maxWeight bounds the sum of a mix's weights.
const maxWeight = 1000

// TypesPeriod is after how many series the types of DefaultTypes come again: that of
// series 0 is a counter's.
func TypesPeriod() (n int) {
	for _, s := range DefaultTypes() {
		n += s.Weight
	}
	return n
}

// ParseTypes reads a mix, such as "counter:3,gauge:1,histogram:1".
func ParseTypes(s string) ([]Share, error) {
	var mix []Share
	sum := 0
	for part := range strings.SplitSeq(s, ",") {
		name, weight, weighted := strings.Cut(strings.TrimSpace(part), ":")
		t, ok := protocol.ParseType(name)
		n := 1
		if weighted {
			n, _ = strconv.Atoi(weight)
		}
		if sum += n; !ok || n < 1 || sum > maxWeight {
			return nil, fmt.Errorf("%q is no share of a type: write counter:3,gauge:1,histogram:1, with weights of %d at most in all", part, maxWeight)
		}
		mix = append(mix, Share{t, n})
	}
	return mix, nil
}

// ValueKinds names the distributions of values.
func ValueKinds() []string { return []string{"uniform", "normal", "exponential", "constant"} }

// complete fills in the defaults.
func (s Shape) complete() Shape {
	if s.Format == "" {
		s.Format = Text
	}
	if s.Prefix == "" {
		s.Prefix = "load"
	}
	if s.Series == 0 {
		s.Series = 1000
	}
	if len(s.Types) == 0 {
		s.Types = DefaultTypes()
	}
	return s
}

// Check returns what is wrong with the shape.
func (s Shape) Check() error {
	s = s.complete()
	switch {
	case s.Format != Text && s.Format != JSON:
		return fmt.Errorf("format %q is none of text, json", s.Format)
	case s.Series < 1 || s.Series > 10_000_000:
		return fmt.Errorf("%d series are not from 1 to 10M", s.Series)
	case s.Tags < 0 || s.Tags > 20:
		return fmt.Errorf("%d tags are not from 0 to 20", s.Tags)
	case s.Zipf < 0 || s.Zipf > 10 || math.IsNaN(s.Zipf):
		return fmt.Errorf("a skew of %v is not from 0 to 10", s.Zipf)
	case s.Values != "" && !slices.Contains(ValueKinds(), s.Values):
		return fmt.Errorf("values %q are none of %s", s.Values, strings.Join(ValueKinds(), ", "))
	}
	return s.checkPrefix()
}

func (s Shape) checkPrefix() error {
	line := s.Prefix + ".counter.0:1|c"
	if _, fault := protocol.NewParser(protocol.DefaultLimits()).Text([]byte(line)); fault.Reason != protocol.Accepted {
		return fmt.Errorf("with prefix %q every line would be refused: %s", s.Prefix, fault.Reason)
	}
	if strings.ContainsAny(s.Prefix, `,[#"\`) || len(s.Prefix) > 500 {
		return fmt.Errorf("prefix %q is not part of a name", s.Prefix)
	}
	return nil
}
