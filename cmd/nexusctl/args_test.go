package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFlagsBehindArguments(t *testing.T) {
	app := newApp(nil, nil, nil)
	for _, c := range []struct{ in, want string }{
		{"nexusctl query up -o json", "nexusctl query -o json -- up"},
		{"nexusctl query -o json up", "nexusctl query -o json -- up"},
		{"nexusctl query up --output=json --from -1h", "nexusctl query --output=json --from -1h -- up"},
		{"nexusctl send a:1|c --raw b:1|c", "nexusctl send --raw -- a:1|c b:1|c"},
		{"nexusctl send -- -a:1|c --raw", "nexusctl send -- -a:1|c --raw"},
		{"nexusctl migrate down --all --yes", "nexusctl migrate down --all --yes"},
		{"nexusctl nonsense -x", "nexusctl nonsense -x"},
		{"nexusctl", "nexusctl"},
	} {
		if got := reorder(app, strings.Fields(c.in)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q", c.in, got)
		}
	}
}

func TestLostOutputIsAFailure(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"nexusctl", "version"}, nil, full, &stderr); code == exitOK {
		t.Error("success, and nothing was written")
	}
	if code := run(t.Context(), []string{"nexusctl", "--help"}, nil, full, &stderr); code == exitOK {
		t.Error("help was lost and the exit code is 0")
	}
}

func TestParseTime(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for in, want := range map[string]time.Time{
		"": now.Add(-time.Hour), "-90m": now.Add(-90 * time.Minute), "1700000000.5": time.UnixMilli(1_700_000_000_500),
		"2023-11-14T22:13:20Z": now,
	} {
		if got, err := parseTime(in, now, now.Add(-time.Hour)); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := parseTime("yesterday", now, now); err == nil {
		t.Error("nonsense is taken for a time")
	}
}

func TestTableIsSafe(t *testing.T) {
	tb := &table{head: []string{"A"}}
	tb.add("=cmd|'/c calc'")
	tb.add("-5")
	tb.add("\x1b[2J\x07red")
	var csv, plain bytes.Buffer
	if err := errors.Join(tb.print(&csv, "csv"), tb.print(&plain, "table")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(csv.String(), "'=cmd") || !strings.Contains(csv.String(), "\n-5\n") {
		t.Errorf("csv: %q", csv.String())
	}
	if strings.ContainsAny(plain.String(), "\x1b\x07") {
		t.Errorf("table: %q steers the terminal", plain.String())
	}
}
