package pressure

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

// TestDecide walks through every level, up and down.
func TestDecide(t *testing.T) {
	l := Limits{Memory: 1000, Reserve: 1000}
	for _, c := range []struct {
		before       Level
		memory, disk uint64
		want         State
	}{
		// Up, at once and by as many levels as it takes.
		{None, 899, 9000, State{None, Memory}},
		{None, 900, 9000, State{Debug, Memory}},
		{None, 949, 9000, State{Debug, Memory}},
		{Debug, 950, 9000, State{Reads, Memory}},
		{Reads, 999, 9000, State{Reads, Memory}}, // data are taken up to the limit
		{Reads, 1000, 9000, State{Text, Memory}},
		{Text, 1050, 9000, State{Newcomers, Memory}},
		{Newcomers, 1100, 9000, State{All, Memory}},
		{None, 5000, 9000, State{All, Memory}},
		{None, 1, 2001, State{None, Memory}},
		{None, 1, 2000, State{Debug, Disk}},
		{None, 1, 1500, State{Reads, Disk}},
		{None, 1, 1001, State{Reads, Disk}},
		{None, 1, 1000, State{Text, Disk}},
		{None, 1, 500, State{Newcomers, Disk}},
		{None, 1, 250, State{All, Disk}},
		{None, 1, 1, State{All, Disk}},
		// What presses hardest is the cause, memory where both do.
		{None, 1000, 1500, State{Text, Memory}},
		{None, 950, 1000, State{Text, Disk}},
		{None, 1000, 1000, State{Text, Memory}},
		// Down only behind some slack, to the level that the reading holds.
		{Text, 951, 9000, State{Text, Memory}},
		{Text, 949, 9000, State{Reads, Memory}},
		{Reads, 903, 9000, State{Reads, Memory}},
		{Reads, 902, 9000, State{Debug, Memory}},
		{Debug, 856, 9000, State{Debug, Memory}},
		{Debug, 854, 9000, State{None, Memory}},
		{All, 100, 9000, State{None, Memory}},
		{Text, 1, 1099, State{Text, Disk}},
		{Text, 1, 1101, State{Reads, Disk}},
		{Debug, 1, 2201, State{None, Memory}},
		// What presses counts as the cause before what only holds.
		{Newcomers, 950, 551, State{Text, Disk}},
		// What cannot be read presses nobody.
		{All, 0, 0, State{None, Memory}},
	} {
		if got := Decide(State{Level: c.before}, Reading{c.memory, c.disk}, l); got.Level != c.want.Level || got.Level > None && got.Cause != c.want.Cause {
			t.Errorf("at %s, with %d of memory and %d of disk: %v, want %v", c.before, c.memory, c.disk, got, c.want)
		}
	}
	if got := Decide(State{Level: All}, Reading{1 << 40, 1}, Limits{}); got.Level != None {
		t.Errorf("without limits: %v", got)
	}
}

// TestDecideIsSteady: with one reading the state settles at once, and less memory
// or more disk never refuses more.
func TestDecideIsSteady(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Limits{Memory: 1000, Reserve: 1000}
		r := Reading{rapid.Uint64Range(1, 1300).Draw(rt, "memory"), rapid.Uint64Range(1, 3000).Draw(rt, "disk")}
		before := State{Level: Level(rapid.IntRange(0, int(All)).Draw(rt, "before"))}
		once := Decide(before, r, l)
		if again := Decide(once, r, l); again != once {
			rt.Errorf("%+v: %v, and then %v", r, once, again)
		}
		better := Reading{r.Memory - rapid.Uint64Range(0, r.Memory-1).Draw(rt, "less"), r.DiskFree + rapid.Uint64Range(0, 1000).Draw(rt, "more")}
		if easier := Decide(before, better, l); easier.Level > once.Level {
			rt.Errorf("%+v: %v; %+v: %v", r, once, better, easier)
		}
	})
}

