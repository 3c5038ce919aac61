package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestExpositionIsClean lints what the daemon shows of itself, with the linter
// of `promtool check metrics`, and with promtool where it is installed.
func TestExpositionIsClean(t *testing.T) {
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	p.sendAll([]byte("a:1|c\n"))
	_ = p.ledger()
	text := p.text("/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, name := range []string{
		"nexus_connections_active", "nexus_metrics_received_total", "nexus_request_duration_seconds_bucket", `nexus_memory_usage_bytes{type="resident"}`,
		"nexus_cpu_usage_ratio", "nexus_ingest_duration_seconds_count", "nexus_api_requests_total", "nexus_ledger_difference 0",
	} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("the exposition lacks %s", name)
		}
	}
	t.Run("promtool", func(t *testing.T) {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			t.Skip("promtool is not installed (apt-get install prometheus)")
		}
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	})
	p.stop()
}
