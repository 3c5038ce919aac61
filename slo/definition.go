package slo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Definition is an objective as a file has it, a section [[slo]]. It is checked
// and understood by Compile.
type Definition struct {
	Name        string `toml:"name" json:"name"`
	Description string `toml:"description" json:"description,omitempty"`
	Target      string `toml:"target" json:"target"`
	Window      string `toml:"window" json:"window"`
	TimeZone    string `toml:"time_zone" json:"time_zone,omitempty"`

	// The indicator is one of these.
	Ratio     *Ratio     `toml:"ratio" json:"ratio,omitempty"`
	Threshold *Threshold `toml:"threshold" json:"threshold,omitempty"`
}

// Ratio counts events with counters: all of them, and either the good or the
// bad ones. What is bad is taken from the total.
type Ratio struct {
	Good  Selectors `toml:"good" json:"good,omitempty"`
	Bad   Selectors `toml:"bad" json:"bad,omitempty"`
	Total Selectors `toml:"total" json:"total"`
}

// Threshold counts the observations of a distribution; those at or below a
// value, in the metric's unit, are good.
type Threshold struct {
	Metric string   `toml:"metric" json:"metric"`
	Below  *float64 `toml:"below" json:"below"` // a pointer, so that a missing value is not 0
}

// Selectors choose series, as metric.name{tag="value",other=~"re.*"}. What
// several of them choose is added up. A file may write one as a plain string.
// They stay text here: the Source parses them.
type Selectors []string

// UnmarshalTOML takes a string or an array of strings.
func (s *Selectors) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		*s = Selectors{v}
		return nil
	case []any:
		list := make(Selectors, 0, len(v))
		for _, element := range v {
			text, ok := element.(string)
			if !ok {
				return errSelectors
			}
			list = append(list, text)
		}
		*s = list
		return nil
	}
	return errSelectors
}

// UnmarshalJSON takes a string or an array of strings.
func (s *Selectors) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil && string(data) != "null" {
		*s = Selectors{text}
		return nil
	}
	var list []string
	if json.Unmarshal(data, &list) != nil {
		return errSelectors
	}
	*s = list
	return nil
}

var errSelectors = errors.New("a selector is a string, or an array of strings")

// Bounds of what a definition may hold.
const (
	maxDescription = 1024
	maxSelector    = 1024
	maxSelectors   = 32
)

// Validate returns every fault of the definition, each with the field it is in.
func (d Definition) Validate() error {
	_, err := d.Compile()
	return err
}

// Compile checks the definition and gives the objective it describes. The error
// is that of Validate.
func (d Definition) Compile() (Objective, error) {
	target, targetErr := ParseTarget(d.Target)
	window, windowErr := d.window()
	err := errors.Join(
		at("name", checkName(d.Name)),
		at("description", checkText(d.Description, maxDescription)),
		at("target", targetErr),
		windowErr,
		d.checkIndicator(),
	)
	if err != nil {
		return Objective{}, err
	}
	o := Objective{Name: d.Name, Description: d.Description, Target: target, Window: window}
	if d.Ratio != nil {
		ratio := *d.Ratio
		o.Ratio = &ratio
	}
	if d.Threshold != nil {
		o.Threshold = &Limit{Metric: d.Threshold.Metric, AtMost: *d.Threshold.Below}
	}
	return o, nil
}

// CompileAll compiles a file's definitions. Every fault of every one is in the
// error, with the definition it is in; a name stands once.
func CompileAll(definitions []Definition) ([]Objective, error) {
	var faults []error
	objectives := make([]Objective, 0, len(definitions))
	first := map[string]int{}
	for i, d := range definitions {
		o, err := d.Compile()
		for _, fault := range each(err) {
			faults = append(faults, fmt.Errorf("slo[%d] %q: %w", i, clip(d.Name), fault))
		}
		if before, ok := first[d.Name]; ok && d.Name != "" {
			faults = append(faults, fmt.Errorf("slo[%d] %q: name: slo[%d] has it", i, clip(d.Name), before))
		} else {
			first[d.Name] = i
		}
		objectives = append(objectives, o)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return objectives, nil
}

// each takes joined errors apart, so that every one of them gets its own line.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var flat []error
	for _, e := range joined.Unwrap() {
		flat = append(flat, each(e)...)
	}
	return flat
}

// at names the field of a fault.
func at(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

func (d Definition) window() (Window, error) {
	_, zoneErr := ParseZone(d.TimeZone)
	if _, err := ParseWindow(d.Window, ""); zoneErr != nil || err != nil {
		return Window{}, errors.Join(at("window", err), at("time_zone", zoneErr))
	}
	return ParseWindow(d.Window, d.TimeZone)
}

func (d Definition) checkIndicator() error {
	switch {
	case d.Ratio == nil && d.Threshold == nil:
		return errors.New("ratio, threshold: one of them is needed")
	case d.Ratio != nil && d.Threshold != nil:
		return errors.New("ratio, threshold: only one of them may be there")
	case d.Ratio != nil:
		return d.Ratio.check()
	}
	return d.Threshold.check()
}

func (r Ratio) check() error {
	var one error
	switch {
	case len(r.Good) == 0 && len(r.Bad) == 0:
		one = errors.New("ratio.good, ratio.bad: one of them is needed")
	case len(r.Good) > 0 && len(r.Bad) > 0:
		one = errors.New("ratio.good, ratio.bad: only one of them may be there")
	}
	var none error
	if len(r.Total) == 0 {
		none = errors.New("ratio.total: missing")
	}
	return errors.Join(one, r.Good.check("ratio.good"), r.Bad.check("ratio.bad"), none, r.Total.check("ratio.total"))
}

func (s Selectors) check(field string) error {
	if len(s) > maxSelectors {
		return fmt.Errorf("%s: %d selectors, %d at most", field, len(s), maxSelectors)
	}
	var faults []error
	for i, selector := range s {
		faults = append(faults, at(fmt.Sprintf("%s[%d]", field, i), checkSelector(selector)))
	}
	return errors.Join(faults...)
}

func (t Threshold) check() error {
	var below error
	switch {
	case t.Below == nil:
		below = errors.New("missing")
	case math.IsNaN(*t.Below), math.IsInf(*t.Below, 0):
		below = errors.New("not a finite number")
	}
	return errors.Join(at("threshold.metric", checkSelector(t.Metric)), at("threshold.below", below))
}

func checkSelector(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("empty")
	}
	return checkText(s, maxSelector)
}

func checkText(s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%d bytes, %d at most", len(s), most)
	case !utf8.ValidString(s):
		return errors.New("not UTF-8")
	}
	return nil
}

// maxName bounds a name, which stands in paths and in the first column of tables.
const maxName = 64

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("missing")
	case len(name) > maxName:
		return fmt.Errorf("%d bytes, %d at most", len(name), maxName)
	case name[0] == '-', strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fmt.Errorf("%q: only a-z, 0-9 and -, which is not first", clip(name))
	}
	return nil
}