func TestGauge(t *testing.T) {
	var out bytes.Buffer
	var r Reading
	limits := Limits{Memory: 1000, Reserve: 1000}
	g := NewGauge(func() Limits { return limits }, func() Reading { return r }, slog.New(slog.NewTextHandler(&out, nil)))
	look := func(memory, disk uint64) string {
		r = Reading{memory, disk}
		g.Look()
		text := ""
		for _, l := range Levels() {
			if g.Refuses(l) {
				text += l.String() + " "
			}
		}
		if why, shed := g.Shed(); shed {
			text += fmt.Sprintf("shed{%s}", why)
		}
		return strings.TrimSpace(text)
	}
	for _, c := range []struct {
		memory, disk uint64
		want         string
	}{
		{1, 9000, ""}, {960, 9000, "debug reads"}, {960, 9000, "debug reads"}, {1001, 9000, "debug reads text shed{memory}"},
		{1, 400, "debug reads text newcomers shed{disk}"}, {1, 10, "debug reads text newcomers all shed{disk}"}, {1, 9000, ""},
	} {
		if got := look(c.memory, c.disk); got != c.want {
			t.Errorf("%d of memory, %d of disk refuse %q, want %q", c.memory, c.disk, got, c.want)
		}
	}
	s := g.Stats()
	if s.Changes != 5 || s.Refused[Debug] != 5 || s.Refused[Text] != 6 || s.Refused[All] != 1 {
		t.Errorf("%+v", s)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 5 || !strings.Contains(lines[0], "pressure grows") ||
		!strings.Contains(lines[3], "level=all before=newcomers cause=disk") || !strings.Contains(lines[4], "pressure falls") {
		t.Errorf("it says\n%s", out.String())
	}
	look(1001, 9000)
	limits = Limits{}
	if got := look(1001, 9000); got != "" {
		t.Errorf("without limits %q is refused", got)
	}
	if got := protocol.ShedMemory.String(); got != "memory" {
		t.Error(got)
	}
}

// TestContainerLimit reads limits as both versions of control groups write them.
func TestContainerLimit(t *testing.T) {
	for name, c := range map[string]struct {
		self  string
		files map[string]string
		want  uint64
	}{
		"version 2":                   {"0::/a/b\n", map[string]string{"a/b/memory.max": "2000\n"}, 2000},
		"a group above is tighter":    {"0::/a/b\n", map[string]string{"a/b/memory.max": "2000\n", "a/memory.max": "1000\n"}, 1000},
		"no limit":                    {"0::/a/b\n", map[string]string{"a/b/memory.max": "max\n", "a/memory.max": "max\n"}, 0},
		"a name space of its own":     {"0::/\n", map[string]string{"memory.max": "3000\n"}, 3000},
		"a path that is not there":    {"0::/../../x\n", map[string]string{"memory.max": "3000\n"}, 3000},
		"version 1":                   {"9:cpu,memory:/d\n8:pids:/d\n", map[string]string{"memory/d/memory.limit_in_bytes": "4000\n", "pids/d/memory.limit_in_bytes": "1"}, 4000},
		"version 1 without a limit":   {"9:memory:/d\n", map[string]string{"memory/d/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"version 1, and others named": {"9:memory_hugetlb:/d\n", map[string]string{"memory/d/memory.limit_in_bytes": "4000\n"}, 0},
		"nonsense":                    {"x\n", nil, 0},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		self := filepath.Join(root, "self")
		if err := os.WriteFile(self, []byte(c.self), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := containerLimit(self, root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := containerLimit("/nowhere", "/nowhere"); got != 0 {
		t.Errorf("without control groups: %d", got)
	}
}

func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	if got := MemoryLimit(5000); got != 5000 {
		t.Errorf("a limit that is set: %d", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	TellRuntime(1000)
	if got := debug.SetMemoryLimit(-1); got != leastRuntimeLimit {
		t.Errorf("the runtime was told %d", got)
	}
	TellRuntime(0)
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("without a limit the runtime was told %d", got)
	}
	t.Setenv("GOMEMLIMIT", "300MiB") // the runtime has read it at its start
	debug.SetMemoryLimit(300 << 20)
	if got := MemoryLimit(0); got != 300<<20 {
		t.Errorf("GOMEMLIMIT: %d", got)
	}
	TellRuntime(1 << 30)
	if got := debug.SetMemoryLimit(-1); got != 300<<20 {
		t.Errorf("over GOMEMLIMIT the runtime was told %d", got)
	}
}

// TestInUse: what is held counts, and garbage does not.
func TestInUse(t *testing.T) {
	runtime.GC()
	before := InUse(0)
	held := make([][]byte, 64)
	for i := range held {
		held[i] = make([]byte, 1<<20)
	}
	runtime.GC()
	with := InUse(0)
	if with < before+60<<20 {
		t.Errorf("64 MiB held raise it from %d to %d", before, with)
	}
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	if after := InUse(0); after > before+20<<20 {
		t.Errorf("once they are garbage it is %d, %d before", after, before)
	}
	if got := InUse(1 << 40); got < 1<<39 {
		t.Errorf("what the runtime knows nothing of is left out: %d", got)
	}
}
