package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// runDeadLetter runs the command by itself.
func runDeadLetter(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var b bytes.Buffer
	app := &cli.App{Name: "nexusctl", Writer: &b, ErrWriter: io.Discard, ExitErrHandler: func(*cli.Context, error) {}, Commands: withUsageFaults([]*cli.Command{deadLetterCommand()})}
	err := app.RunContext(t.Context(), reorder(app, append([]string{"nexusctl", "dead-letter"}, args...)))
	if err == nil {
		return b.String(), exitOK
	}
	return b.String() + err.Error(), exitCode(err)
}

func keepLetter(t *testing.T, dir string) {
	t.Helper()
	d, err := deadletter.Open(dir, "log")
	if err != nil {
		t.Fatal(err)
	}
	const id = deadletter.Unnamed * block.ShardSize
	key := series.Key{Name: "odd", Type: protocol.Counter, Tags: []series.Tag{{Key: "k", Value: strings.Repeat("x", 100)}}}
	l := &deadletter.Letter{
		Writer: "log", Generation: 12, Shard: 3, At: time.UnixMilli(1_764_000_010_000), Reason: "too long", Units: 3,
		Series: []deadletter.Series{{ID: id, Key: key.Append(nil)}, {ID: id + 1, Key: []byte("no key")}},
		Block:  block.AppendBlock(nil, deadletter.Unnamed, 0, []block.Point{{Series: id, Kind: block.Counter, N: 3, Sum: 5}}),
	}
	if err := d.Keep(12, []*deadletter.Letter{l}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, deadletter.Folder, "log", "13-1.nxd"), []byte("no letter"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDeadLetterList(t *testing.T) {
	dir := t.TempDir()
	if out, code := runDeadLetter(t, "list", "--data-dir", dir); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("an empty list: %d %q", code, out)
	}
	keepLetter(t, dir)
	out, code := runDeadLetter(t, "list", "--data-dir", dir)
	if code != exitOK || !strings.Contains(out, "log/12-3.nxd  2025-11-24T16:00:10Z  3      too long") || !strings.Contains(out, "… and 1 more") || !strings.Contains(out, "13-1.nxd") {
		t.Errorf("%d\n%s", code, out)
	}
	out, code = runDeadLetter(t, "list", "--data-dir", dir, "-o", "json")
	var list []deadLetter
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitOK || len(list) != 2 {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	if l := list[0]; l.Units != 3 || l.Generation != 12 || len(l.Series) != 2 || !strings.HasPrefix(l.Series[0], "odd{k=") || l.Fault != "" {
		t.Errorf("%+v", l)
	}
	if list[1].Fault == "" {
		t.Errorf("the damaged letter: %+v", list[1])
	}
}

// TestDeadLetterSettle talks to a daemon's admin socket.
func TestDeadLetterSettle(t *testing.T) {
	dir, err := os.MkdirTemp("", "dl") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, code := runDeadLetter(t, "replay", "--data-dir", dir); code != exitUnreachable {
		t.Errorf("without a daemon: %d %s", code, out)
	}
	l, err := net.Listen("unix", filepath.Join(dir, api.AdminSocket))
	if err != nil {
		t.Fatal(err)
	}
	var asked, answer string
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = r.URL.Path + " " + string(b)
		_, _ = io.WriteString(w, answer)
	})}}
	s.Start()
	t.Cleanup(s.Close)
	for _, c := range []struct {
		args, answer, asked, says string
		code                      int
	}{
		{"replay", `{"letters":2,"units":7,"refused":0}`, "/dead-letters/replay {}", "2        7      0", exitOK},
		{"replay 12-3.nxd -o json", `{"letters":1,"units":7,"refused":2}`, `/dead-letters/replay {"files":["12-3.nxd"]}`, "dead letters again", exitFailure},
		{"drop 12-3.nxd", "", "", "--yes", exitUsage},
		{"drop a b --yes", `{"letters":2,"units":9,"refused":0}`, `/dead-letters/drop {"files":["a","b"]}`, "9", exitOK},
	} {
		asked, answer = "", c.answer
		out, code := runDeadLetter(t, append(strings.Fields(c.args), "--data-dir", dir)...)
		if code != c.code || asked != c.asked || !strings.Contains(out, c.says) {
			t.Errorf("%s: %d, asked %q, said\n%s", c.args, code, asked, out)
		}
	}
}
