package csv_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	safe "example.com/nexusctl/protocol/csv"
)

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain": "plain", "a=b": "a=b", "-5": "-5", "+5.5e3": "+5.5e3", "-Inf": "-Inf", "é": "é",
		"=1+1": "'=1+1", "+cmd": "'+cmd", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"＝1": "'＝1", " =1": "' =1", "\u00a0=1": "'\u00a0=1", "  ": "  ", "-": "'-", "\xff": "\xff",
	} {
		if got := safe.Cell(in); got != want {
			t.Errorf("%q is written as %q, want %q", in, got, want)
		}
	}
}

func FuzzCell(f *testing.F) {
	f.Add("=cmd|' /C calc'!A0")
	f.Add(" \u00a0+1x")
	f.Fuzz(func(t *testing.T, in string) {
		var out bytes.Buffer
		w := safe.NewWriter(&out)
		if err := w.Row(in, "x"); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		row, err := csv.NewReader(&out).Read()
		if err != nil || len(row) != 2 {
			t.Fatalf("%q cannot be read back: %v", in, err)
		}
		got := strings.TrimPrefix(row[0], "'")
		// A reader takes CRLF for LF; everything else comes back.
		if got != strings.ReplaceAll(in, "\r\n", "\n") && row[0] != strings.ReplaceAll(in, "\r\n", "\n") {
			t.Errorf("%q comes back as %q", in, row[0])
		}
	})
}
