package slo_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"example.com/nexusctl/slo"
)

const sections = `
[[slo]]
name = "api-availability"
description = "Requests answered without a server error"
target = "99.9"
window = "30d"
time_zone = "Europe/Berlin"
[slo.ratio]
bad = 'http.requests{status=~"5.."}'
total = ["http.requests", "http.hedged"]

[[slo]]
name = "api-latency"
target = "95"
window = "month"
[slo.threshold]
metric = "http.duration"
below = 100
`

func TestDefinitionsFromTOML(t *testing.T) {
	var file struct {
		SLO []slo.Definition `toml:"slo"`
	}
	meta, err := toml.Decode(sections, &file)
	if err != nil {
		t.Fatal(err)
	}
	if len(meta.Undecoded()) > 0 {
		t.Errorf("not decoded: %v", meta.Undecoded())
	}
	objectives, err := slo.CompileAll(file.SLO)
	if err != nil {
		t.Fatal(err)
	}
	ratio, threshold := objectives[0], objectives[1]
	if ratio.Target.String() != "99.9" || ratio.Window.Zone().String() != "Europe/Berlin" || ratio.Threshold != nil {
		t.Errorf("compiled to %+v", ratio)
	}
	if r := ratio.Ratio; len(r.Good) != 0 || r.Bad[0] != `http.requests{status=~"5.."}` || len(r.Total) != 2 {
		t.Errorf("the ratio is %+v", r)
	}
	if l := threshold.Threshold; l.Metric != "http.duration" || l.AtMost != 100 || threshold.Window.Rolling() {
		t.Errorf("the threshold is %+v", l)
	}
}

func TestDefinitionJSON(t *testing.T) {
	for _, text := range []string{
		`{"name":"a","target":"99","window":"7d","ratio":{"good":"x","total":["x","y"]}}`,
		`{"name":"a","target":"99","window":"7d","threshold":{"metric":"m","below":0}}`,
	} {
		var d, again slo.Definition
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		first, _ := json.Marshal(d)
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatal(err)
		}
		if second, _ := json.Marshal(again); string(first) != string(second) {
			t.Errorf("%s became %s", first, second)
		}
	}
	for _, text := range []string{`{"ratio":{"good":1}}`, `{"ratio":{"total":[1]}}`, `{"ratio":{"total":{}}}`} {
		if err := json.Unmarshal([]byte(text), &slo.Definition{}); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	for _, text := range []string{"[slo.ratio]\ngood = 1", "[slo.ratio]\ntotal = [1]"} {
		var file struct{ SLO slo.Definition }
		if _, err := toml.Decode(text, &file); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

var faulty = `
[[slo]]
name = "Not A Name"
target = "100"
window = "soon"
time_zone = "Mars"
description = "` + strings.Repeat("x", 1025) + `"
[slo.ratio]
good = ["", "` + strings.Repeat("y", 1025) + `"]
bad = "z"
[[slo]]
name = "b"
target = "99"
window = "7d"
[slo.threshold]
below = nan
[[slo]]
name = "b"
target = "99"
window = "7d"
[[slo]]
name = "c"
target = "99"
window = "7d"
[slo.threshold]
metric = "m"
[slo.ratio]
total = "m"
`

// TestFaults: every fault is told, each with its field.
func TestFaults(t *testing.T) {
	var file struct{ SLO []slo.Definition }
	if _, err := toml.Decode(faulty, &file); err != nil {
		t.Fatal(err)
	}
	_, err := slo.CompileAll(file.SLO)
	if err == nil {
		t.Fatal("compiled")
	}
	want := []string{
		`slo[0] "Not A Name": name: `,
		`slo[0] "Not A Name": description: 1025 bytes`,
		`slo[0] "Not A Name": target: "100": `,
		`slo[0] "Not A Name": window: "soon": `,
		`slo[0] "Not A Name": time_zone: "Mars": `,
		`slo[0] "Not A Name": ratio.good, ratio.bad: only one`,
		`slo[0] "Not A Name": ratio.good[0]: empty`,
		`slo[0] "Not A Name": ratio.good[1]: 1025 bytes`,
		`slo[0] "Not A Name": ratio.total: missing`,
		`slo[1] "b": threshold.metric: empty`,
		`slo[1] "b": threshold.below: not a finite number`,
		`slo[2] "b": ratio, threshold: one of them`,
		`slo[2] "b": name: slo[1] has it`,
		`slo[3] "c": ratio, threshold: only one`,
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("fault %d differs:\n%s\nwant:\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestNames(t *testing.T) {
	valid := slo.Definition{Target: "99", Window: "7d", Ratio: &slo.Ratio{Good: slo.Selectors{"a"}, Total: slo.Selectors{"b"}}}
	for name, ok := range map[string]bool{
		"a": true, "0": true, "a-b-9": true, strings.Repeat("a", 64): true,
		"": false, "-a": false, "A": false, "a_b": false, "a.b": false, "ä": false, "a\n": false, strings.Repeat("a", 65): false,
	} {
		valid.Name = name
		if err := valid.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
