package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"example.com/nexusctl/protocol/api"
)

// Source is where settings come from besides the defaults. Flags is the
// command line: dotted keys and values as written. Getenv and Environ are the
// environment; where both are nil it is the process's.
type Source struct {
	Path    string // of the file; empty searches
	Getenv  func(string) string
	Environ func() []string // NAME=value
	Flags   map[string]string
}

// Layer is which of the four a setting came from.
type Layer string

// The layers, in rising order.
const (
	FromDefault     Layer = "default"
	FromFile        Layer = "file"
	FromEnvironment Layer = "environment"
	FromFlag        Layer = "command line"
)

// Origin is where a setting came from: the layer, and the line, the variable
// or the flag.
type Origin struct {
	Layer Layer
	Where string
}

// Resolved is the settings with where each came from.
type Resolved struct {
	Config   Config
	Path     string   // of the file that was read; empty where there is none
	Warnings []string // what is odd and harms nothing
	origins  map[string]Origin
}

// Settings lists every setting with its value and its origin, secrets hidden.
func (r *Resolved) Settings() []api.Setting {
	list := fields(&r.Config)
	out := make([]api.Setting, len(list))
	for i, f := range list {
		o := r.origin(f.key)
		out[i] = api.Setting{Key: f.key, Value: f.show(), Layer: string(o.Layer), Origin: o.Where, Live: f.live}
	}
	return out
}

// Public lists every setting for whoever reaches the port: a text may be a secret, or
// name a path, a machine or a database, so that it is hidden, whatever it is.
func (r *Resolved) Public() []api.Setting {
	list := r.Settings()
	for i, f := range fields(&r.Config) {
		if f.value.Kind() == reflect.String && list[i].Value != "" {
			list[i].Value = hidden
		}
		list[i].Origin = ""
	}
	return list
}

func (r *Resolved) origin(key string) Origin {
	if o, ok := r.origins[key]; ok {
		return o
	}
	return Origin{Layer: FromDefault}
}

// NotFoundError reports that the file asked for is not there.
type NotFoundError struct {
	Path     string
	Searched []string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration file at %s; without --config nexusctl looks at %s, and runs on defaults where none is there; `nexusctl init` writes one",
		e.Path, strings.Join(e.Searched, ", "))
}

// Load merges all layers and validates the result; see Resolve.
func Load(src Source) (Config, error) {
	r, err := Resolve(src)
	return r.Config, err
}

// Resolve merges all layers and validates the result. Every fault of every
// layer is in the error, one a line: who mends one must not meet the next.
func Resolve(src Source) (*Resolved, error) {
	if src.Getenv == nil {
		src.Getenv = os.Getenv
		if src.Environ == nil {
			src.Environ = os.Environ
		}
	}
	l := loader{
		src:      src,
		resolved: &Resolved{Config: Default(), origins: map[string]Origin{}},
	}
	l.fields = fields(&l.resolved.Config)
	l.file()
	l.environment()
	l.flags()
	l.validate()
	return l.resolved, errors.Join(l.faults...)
}

// loader goes through the layers and gathers what is wrong with them.
type loader struct {
	src      Source
	fields   []field
	resolved *Resolved
	faults   []error
	wrong    []string // keys with a fault, whose values say nothing further
}

func (l *loader) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf(format, args...))
}

// set gives a known key a value as written.
func (l *loader) set(key, value string, from Origin) {
	f, _ := findField(l.fields, key)
	l.done(key, f.set(value), from)
}

func (l *loader) done(key string, err error, from Origin) {
	if err != nil {
		where := from.Where + ": " + key
		if from.Layer == FromEnvironment {
			where = from.Where // the variable's name says the key
		}
		l.fault("%s: %w", where, err)
		l.wrong = append(l.wrong, key)
		return
	}
	l.resolved.origins[key] = from
}

// validate looks at the values as a whole. A key that could not be read has
// been named already, and its default is not what was meant.
func (l *loader) validate() {
	for _, v := range l.resolved.Config.violations() {
		if !slices.Contains(l.wrong, v.key) {
			l.faults = append(l.faults, v.describe(l.resolved.origin(v.key)))
		}
	}
}

// Search returns the paths at which a file is looked for, first wins.
func Search(getenv func(string) string) []string {
	paths := []string{"nexus.toml"}
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		paths = append(paths, filepath.Join(dir, "nexusctl", "nexus.toml"))
	} else if home, err := os.UserHomeDir(); err == nil {
		paths = append(paths, filepath.Join(home, ".config", "nexusctl", "nexus.toml"))
	}
	return append(paths, "/etc/nexusctl/nexus.toml")
}

// Over returns the settings that a running daemon has after a reload of r, and
// what is new in them. A setting that waits for the next start keeps its value
// and where that came from.
func (r *Resolved) Over(running *Resolved) (*Resolved, Change) {
	next := *r
	merged, change := Merge(running.Config, r.Config)
	next.Config, next.origins = merged, maps.Clone(r.origins)
	for _, key := range change.Waiting {
		next.origins[key] = running.origin(key)
	}
	return &next, change
}
