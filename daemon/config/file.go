package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"example.com/nexusctl/slo"
)

// maxFile bounds the settings file, so that a wrong path cannot fill memory.
const maxFile = 1 << 20

// sloSection is the one section that is a list.
const sloSection = "slo"

// file reads the file that is named, or the first that is found.
func (l *loader) file() {
	path := l.src.Path
	if path == "" {
		path = l.src.Getenv("NEXUS_CONFIG")
	}
	if path != "" {
		info, b, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = &NotFoundError{Path: path, Searched: Search(l.src.Getenv)}
		}
		l.take(path, info, b, err)
		return
	}
	for _, path := range Search(l.src.Getenv) {
		info, b, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		l.take(path, info, b, err)
		return
	}
}

func readFile(path string) (fs.FileInfo, []byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, nil, fmt.Errorf("configuration: %s is not a regular file of at most %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	return info, b, nil
}

// take reads the text of a file, key by key, so that one wrong value hides no
// other.
func (l *loader) take(path string, info fs.FileInfo, b []byte, err error) {
	if err != nil {
		l.faults = append(l.faults, err)
		return
	}
	l.resolved.Path = path
	doc := map[string]any{}
	_, err = toml.Decode(string(b), &doc)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		l.fault("%s:%d: %s", path, syntax.Position.Line, syntax.Message)
		return
	case err != nil:
		l.fault("%s: %w", path, err)
		return
	}
	lines := positions(b)
	at := func(key string) string { return fmt.Sprintf("%s:%d", path, lines.of(key)) }
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		l.section(name, doc[name], at)
	}
	l.slos(path, b, doc, lines)
	if l.resolved.Config.Storage.Password != "" && worldReadable(info) {
		l.fault("%s: everybody can read the file, and it holds storage.password: chmod o-r %s", at("storage.password"), path)
	}
}

func (l *loader) section(name string, v any, at func(key string) string) {
	if name == sloSection {
		return
	}
	values, isTable := v.(map[string]any)
	if !isTable || !slices.Contains(sections(), name) {
		l.fault("%s: unknown key %s%s", at(name), name, suggest(name))
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		dotted := name + "." + key
		f, known := findField(l.fields, dotted)
		if !known {
			l.fault("%s: unknown key %s%s", at(dotted), dotted, suggest(dotted))
			continue
		}
		l.done(dotted, f.setTOML(values[key]), Origin{FromFile, at(dotted)})
	}
}

// slos reads the list of objectives, strictly.
func (l *loader) slos(path string, b []byte, doc map[string]any, lines lineNumbers) {
	if doc[sloSection] == nil {
		return
	}
	var list struct {
		SLO []slo.Definition `toml:"slo"`
	}
	meta, err := toml.Decode(string(b), &list)
	if err != nil {
		l.fault("%s:%d: [[slo]]: %w", path, lines.of(sloSection), err)
		return
	}
	for _, key := range meta.Undecoded() {
		if key[0] == sloSection {
			l.fault("%s:%d: unknown key %s of an objective; docs/slo.md names them", path, lines.of(key.String()), key)
		}
	}
	l.resolved.Config.SLO = list.SLO
	l.resolved.origins[sloSection] = Origin{FromFile, fmt.Sprintf("%s:%d", path, lines.of(sloSection))}
}

// lineNumbers tell on which line of the file a key, or a section, stands
// first.
type lineNumbers map[string]int

func (n lineNumbers) of(key string) int {
	if line, ok := n[key]; ok {
		return line
	}
	return 1
}

// positions scans a file that is known to be TOML. A key within a text of
// several lines could be taken for one; it would only move a line number.
func positions(b []byte) lineNumbers {
	n := lineNumbers{}
	note := func(key string, line int) {
		if _, ok := n[key]; !ok {
			n[key] = line
		}
	}
	section := ""
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "["), "]")
			section = strings.TrimSpace(name)
			note(section, i+1)
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		name = strings.TrimSpace(name)
		if section == "" {
			note(name, i+1)
			parent, _, _ := strings.Cut(name, ".")
			note(parent, i+1)
			continue
		}
		note(section+"."+name, i+1)
	}
	return n
}
