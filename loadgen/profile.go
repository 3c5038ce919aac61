package loadgen

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Profiles names the shapes that Profile knows.
func Profiles() []string { return []string{"constant", "ramp", "burst", "spike"} }

// Burst: full rate for the first second of every five, a tenth of it between.
const (
	burstOn   = time.Second
	burstOff  = 4 * time.Second
	burstRest = 0.1
)

// Profile returns the pacer of a named shape that has rate as its peak.
//
//	constant  the rate, from beginning to end
//	ramp      from nothing to the rate, evenly
//	burst     the rate for one second in five, a tenth of it between
//	spike     from nothing to the rate in the first half, back in the second
func Profile(name string, rate float64, length time.Duration) (Pacer, error) {
	switch name {
	case "constant", "":
		return newPacer([]stretch{{length, rate, rate}}), nil
	case "ramp":
		return newPacer([]stretch{{length, 0, rate}}), nil
	case "spike":
		return newPacer([]stretch{{length / 2, 0, rate}, {length - length/2, rate, 0}}), nil
	case "burst":
		var all []stretch
		for left := length; left > 0; left -= burstOn + burstOff {
			all = append(all, stretch{min(left, burstOn), rate, rate},
				stretch{min(left-burstOn, burstOff), rate * burstRest, rate * burstRest})
		}
		return newPacer(all), nil
	}
	return Pacer{}, fmt.Errorf("%q is none of %s", name, strings.Join(Profiles(), ", "))
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
