package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

func TestSparkTable(t *testing.T) {
	for _, test := range []struct{ name, result, want string }{
		{"a ramp", `[{"metric":{"__name__":"a"},"values":[[100,"0"],[110,"4"],[120,"8"]]}]`, "a|▁▅█|0|8|8"},
		{"gaps and NaN are gaps", `[{"metric":{"__name__":"a"},"values":[[100,"8"],[120,"NaN"],[130,"8"]]}]`, "a|█  █|8|8|8"},
		{"infinities", `[{"metric":{},"values":[[100,"1"],[110,"+Inf"]]}]`, "|██|1|+Inf|+Inf"},
		{"histograms", `[{"metric":{"__name__":"h"},"histograms":[[100,{"count":"2","sum":"5"}],[110,{"count":"4","sum":"9"}]]}]`, "h|▅█|2|4|count 4, sum 9"},
		{"nothing", `[]`, ""},
		{"no value at all", `[{"metric":{"__name__":"a"},"values":[]}]`, "a||||"},
	} {
		to := 100 + float64(strings.Count(test.result, "[1")-1)*10
		if test.name == "gaps and NaN are gaps" {
			to = 130
		}
		tab, err := sparkTable(client.QueryData{Result: json.RawMessage(test.result)}, span{100, max(to, 100), 10})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, row := range tab.rows {
			got = strings.Join(row, "|")
		}
		if strings.ReplaceAll(got, "a| |", "a||") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if _, err := sparkTable(client.QueryData{Result: json.RawMessage(`{`)}, span{0, 1, 1}); err == nil {
		t.Error("a result that is none is drawn")
	}
}

func TestSparkIsBound(t *testing.T) {
	var points []string
	for i := range 5000 {
		points = append(points, fmt.Sprintf(`[%d,"%d"]`, i, i%7))
	}
	tab, err := sparkTable(client.QueryData{Result: json.RawMessage(`[{"metric":{},"values":[` + strings.Join(points, ",") + `]}]`)}, span{0, 4999, 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(tab.rows[0][1])); n != sparkWidth {
		t.Errorf("%d cells", n)
	}
}

// TestWatchRounds: blocks where nobody looks, one line where the daemon goes and one
// where it is back, and the end where waiting does not help.
func TestWatchRounds(t *testing.T) {
	var out, errs bytes.Buffer
	w := watch{out: &out, errs: &errs, format: "table"}
	at := time.Unix(1_764_000_000, 0)
	a := answer{table: &table{head: []string{"SERIES", "VALUE"}, rows: [][]string{{"a", "1"}}}}
	gone := fmt.Errorf("%w at x", client.ErrUnreachable)
	pressed := &client.ProblemError{Problem: api.Problem{Status: http.StatusServiceUnavailable}}
	for i, err := range []error{nil, gone, gone, pressed, nil, nil} {
		if err := w.round(a, err, at.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "# 2025-11-24T16:00:0"); n != 3 || strings.Count(out.String(), "a       1\n\n") != 3 {
		t.Errorf("%d blocks: %q", n, out.String())
	}
	if s := errs.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "no answer, asking on") || !strings.Contains(s, "answered again after 3s") {
		t.Errorf("%q", s)
	}
	bad := errors.New("parse error")
	if err := w.round(answer{}, bad, at); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
}

func TestWatchedCSVHasOneHeading(t *testing.T) {
	var out bytes.Buffer
	w := watch{out: &out, format: "csv"}
	a := answer{table: &table{head: []string{"SERIES", "VALUE"}, rows: [][]string{{"a", "1"}}}}
	for range 3 {
		if err := w.round(a, nil, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "SERIES,VALUE\na,1\na,1\na,1\n" && out.String() != "SERIES,VALUE\r\na,1\r\na,1\r\na,1\r\n" {
		t.Errorf("%q", out.String())
	}
}
