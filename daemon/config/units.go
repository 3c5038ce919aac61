package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as people write it: "100ms", "10s", "24h", "7d". A
// bare number is refused, because its unit would be a guess.
type Duration time.Duration

// UnmarshalText reads the written form.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n <= 36_500 {
			*d = Duration(n * 24 * float64(time.Hour))
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration: write a number and a unit, such as 100ms, 10s, 24h or 7d", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string { return time.Duration(d).String() }

// Milliseconds returns the span in milliseconds.
func (d Duration) Milliseconds() int64 { return time.Duration(d).Milliseconds() }

// Size is a number of bytes: "64KiB", "1MB", "16MiB", or a bare number.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// UnmarshalText reads the written form.
func (z *Size) UnmarshalText(b []byte) error {
	s, unit := string(b), 1.0
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 || n*unit > 1<<50 {
		return fmt.Errorf("%q is no size: write bytes or a unit, such as 64KiB, 16MiB or 1GB", b)
	}
	*z = Size(n * unit)
	return nil
}

// MarshalText writes the form that UnmarshalText reads.
func (z Size) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

func (z Size) String() string {
	for _, u := range []int{2, 1, 0} {
		if b := int64(sizeUnits[u].bytes); int64(z) >= b && int64(z)%b == 0 {
			return strconv.FormatInt(int64(z)/b, 10) + sizeUnits[u].suffix
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// Ratio is a share, 0 to 1.
type Ratio float64

// UnmarshalText reads the written form.
func (r *Ratio) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(v) {
		return fmt.Errorf("%q is no share: write a number from 0 to 1, such as 0.01", b)
	}
	*r = Ratio(v)
	return nil
}

// MarshalText writes the form that UnmarshalText reads.
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) }

// Secret is a value that shows itself to nobody who does not ask: it prints as
// ***, in logs, errors and answers alike.
type Secret string

const hidden = "***"

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// UnmarshalText reads the value.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}
