// Package logs is what the daemon says on standard error: text on a terminal,
// JSON elsewhere, with a level for each component that can change while the
// daemon runs, and without drowning in a line that repeats.
package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Component is the attribute by which a logger says which part of the daemon
// it belongs to.
const Component = "component"

// Components are the parts that can have a level of their own.
var Components = []string{
	"aggregate", "api", "config", "daemon", "flush", "ingest", "lane", "maint", "query", "slo", "storage", "telemetry", "wal",
}

// root names the level of every component that has none of its own.
const root = "nexus"

// Levels are the levels of a daemon: a default, and those of components.
type Levels struct {
	Default    slog.Level
	components map[string]slog.Level
}

// ParseLevels reads "info", "info,storage=debug" or "nexus=warn,api=debug". It
// names every fault.
func ParseLevels(s string) (Levels, error) {
	l := Levels{Default: slog.LevelInfo, components: map[string]slog.Level{}}
	var errs []error
	for part := range strings.SplitSeq(s, ",") {
		name, text, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			name, text = root, name
		}
		level, err := parseLevel(text)
		switch {
		case err != nil:
			errs = append(errs, err)
		case name == root:
			l.Default = level
		case !slices.Contains(Components, name):
			errs = append(errs, fmt.Errorf("%q is no component: it must be one of %s", name, strings.Join(Components, ", ")))
		default:
			l.components[name] = level
		}
	}
	return l, errors.Join(errs...)
}

func parseLevel(s string) (slog.Level, error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(s, level.String()) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("%q is no level: it must be debug, info, warn or error", s)
}

// Of returns a component's level.
func (l Levels) Of(component string) slog.Level {
	if level, ok := l.components[component]; ok {
		return level
	}
	return l.Default
}

// String is the form that ParseLevels reads.
func (l Levels) String() string {
	var b strings.Builder
	b.WriteString(strings.ToLower(l.Default.String()))
	for _, name := range slices.Sorted(maps.Keys(l.components)) {
		fmt.Fprintf(&b, ",%s=%s", name, strings.ToLower(l.components[name].String()))
	}
	return b.String()
}
