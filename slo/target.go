package slo

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Target is the share of good events that is asked for. It keeps the text it
// was written as, so that a report says 99.90 where the file does.
type Target struct {
	written string
	ratio   *big.Rat
}

// maxTargetText bounds the text of a target: nine nines have 13 characters.
const maxTargetText = 32

// ParseTarget reads an exact decimal percentage between 0 and 100, both
// excluded: a target of 100 has no budget, and every rate of errors burns it
// infinitely fast.
func ParseTarget(s string) (Target, error) {
	ratio, err := parsePercent(s)
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", clip(s), err)
	}
	return Target{written: s, ratio: ratio}, nil
}

func parsePercent(s string) (*big.Rat, error) {
	whole, decimals, point := strings.Cut(s, ".")
	switch {
	case len(s) > maxTargetText:
		return nil, fmt.Errorf("longer than %d characters", maxTargetText)
	case !digits(whole), point && !digits(decimals):
		return nil, errors.New(`not a decimal number of percent such as "99.9"`)
	}
	percent, _ := new(big.Rat).SetString(s)
	if percent.Sign() <= 0 || percent.Cmp(hundred) >= 0 {
		return nil, errors.New("not above 0 and below 100 percent")
	}
	return FromPercent(percent), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// String is the target as it was written, without a sign of percent.
func (t Target) String() string { return t.written }

// Ratio is the share of good events asked for, between 0 and 1.
func (t Target) Ratio() *big.Rat { return copyOf(t.ratio) }

// ErrorRatio is the share of bad events allowed: 1 - Ratio.
func (t Target) ErrorRatio() *big.Rat { return sub(one, t.ratio) }

// MaxBurn is the burn rate of a total outage, 1/(1-target). No burn rate
// exceeds it.
func (t Target) MaxBurn() *big.Rat { return quo(one, t.ErrorRatio()) }

// MetBy says whether the SLI reaches the target. Equality does.
func (t Target) MetBy(sli *big.Rat) bool { return orZero(sli).Cmp(orZero(t.ratio)) >= 0 }

// MarshalText writes the target as it was written.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.written), nil }

// UnmarshalText reads a target.
func (t *Target) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTarget(string(text))
	return err
}
