package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen/torture"
)

func runTortureApp(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("STATE_DIRECTORY", "")
	var out, errs bytes.Buffer
	app := &cli.App{Name: "nexusctl", Writer: &out, ErrWriter: &errs, ExitErrHandler: func(*cli.Context, error) {}, Commands: []*cli.Command{tortureCommand()}}
	err := app.RunContext(t.Context(), append([]string{"nexusctl", "torture"}, args...))
	if err != nil {
		return out.String(), errs.String() + err.Error(), exitCode(err)
	}
	return out.String(), errs.String(), exitOK
}

// TestTorture runs the one experiment that starts no daemon, in every format.
func TestTorture(t *testing.T) {
	args := []string{"--only", "power", "--cycles", "20", "--seed", "3"}
	out, stderr, code := runTortureApp(t, append(args, "-o", "json")...)
	var r torture.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || !r.OK || r.Seed != 3 || len(r.Experiments) != 1 || r.Experiments[0].Cycles != 20 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, stderr)
	}
	if !strings.Contains(stderr, "seed 3, scratch directory ") {
		t.Errorf("it does not say what it does: %s", stderr)
	}
	out, _, code = runTortureApp(t, append(args, "-o", "csv")...)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || code != exitOK || len(rows) != 2 || rows[1][0] != "power" || rows[1][1] != torture.OK || rows[1][4] != "0" {
		t.Errorf("exit code %d, %v: %q", code, err, rows)
	}
	if out, _, code = runTortureApp(t, args...); code != exitOK || !strings.Contains(out, "DUPLICATED") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestTortureRefuses(t *testing.T) {
	full, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(config, []byte("[server]\ndata_dir = '"+data+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"--only fire", `"fire" is none of kill`},
		{"--cycles 0", "--cycles"},
		{"--duration -1s", "--duration"},
		{"--storage sqlite:mine.db", "postgres://"},
		{"-o xml", "none of table"},
		{"--only power --dir " + full, "not empty"},
		{"--only power --config " + config + " --dir " + data, "the daemon's data directory"},
		{"--only power --config " + config + " --dir " + filepath.Join(data, "new"), "the daemon's data directory"},
	} {
		if _, stderr, code := runTortureApp(t, strings.Fields(c.args)...); code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d: %s", c.args, code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "new")); err == nil {
		t.Error("something was made in the data directory")
	}
}

// TestTortureVerdict: a fault names what to run again and is exit code 99,
// before an interruption, which is 130.
func TestTortureVerdict(t *testing.T) {
	failed := torture.Row{Experiment: "kill", Verdict: torture.Failed, Cycles: 8, Lost: 3, Faults: []string{"three are gone"}}
	for _, c := range []struct {
		report torture.Report
		code   int
		says   string
	}{
		{torture.Report{OK: true}, exitOK, ""},
		{torture.Report{Seed: 17, Kept: "/there", Experiments: []torture.Row{failed}}, exitThreshold,
			"nexusctl: kill: three are gone\nnexusctl: again: nexusctl torture --only kill --cycles 9 --seed 17\nnexusctl: what was made is still in /there\n"},
		{torture.Report{Interrupted: true}, exitInterrupted, "nexusctl: interrupted; its daemons are ended\n"},
		{torture.Report{Interrupted: true, Seed: 17, Storage: "postgres", Experiments: []torture.Row{failed}}, exitThreshold,
			"nexusctl: kill: three are gone\nnexusctl: again: nexusctl torture --only kill --cycles 9 --seed 17 --storage …\n"},
	} {
		var said bytes.Buffer
		err := tortureVerdict(&said, c.report)
		code := exitOK
		if err != nil {
			code = exitCode(err)
		}
		if code != c.code || said.String() != c.says {
			t.Errorf("exit code %d, want %d: %q", code, c.code, said.String())
		}
	}
}

func TestTortureProgress(t *testing.T) {
	var b bytes.Buffer
	show := overwriteTorture(&b)
	show(torture.Progress{Experiment: "kill", Cycle: 4, Cycles: 20, Share: 0.25, Elapsed: 9 * time.Second, Left: 27 * time.Second})
	want := "\r[#####...............]  25%  kill 5 of 20, 9s, 27s left"
	if got := strings.TrimRight(b.String(), " "); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if b.Len() != 1+tortureLine {
		t.Errorf("a line of %d characters leaves something of the one before", b.Len()-1)
	}
}
