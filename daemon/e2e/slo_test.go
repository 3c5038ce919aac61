package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/nexusctl/slo"
)

// tally is what the generator sent for one local day.
type tally struct{ good, total int64 }

// month is a generator of a month's events, with its own ledger.
type month struct {
	label string
	days  []string // in order
	sent  map[string]tally
	lines bytes.Buffer
}

// generate makes the events of the last whole month of the zone: every seven
// minutes some, a day of trouble, a silent day, and events in the first and
// last second of every day, where a wrong bound would show.
func generate(now time.Time, zone *time.Location) *month {
	r := rand.New(rand.NewPCG(7, 11))
	first := time.Date(now.In(zone).Year(), now.In(zone).Month()-1, 1, 0, 0, 0, 0, zone)
	m := &month{label: first.Format("2006-01"), sent: map[string]tally{}}
	for day := first; day.Month() == first.Month(); day = day.AddDate(0, 0, 1) {
		m.days = append(m.days, day.Format("2006-01-02"))
		if day.Day() == 13 {
			continue
		}
		next := day.AddDate(0, 0, 1)
		for at := day; at.Before(next); at = at.Add(7 * time.Minute) {
			bad := int64(r.IntN(3) / 2)
			if day.Day() == 20 && at.Hour() == 12 {
				bad = 400
			}
			m.add(at, int64(r.IntN(500)), bad)
		}
		m.add(next.Add(-time.Second), 3, 1)
	}
	return m
}

func (m *month) add(at time.Time, good, bad int64) {
	day := at.Format("2006-01-02")
	t := m.sent[day]
	m.sent[day] = tally{t.good + good, t.total + good + bad}
	if good > 0 {
		fmt.Fprintf(&m.lines, "checkout.requests:%d|c|#status:ok|T%d\n", good, at.Unix())
	}
	if bad > 0 {
		fmt.Fprintf(&m.lines, "checkout.requests:%d|c|#status:failed|T%d\n", bad, at.Unix())
	}
}

func (m *month) total() (all tally) {
	for _, t := range m.sent {
		all.good += t.good
		all.total += t.total
	}
	return all
}

// TestSLOReportOfAMonth sends a month of events with their own times and holds
// the report to the generator's ledger, to the event; again after a restart,
// and after every hour has been compacted.
func TestSLOReportOfAMonth(t *testing.T) {
	t.Parallel()
	const zoneName = "Europe/Berlin"
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		t.Fatal(err)
	}
	eachStore(t, func(t *testing.T, storage string) {
		m := generate(time.Now(), zone)
		dir := t.TempDir()
		settings := filepath.Join(dir, "nexus.toml")
		text := fmt.Sprintf("[ingest]\npast = \"100d\"\n\n[[slo]]\nname = \"checkout\"\ntarget = \"99.5\"\nwindow = \"month\"\ntime_zone = %q\n[slo.ratio]\ngood = 'checkout.requests{status=\"ok\"}'\ntotal = \"checkout.requests\"\n", zoneName)
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(dir, "data")
		p := start(t, data, storage, "--config", settings, "--set", "aggregate.resolution=10s")
		p.sendAll(m.lines.Bytes())
		m.check(t, p.report("checkout", m.label))
		p.stop()
		p = start(t, data, storage, "--config", settings)
		m.check(t, p.report("checkout", m.label))
		p.stop()
	})
}

// sendAll sends lines and waits until the daemon has read them.
func (p *process) sendAll(lines []byte) {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Write(lines); err != nil {
		p.t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
	_, _ = c.Read(make([]byte, 1)) // ends when the daemon has read all
	_ = c.Close()
	if l := p.settled(); len(l.Rejected) > 0 {
		p.t.Fatalf("lines were rejected: %v", l.Rejected)
	}
}

// report runs `nexusctl slo report`.
func (p *process) report(name, month string) slo.Report {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "slo", "report", name, "--month", month, "--format", "json", "--server", p.addr)
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("slo report: %v\n%s\n%s", err, out, p.logs)
	}
	var r slo.Report
	if err := json.Unmarshal(out, &r); err != nil {
		p.t.Fatalf("slo report: %v\n%s", err, out)
	}
	return r
}

// check recomputes everything that the report says from what was sent.
func (m *month) check(t *testing.T, r slo.Report) {
	t.Helper()
	all := m.total()
	same := func(what string, got slo.Amount, want *big.Rat) {
		t.Helper()
		if got.Rat().Cmp(want) != 0 {
			t.Errorf("%s: the report says %s, the generator %s", what, got, want.RatString())
		}
	}
	events := func(what string, got slo.EventCounts, want tally) {
		t.Helper()
		same(what+" good", got.Good, big.NewRat(want.good, 1))
		same(what+" bad", got.Bad, big.NewRat(want.total-want.good, 1))
		same(what+" total", got.Total, big.NewRat(want.total, 1))
	}
	events("month", r.Compliance.Events, all)
	if met := all.good*1000 >= all.total*995; met != (r.Compliance.State == slo.Met) {
		t.Errorf("met %t, the report says %s", met, r.Compliance.State)
	}
	budget := new(big.Rat).Mul(big.NewRat(5, 1000), big.NewRat(all.total, 1))
	same("budget", r.Budget.Events.Total, budget)
	same("budget left", r.Budget.Events.Remaining, new(big.Rat).Sub(budget, big.NewRat(all.total-all.good, 1)))
	if len(r.Days) != len(m.days) {
		t.Fatalf("%d days, want %d", len(r.Days), len(m.days))
	}
	for i, day := range m.days {
		if r.Days[i].Date != day {
			t.Fatalf("day %d is %s, want %s", i, r.Days[i].Date, day)
		}
		events(day, r.Days[i].Events, m.sent[day])
	}
}
