package protocol

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// corpusRow is a line of a corpus; testdata/README.md tells what it means.
type corpusRow struct {
	In      []byte         `json:"in"`
	Line    string         `json:"line"`
	Now     int64          `json:"now"`
	Verdict string         `json:"verdict"`
	Metrics []corpusMetric `json:"metrics"`
}

type corpusMetric struct {
	Name            string             `json:"name"`
	Type            string             `json:"type"`
	Values          *[]any             `json:"values"`
	Member          *string            `json:"member"`
	Deltas          []bool             `json:"deltas"`
	Tags            *map[string]string `json:"tags"`
	Rate            *float64           `json:"rate"`
	TimestampMS     *int64             `json:"timestamp_ms"`
	IgnoredSections *int               `json:"ignored_sections"`
	IgnoredRate     *bool              `json:"ignored_rate"`
}

func TestCorpus(t *testing.T) {
	dir := os.Getenv("NEXUS_STATSD_CORPUS")
	if dir == "" {
		dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.jsonl in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runCorpus(t, file) })
	}
}

func runCorpus(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var row corpusRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if err := row.check(); err != nil {
			t.Errorf("line %d: %.80q: %v", n, row.In, err)
		}
	}
	if err := lines.Err(); err != nil || n == 0 {
		t.Fatalf("read %d lines: %v", n, err)
	}
}

// check parses the row's lines and compares what they come to.
func (row *corpusRow) check() error {
	if quoted, err := strconv.Unquote(row.Line); row.Line != "" && (err != nil || quoted != string(row.In)) {
		return fmt.Errorf("line says %s: %v", row.Line, err)
	}
	p := NewParser(DefaultLimits())
	if p.Now = row.Now; p.Now == 0 {
		p.Now = time.Now().UnixMilli()
	}
	taken := 0
	for rest := row.In; len(rest) > 0; {
		var line []byte
		if line, rest = NextLine(rest); len(line) == 0 {
			continue
		}
		m, fault := p.Line(line)
		if fault.Reason != Accepted {
			if row.Verdict != fault.Reason.String() {
				return fmt.Errorf("%v at %d, want %s", fault.Reason, fault.Column, row.Verdict)
			}
			return nil
		}
		if row.Verdict == "ok" && taken < len(row.Metrics) {
			if err := row.Metrics[taken].compare(m); err != nil {
				return err
			}
		}
		taken++
	}
	if row.Verdict != "ok" || row.Metrics != nil && taken != len(row.Metrics) {
		return fmt.Errorf("%d metrics accepted, want %d and verdict %s", taken, len(row.Metrics), row.Verdict)
	}
	return nil
}

func (want *corpusMetric) compare(m *Metric) error {
	tags := map[string]string{}
	for _, t := range m.Tags {
		tags[string(t.Key)] = string(t.Value)
	}
	time := m.Time
	if !m.HasTime {
		time = -1
	}
	switch {
	case want.Name != string(m.Name), want.Type != m.Type.String() && want.Type != m.Type.Symbol(),
		want.Values != nil && !want.sameValues(m),
		want.Member != nil && *want.Member != string(m.Member),
		want.Tags != nil && !maps.Equal(*want.Tags, tags),
		want.Rate != nil && *want.Rate != m.Rate,
		want.TimestampMS != nil && *want.TimestampMS != time,
		want.IgnoredSections != nil && *want.IgnoredSections != m.IgnoredSections,
		want.IgnoredRate != nil && *want.IgnoredRate != m.IgnoredRate:
		wanted, _ := json.Marshal(want)
		return fmt.Errorf("%s, want %s", describe(m), wanted)
	}
	return nil
}

func (want *corpusMetric) sameValues(m *Metric) bool {
	if m.Type == Set {
		return slices.Equal(*want.Values, []any{string(m.Member)})
	}
	values, deltas := []any{}, []bool{}
	for _, v := range m.Values {
		values, deltas = append(values, v.Number), append(deltas, v.Delta)
	}
	if want.Deltas == nil {
		return slices.Equal(values, *want.Values) && !slices.Contains(deltas, true)
	}
	return slices.Equal(values, *want.Values) && slices.Equal(deltas, want.Deltas)
}
