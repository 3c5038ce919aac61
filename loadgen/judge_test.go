package loadgen

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

func TestThresholds(t *testing.T) {
	missed := int64(0)
	all := Thresholds{P95: 5 * time.Millisecond, P99: 10 * time.Millisecond, MinRate: MinRate{Share: 0.99}, MaxMissed: &missed}
	good := Result{Rate: 995, TargetRate: 1000, LatencyMS: LatencyMS{P95: 5, P99: 10}}
	if f := all.Failures(good); len(f) != 0 {
		t.Errorf("kept and yet failed: %v", f)
	}
	bad := Result{Rate: 980, TargetRate: 1000, Missed: 1, LatencyMS: LatencyMS{P95: 5.1, P99: 10.1}}
	f := all.Failures(bad)
	if len(f) != 4 {
		t.Fatalf("%d of 4 failures: %v", len(f), f)
	}
	for i, name := range []string{"--max-p95", "--max-p99", "--min-rate", "--max-missed"} {
		if !strings.HasPrefix(f[i], name+": ") {
			t.Errorf("%q does not name %s", f[i], name)
		}
	}
	if f := (Thresholds{}).Failures(bad); len(f) != 0 {
		t.Errorf("nothing was asked, and yet: %v", f)
	}
	if f := (Thresholds{MinRate: MinRate{Rate: 981}}).Failures(bad); len(f) != 1 {
		t.Errorf("%v", f)
	}
}

func TestParseMinRate(t *testing.T) {
	for in, want := range map[string]MinRate{"0.99": {Share: 0.99}, "99%": {Share: 0.99}, "1": {Share: 1}, "900k": {Rate: 900e3}, "2": {Rate: 2}} {
		if got, err := ParseMinRate(in); err != nil || got != want {
			t.Errorf("%q is %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "101%", "%", "x", "-1"} {
		if _, err := ParseMinRate(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

func TestCompare(t *testing.T) {
	before := api.Ledger{Received: 10, Stored: 10}
	for _, c := range []struct {
		name  string
		after api.Ledger
		want  Verdict
	}{
		{"exact", api.Ledger{Received: 110, Stored: 60, Pending: 50}, Verdict{OK: true, Expected: 100, Stored: 100}},
		{"lost", api.Ledger{Received: 109, Stored: 109}, Verdict{Expected: 100, Stored: 99, Lost: 1}},
		{"twice", api.Ledger{Received: 111, Stored: 111}, Verdict{Expected: 100, Stored: 101, Duplicated: 1}},
		{"rejected", api.Ledger{Received: 110, Stored: 107, Rejected: map[string]uint64{"syntax": 3}}, Verdict{Expected: 100, Stored: 97, Lost: 3, Rejected: 3}},
		{"shed", api.Ledger{Received: 110, Stored: 108, Shed: map[string]uint64{"crash": 2}}, Verdict{Expected: 100, Stored: 98, Lost: 2, Shed: 2}},
	} {
		if got := Compare(before, c.after, 100); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	broken := Compare(before, api.Ledger{Received: 111, Stored: 110}, 100)
	if broken.OK || !strings.Contains(broken.String(), "ledger is broken") {
		t.Errorf("%+v", broken)
	}
}

// ledgers answers one after another, then the last.
type ledgers []api.Ledger

func (l *ledgers) Ledger(context.Context) (api.Ledger, error) {
	first := (*l)[0]
	if len(*l) > 1 {
		*l = (*l)[1:]
	}
	return first, nil
}

// TestVerifyWaits: for what is under way, and for what comes twice after.
func TestVerifyWaits(t *testing.T) {
	at := func(n uint64) api.Ledger { return api.Ledger{Received: n, Pending: n} }
	if v, _, err := Verify(t.Context(), &ledgers{at(0), at(50), at(100)}, api.Ledger{}, 100); err != nil || !v.OK {
		t.Errorf("%+v, %v", v, err)
	}
	if v, _, err := Verify(t.Context(), &ledgers{at(100), at(101)}, api.Ledger{}, 100); err != nil || v.OK || v.Duplicated != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := Verify(ctx, &ledgers{at(1)}, api.Ledger{}, 100); err == nil {
		t.Error("a verification that was broken off has a verdict")
	}
}
