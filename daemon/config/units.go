package config

import (
	"fmt"
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
