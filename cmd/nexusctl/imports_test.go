package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/imports.golden")

const module = "example.com/nexusctl/"

// TestImports shows every arrow between packages in review, and holds the
// walls: data walks downhill, and no arrow points back up.
func TestImports(t *testing.T) {
	graph := internalImports(t)
	var b strings.Builder
	for _, p := range graph {
		b.WriteString(p.name + "\n")
		for _, i := range p.imports {
			b.WriteString("\t" + i + "\n")
		}
		checkWalls(t, p)
	}
	golden := filepath.Join("testdata", "imports.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("the import graph has changed; look at the new arrows and run `go test ./cmd/nexusctl -run TestImports -update`:\n%s", b.String())
	}
}

type pkg struct {
	name    string
	imports []string
	std     bool // imports nothing but the standard library
}

func internalImports(t *testing.T) (graph []pkg) {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		g := pkg{name: strings.TrimPrefix(p.ImportPath, module), std: true}
		for _, i := range p.Imports {
			if short, ok := strings.CutPrefix(i, module); ok {
				g.imports = append(g.imports, short)
			}
			g.std = g.std && !strings.Contains(strings.Split(i, "/")[0], ".")
		}
		slices.Sort(g.imports)
		graph = append(graph, g)
	}
	slices.SortFunc(graph, func(a, b pkg) int { return strings.Compare(a.name, b.name) })
	return graph
}

func checkWalls(t *testing.T, p pkg) {
	t.Helper()
	under := func(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
	// What measures and tortures the stages themselves has to know them.
	inside := under(p.name, "loadgen/bench") || under(p.name, "loadgen/torture")
	if p.name == "protocol" && !p.std {
		t.Error("protocol imports more than the standard library")
	}
	for _, i := range p.imports {
		switch {
		case !inside && (under(p.name, "loadgen") || under(p.name, "tui") || under(p.name, "protocol")) && (under(i, "daemon") || under(i, "storage")):
			t.Errorf("%s imports %s: clients know the wire alone", p.name, i)
		case i == "daemon/config" && p.name != "daemon" && !under(p.name, "cmd"):
			t.Errorf("%s imports daemon/config: sections are passed as arguments", p.name)
		case under(p.name, "storage") && under(i, "daemon"):
			t.Errorf("%s imports %s: the store knows nothing of the daemon", p.name, i)
		}
	}
}
