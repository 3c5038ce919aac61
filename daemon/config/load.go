package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFile bounds the settings file, so that a wrong path cannot fill memory.
const maxFile = 1 << 20

// Source is where settings come from besides the defaults. Getenv is the
// environment, Flags the command line: dotted keys and values as written.
type Source struct {
	Path   string // of the file; empty searches
	Getenv func(string) string
	Flags  map[string]string
}

// NotFoundError reports that the file asked for is not there.
type NotFoundError struct {
	Path     string
	Searched []string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration file at %s; without --config nexusctl looks at %s, and runs on defaults where none is there",
		e.Path, strings.Join(e.Searched, ", "))
}

// Load merges all layers and validates the result. Every fault found is in the
// error, one a line.
func Load(src Source) (Config, error) {
	if src.Getenv == nil {
		src.Getenv = os.Getenv
	}
	c := Default()
	if err := loadFile(&c, src); err != nil {
		return c, err
	}
	if err := errors.Join(loadEnv(&c, src.Getenv), loadFlags(&c, src.Flags)); err != nil {
		return c, err
	}
	return c, c.Validate()
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

func loadFile(c *Config, src Source) error {
	path := src.Path
	if path == "" {
		path = src.Getenv("NEXUS_CONFIG")
	}
	if path != "" {
		b, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return &NotFoundError{Path: path, Searched: Search(src.Getenv)}
		}
		if err != nil {
			return err
		}
		return decode(c, path, b)
	}
	for _, path := range Search(src.Getenv) {
		b, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return decode(c, path, b)
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("configuration: %s is not a regular file of at most %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return b, nil
}

func decode(c *Config, path string, b []byte) error {
	meta, err := toml.Decode(string(b), c)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s:%d: %s", path, syntax.Position.Line, syntax.Message)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, key := range meta.Undecoded() {
		errs = append(errs, fmt.Errorf("%s:%d: unknown key %s%s", path, lineOf(b, key), key, suggest(key.String())))
	}
	return errors.Join(errs...)
}

// lineOf finds the line on which an unknown key stands: the first in its
// section that assigns it.
func lineOf(b []byte, key toml.Key) int {
	section := ""
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section, _, _ = strings.Cut(name, "]")
			if strings.TrimSpace(section) == key.String() {
				return i + 1
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if ok && (section+"."+strings.TrimSpace(name) == key.String() || strings.TrimSpace(name) == key.String()) {
			return i + 1
		}
	}
	return 1
}
