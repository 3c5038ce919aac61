package config

import "reflect"

// Change is what a reload finds in a new configuration.
type Change struct {
	Live    []string // keys that take effect in the running daemon
	Waiting []string // keys that take effect at the next start
}

// Empty says that nothing is new.
func (c Change) Empty() bool { return len(c.Live)+len(c.Waiting) == 0 }

// Merge returns the configuration that a running daemon has after a reload:
// next where it can change live, and running elsewhere.
func Merge(running, next Config) (Config, Change) {
	merged := running
	var c Change
	was, now, out := fields(&running), fields(&next), fields(&merged)
	for i, f := range now {
		switch {
		case f.value.Equal(was[i].value):
		case f.live:
			out[i].value.Set(f.value)
			c.Live = append(c.Live, f.key)
		default:
			c.Waiting = append(c.Waiting, f.key)
		}
	}
	if !reflect.DeepEqual(running.SLO, next.SLO) {
		merged.SLO = next.SLO
		c.Live = append(c.Live, sloSection)
	}
	return merged, c
}
