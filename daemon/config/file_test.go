package config_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/config"
)

// shipped is the settings file at the repository's root.
const shipped = "../../nexus.toml"

var setting = regexp.MustCompile(`^(#?)([a-z0-9_]+) = `)

// TestShippedFileIsTheDefault runs on the file that ships: it is read strictly
// and changes nothing.
func TestShippedFileIsTheDefault(t *testing.T) {
	c, err := config.Load(config.Source{Path: shipped, Getenv: env{}.get})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, config.Default()) {
		t.Errorf("nexus.toml changes the defaults:\nfile    %+v\ndefault %+v", c, config.Default())
	}
}

// TestShippedFileIsComplete expects every key once, in the order of the
// program, each with a comment above it; and the settings that are commented
// out to be valid where somebody takes the # away.
func TestShippedFileIsComplete(t *testing.T) {
	b, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	section, above := "", ""
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
		}
		if m := setting.FindStringSubmatch(line); m != nil {
			keys = append(keys, section+"."+m[2])
			lines[i] = strings.TrimPrefix(line, "#")
			if !strings.HasPrefix(above, "# ") {
				t.Errorf("%s.%s has no comment", section, m[2])
			}
		}
		above = line
	}
	if !slices.Equal(keys, config.Keys()) {
		t.Errorf("nexus.toml has\n%v\nthe program knows\n%v", keys, config.Keys())
	}
	if _, err := load(t, strings.Join(lines, "\n"), nil, nil); err != nil {
		t.Errorf("with every setting taken in: %v", err)
	}
}

// TestDocumentedKeys holds the reference to the program.
func TestDocumentedKeys(t *testing.T) {
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range config.Keys() {
		if !strings.Contains(string(b), "| `"+key+"` |") {
			t.Errorf("docs/configuration.md lacks %s", key)
		}
	}
}
