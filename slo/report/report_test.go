package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"example.com/nexusctl/slo"
	"example.com/nexusctl/slo/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// steady is a source of a hundred events an hour, some of them bad on the days
// that it names, and with the platform down on the 20th.
type steady struct{ badOn map[string]int64 }

func (s steady) Counts(_ context.Context, _ slo.Objective, bounds []time.Time) ([]slo.Slot, error) {
	slots := make([]slo.Slot, len(bounds)-1)
	for i := range slots {
		from, to := bounds[i], bounds[i+1]
		hours := int64(to.Sub(from) / time.Hour)
		bad := s.badOn[from.UTC().Add(12*time.Hour).Format(time.DateOnly)]
		slots[i] = slo.Slot{Events: slo.Count(100*hours-bad, 100*hours), Covered: to.Sub(from)}
		if from.UTC().Day() == 20 {
			slots[i].Covered -= 90*time.Minute + time.Second/2
		}
	}
	return slots, nil
}

func build(t *testing.T, src slo.Source, d slo.Definition, month string, now time.Time) slo.Report {
	t.Helper()
	o, err := d.Compile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := slo.ParseMonth(month, o.Window.Zone())
	if err != nil {
		t.Fatal(err)
	}
	r, err := slo.Build(context.Background(), src, o, p, slo.MaxHistory, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func samples(t *testing.T) map[string][]slo.Report {
	one := slo.Definition{
		Name: "api-availability", Description: "Requests answered without a server error, as the load balancer counts them; see the guide on what it leaves out.",
		Target: "99.9", Window: "30d", TimeZone: "Europe/Berlin",
		Ratio: &slo.Ratio{Bad: slo.Selectors{"e"}, Total: slo.Selectors{"t"}},
	}
	below := 100.0
	two := slo.Definition{
		Name: "api-latency", Target: "95", Window: "month",
		Threshold: &slo.Threshold{Metric: "http.duration", Below: &below},
	}
	later := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	met := build(t, steady{map[string]int64{"2026-10-03": 7, "2026-10-12": 30, "2026-10-25": 1}}, one, "2026-10", later)
	breached := build(t, steady{map[string]int64{"2026-10-05": 900, "2026-10-12": 3000}}, two, "2026-10", later)
	running := build(t, steady{map[string]int64{"2026-10-03": 7}}, one, "2026-10", time.Date(2026, 10, 10, 10, 0, 0, 0, time.UTC))
	quiet := build(t, nothing{}, two, "2026-02", later)
	quiet.History = quiet.History[5:]
	odd := build(t, steady{map[string]int64{"2026-10-03": -2, "2026-10-04": 2}}, one, "2026-10", time.Date(2026, 10, 6, 0, 0, 0, 0, time.UTC))
	odd.History = nil
	return map[string][]slo.Report{
		"anomaly": {odd},
		"met":     {met}, "running": {running}, "several": {met, breached}, "quiet": {quiet}, "hostile": {hostile(met)},
	}
}

// nothing is a source without events.
type nothing struct{}

func (nothing) Counts(_ context.Context, _ slo.Objective, bounds []time.Time) ([]slo.Slot, error) {
	return make([]slo.Slot, len(bounds)-1), nil
}

const nasty = "a|b\x1b[31m\u202e\n# x `c` <script>alert(1)</script> [l](http://e.example) *b* &amp; \\ \x00 \x9b2J 世界"

// hostile is a report that came from elsewhere, with names that try to be more.
func hostile(r slo.Report) slo.Report {
	r.Days, r.History = append([]slo.DayView{}, r.Days[:2]...), append([]slo.PastMonth{}, r.History[:1]...)
	r.Name, r.Description, r.WorstDay = nasty, strings.Repeat(nasty, 3), nasty
	r.Period.Label, r.Period.TimeZone = nasty, nasty
	r.Compliance.State, r.Compliance.SLIPrinted = nasty, nasty
	r.Days[0].Date, r.Days[0].SLIPrinted = nasty, nasty
	r.History[0].Label, r.History[0].State = nasty, nasty
	huge, tiny := math.MaxFloat64, -math.MaxFloat64
	r.Days[0].BurnRate, r.Days[0].Cumulative, r.Days[1].Cumulative = &huge, &huge, &tiny
	r.Budget.Minutes.Total, r.Completeness.MissingSeconds = huge, huge
	r.Days[0].Events.Total = slo.AmountOf(new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 400)))
	r.Days[0].Events.Bad = slo.AmountOf(big.NewRat(10, 3))
	return r
}

