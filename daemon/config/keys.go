package config

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one setting, reached by its dotted key.
type field struct {
	key   string
	live  bool
	value reflect.Value
}

// fields lists every setting of c, in the order of the file. Sections that are
// lists have no keys.
func fields(c *Config) (list []field) {
	root := reflect.ValueOf(c).Elem()
	for i := range root.NumField() {
		section := root.Type().Field(i).Tag.Get("toml")
		s := root.Field(i)
		if s.Kind() != reflect.Struct {
			continue
		}
		for j := range s.NumField() {
			f := s.Type().Field(j)
			list = append(list, field{section + "." + f.Tag.Get("toml"), f.Tag.Get("live") != "", s.Field(j)})
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

// sections returns the names of the file's sections.
func sections() (names []string) {
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("toml"))
	}
	return names
}

// EnvName returns the environment variable of a key: storage.url is
// NEXUS_STORAGE_URL.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
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

// setTOML takes a value of the file. Text is written in quotes and a number
// without: what is neither here nor there is refused instead of guessed.
func (f field) setTOML(v any) error {
	number := f.value.Kind() == reflect.Int || f.value.Kind() == reflect.Float64
	_, size := f.value.Interface().(Size)
	switch v := v.(type) {
	case string:
		if number {
			return fmt.Errorf("%q is a text: write a number, without quotes", v)
		}
		return f.set(v)
	case int64:
		if f.value.Kind() == reflect.String {
			return fmt.Errorf("%d is a number: write a text, in quotes", v)
		}
		return f.set(strconv.FormatInt(v, 10))
	case float64:
		if number && f.value.Kind() == reflect.Float64 {
			return f.set(strconv.FormatFloat(v, 'g', -1, 64))
		}
		return fmt.Errorf("%g is a number with a point, which this setting does not take", v)
	default:
		if size {
			return fmt.Errorf("write bytes, or a text such as \"64KiB\"")
		}
		return fmt.Errorf("a %T is not what this setting takes", v)
	}
}

// show returns the value as it may be seen: secrets are hidden, and so is a
// password within a URL.
func (f field) show() string {
	if f.key == urlKey {
		return hideUserinfo(f.value.String())
	}
	return fmt.Sprint(f.value.Interface())
}

// urlKey is the setting that can hold a password among other things.
const urlKey = "storage.url"

func hideUserinfo(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return hidden // what cannot be understood cannot be known to be harmless
	}
	q, changed := u.Query(), false
	if q.Has("password") {
		q.Set("password", hidden)
		changed = true
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), hidden)
		changed = true
	}
	if !changed {
		return s
	}
	u.RawQuery = q.Encode()
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", hidden)
}

// suggest names the valid key nearest to a wrong one, if any is near.
func suggest(wrong string) string {
	if best := nearest(wrong, Keys()); best != "" {
		return ", did you mean " + best + "?"
	}
	return "; `nexusctl config show` names the settings"
}

// nearest returns the candidate that takes the fewest edits; "" where none is
// near.
func nearest(wrong string, candidates []string) string {
	best, distance := "", 1+len(wrong)/3
	for _, key := range candidates {
		if d := editDistance(wrong, key); d <= distance && (best == "" || d < distance) {
			best, distance = key, d
		}
	}
	return best
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

func findField(list []field, key string) (field, bool) {
	i := slices.IndexFunc(list, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return list[i], true
}
