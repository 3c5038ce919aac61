package loadgen

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Pacer says when what is due. It is a pure function of time: send n (from 0)
// is due at start + n/rate, whatever happened to the sends before. A sender
// that falls behind therefore owes what it has missed, and its latency counts
// from the moment that was intended.
type Pacer struct {
	Rate float64 // sends a second, > 0
}

// Due returns how many sends are due at elapsed since the start.
func (p Pacer) Due(elapsed time.Duration) int64 {
	if elapsed < 0 {
		return 0
	}
	return int64(elapsed.Seconds()*p.Rate) + 1
}

// At returns when send n is due, since the start.
func (p Pacer) At(n int64) time.Duration {
	return time.Duration(float64(n) / p.Rate * float64(time.Second))
}

// ParseRate reads a rate: a number, with k, M or G for thousands, millions and
// billions, and optionally /s.
func ParseRate(s string) (float64, error) {
	digits := strings.TrimSuffix(strings.TrimSpace(s), "/s")
	unit := 1.0
	for suffix, factor := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, unit = rest, factor
			break
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v > 0 && v*unit <= 1e10) {
		return 0, fmt.Errorf("%q is no rate: write lines a second, such as 500, 200k or 1M", s)
	}
	return v * unit, nil
}