func TestGolden(t *testing.T) {
	for name, reports := range samples(t) {
		for ending, render := range map[string]func(io.Writer, ...slo.Report) error{"txt": report.Text, "md": report.Markdown} {
			t.Run(name+"."+ending, func(t *testing.T) {
				var got bytes.Buffer
				if err := render(&got, reports...); err != nil {
					t.Fatal(err)
				}
				golden := filepath.Join("testdata", name+"."+ending)
				if *update {
					if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if got.String() != string(want) {
					t.Errorf("differs from %s; `go test ./slo/report -update` takes it on:\n%s", golden, got.String())
				}
			})
		}
	}
}

// TestDecoded: a report that went through JSON looks the same.
func TestDecoded(t *testing.T) {
	for name, reports := range samples(t) {
		if name == "hostile" {
			continue // its bytes are not UTF-8
		}
		data, err := json.Marshal(reports)
		if err != nil {
			t.Fatal(err)
		}
		var decoded []slo.Report
		if err := json.Unmarshal(data, &decoded); err != nil {
			t.Fatal(err)
		}
		var before, after bytes.Buffer
		if err := errors.Join(report.Text(&before, reports...), report.Text(&after, decoded...)); err != nil {
			t.Fatal(err)
		}
		if before.String() != after.String() {
			t.Errorf("%s:\n%s\nbecame\n%s", name, before.String(), after.String())
		}
	}
}

// TestSafe puts any text into every place for one: text stays printable and
// within its width, and Markdown's tables keep their cells and hold no tag.
func TestSafe(t *testing.T) {
	base := samples(t)["hostile"][0]
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("|\\`<>&[]*_\n\r\x1b\u202e\u0085世 #~")))).Draw(t, "s")
		r := base
		r.Name, r.Description, r.WorstDay, r.Period.Label, r.Period.TimeZone = s, s, s, s, s
		r.Compliance.State, r.Compliance.SLIPrinted = slo.State(s), s
		r.History = []slo.PastMonth{{Label: s, State: slo.State(s), SLIPrinted: s}}
		r.Days = []slo.DayView{{Date: s, SLIPrinted: s}}
		var text, markdown strings.Builder
		if err := errors.Join(report.Text(&text, r, r), report.Markdown(&markdown, r, r)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(text.String(), "\n") {
			if utf8.RuneCountInString(line) > 80 {
				t.Fatalf("a line of %d: %q", utf8.RuneCountInString(line), line)
			}
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Fatalf("%q has a character that does not print", line)
			}
		}
		checkCells(t, markdown.String())
	})
}

func checkCells(t *rapid.T, text string) {
	if strings.ContainsAny(text, "<>\x1b\r") {
		t.Fatalf("%q", text)
	}
	cells := 0
	for line := range strings.SplitSeq(text, "\n") {
		bare := strings.ReplaceAll(line, `\\`, "")
		bare = strings.ReplaceAll(bare, `\|`, "")
		if !strings.HasPrefix(bare, "|") {
			cells = 0
			continue
		}
		if n := strings.Count(bare, "|"); cells == 0 {
			cells = n
		} else if n != cells {
			t.Fatalf("%d bars where the header has %d: %q", n, cells, line)
		}
	}
}

type full struct{}

var errFull = errors.New("no space")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriterFails(t *testing.T) {
	r := samples(t)["met"][0]
	if err := report.Text(full{}, r); !errors.Is(err, errFull) {
		t.Error(err)
	}
	if err := report.Markdown(full{}, r); !errors.Is(err, errFull) {
		t.Error(err)
	}
}
