package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one setting, reached by its dotted key.
type field struct {
	key   string
	value reflect.Value
}

// fields lists every setting of c, in the order of the file.
func fields(c *Config) (list []field) {
	root := reflect.ValueOf(c).Elem()
	for i := range root.NumField() {
		section := root.Type().Field(i).Tag.Get("toml")
		s := root.Field(i)
		for j := range s.NumField() {
			list = append(list, field{section + "." + s.Type().Field(j).Tag.Get("toml"), s.Field(j)})
		}
	}
	return list
}

// Keys returns every valid dotted key.
func Keys() (keys []string) {
	for _, f := range fields(new(Config)) {
		keys = append(keys, f.key)
	}
	return keys
}

// EnvName returns the environment variable of a key: storage.url is
// NEXUS_STORAGE_URL.
func EnvName(key string) string {
	return "NEXUS_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// set parses a written value into the field.
func (f field) set(s string) error {
	if u, ok := f.value.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	switch f.value.Kind() {
	case reflect.String:
		f.value.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is no whole number", s)
		}
		f.value.SetInt(int64(n))
	default:
		return fmt.Errorf("no written form for %s", f.value.Kind())
	}
	return nil
}

// aliases are variables that deployments set by other names.
var aliases = []struct{ env, key string }{
	{"DATABASE_URL", "storage.url"},
	{"DATABASE_PASSWORD", "storage.password"},
}

func loadEnv(c *Config, getenv func(string) string) error {
	var errs []error
	if port := getenv("PORT"); port != "" {
		listen, err := WithPort(c.Server.Listen, port)
		if err != nil {
			errs = append(errs, fmt.Errorf("PORT: %w", err))
		} else {
			c.Server.Listen = listen
		}
	}
	list := fields(c)
	apply := func(env, key string) {
		v := getenv(env)
		if v == "" {
			return
		}
		i := slices.IndexFunc(list, func(f field) bool { return f.key == key })
		if err := list[i].set(v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", env, err))
		}
	}
	for _, a := range aliases {
		apply(a.env, a.key)
	}
	for _, f := range list {
		apply(EnvName(f.key), f.key)
	}
	return errors.Join(errs...)
}

// PortFlag is the one flag that is no key: it replaces the port of
// server.listen.
const PortFlag = "server.port"

func loadFlags(c *Config, flags map[string]string) error {
	var errs []error
	for key := range flags {
		if key != PortFlag && !slices.Contains(Keys(), key) {
			errs = append(errs, fmt.Errorf("command line: unknown setting %s%s", key, suggest(key)))
		}
	}
	for _, f := range fields(c) {
		if v, ok := flags[f.key]; ok {
			if err := f.set(v); err != nil {
				errs = append(errs, fmt.Errorf("command line, %s: %w", f.key, err))
			}
		}
	}
	if port, ok := flags[PortFlag]; ok {
		listen, err := WithPort(c.Server.Listen, port)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("--port: %w", err))...)
		}
		c.Server.Listen = listen
	}
	return errors.Join(errs...)
}

// suggest names the valid key nearest to a wrong one, if any is near.
func suggest(wrong string) string {
	best, distance := "", 1+len(wrong)/3
	for _, key := range Keys() {
		if d := editDistance(wrong, key); d <= distance && (best == "" || d < distance) {
			best, distance = key, d
		}
	}
	if best == "" {
		return "; `nexusctl daemon --help` names the settings"
	}
	return ", did you mean " + best + "?"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
