package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRealPrometheus lets a Prometheus scrape the daemon and itself and write
// remotely to the daemon, and asks both the same questions.
func TestRealPrometheus(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (apt-get install prometheus)")
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	addr := runPrometheus(t, binary, p.addr)
	var at float64
	deadline := time.Now().Add(30 * time.Second)
	for ; ; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("six scrapes did not arrive")
		}
		if at = sixth(t, p.url("/prometheus"), `up{job="self"}`); at != 0 {
			break
		}
	}
	for _, expr := range []string{
		`sum by (job) (count_over_time(up[5s]))`,
		`count by (__name__, job) ({job=~".+"})`,
		`last_over_time({__name__=~"prometheus_.*|nexus_.*|up|scrape_.*",job=~".+"}[5s])`,
		// Not rate: releases before 3.0 extrapolate a young counter farther.
		`sum by (job) (irate(prometheus_http_requests_total[5s]))`,
		`sum by (job) (max_over_time(prometheus_http_requests_total[5s]) - min_over_time(prometheus_http_requests_total[5s]))`,
		`histogram_quantile(0.9, sum by (le) (irate(prometheus_http_request_duration_seconds_bucket[5s])))`,
	} {
		want, got := ask(t, "http://"+addr, expr, at), ask(t, p.url("/prometheus"), expr, at)
		if len(want) == 0 || !slices.Equal(want, got) {
			t.Errorf("%s at %.3f:\n%d answers here, %d there: %s", expr, at, len(got), len(want), firstDifference(want, got)+"; "+firstDifference(got, want))
		}
	}
	l := p.ledger()
	if err := l.Check(); err != nil || l.Duplicates != 0 || len(l.Rejected) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

func runPrometheus(t *testing.T, binary, target string) (addr string) {
	t.Helper()
	dir := t.TempDir()
	addr = freeAddr(t)
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- {job_name: self, static_configs: [{targets: [%q]}]}
- {job_name: nexus, static_configs: [{targets: [%q]}]}
remote_write:
- {url: "http://%s/prometheus/api/v1/write", queue_config: {batch_send_deadline: 200ms}}
`, addr, target, target)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return addr
}

// sixth returns the time half a second behind the second newest of at least six
// samples, Unix seconds: all of a scrape before the newest has been sent, and
// none stands on the edge of a range, which releases before 3.0 counted in. 0
// where there are fewer.
func sixth(t *testing.T, base, selector string) float64 {
	t.Helper()
	res := promGet(t, base, selector+"[30s]", float64(time.Now().Unix()+1))
	if len(res) == 0 || len(res[0].Values) < 6 {
		return 0
	}
	v := res[0].Values
	return v[len(v)-2][0].(float64) + 0.5
}

type promSeries struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

func promGet(t *testing.T, base, expr string, at float64) []promSeries {
	t.Helper()
	form := url.Values{"query": {expr}, "time": {fmt.Sprintf("%.3f", at)}}
	res, err := http.PostForm(base+"/api/v1/query", form)
	if err != nil {
		return nil // it is not up yet
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []promSeries `json:"result"`
		} `json:"data"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %v %s", expr, err, answer.Error)
	}
	return answer.Data.Result
}

// ask returns an instant query's answer, one line a series, sorted.
func ask(t *testing.T, base, expr string, at float64) (lines []string) {
	t.Helper()
	for _, s := range promGet(t, base, expr, at) {
		var tags []string
		for k, v := range s.Metric {
			tags = append(tags, k+"="+v)
		}
		slices.Sort(tags)
		v, err := strconv.ParseFloat(s.Value[1].(string), 64)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %.10g", strings.Join(tags, ","), v)) // later engines add up with compensation
	}
	slices.Sort(lines)
	return lines
}

func firstDifference(want, got []string) string {
	for _, w := range want {
		if !slices.Contains(got, w) {
			return "missing " + w
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			return "more " + g
		}
	}
	return ""
}

// TestTelemetrygen lets OpenTelemetry's own generator send over HTTP.
func TestTelemetrygen(t *testing.T) {
	binary, err := exec.LookPath("telemetrygen")
	if err != nil {
		t.Skip("telemetrygen is not installed (go install github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@latest)")
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	const each = 40
	for _, temporality := range []string{"delta", "cumulative"} {
		// No two points in one millisecond, which is what PromQL tells apart.
		out, err := exec.Command(binary, "metrics", "--otlp-http", "--otlp-insecure", "--otlp-endpoint", p.addr, "--workers", "1", "--rate", "50", "--batch=false",
			"--metrics", fmt.Sprint(each), "--metric-type", "Sum", "--otlp-metric-name", "gen."+temporality, "--aggregation-temporality", temporality).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	l := p.settled()
	if err := l.Check(); err != nil || len(l.Rejected) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	// The generator's values are 0, 1, 2 …: a total, and what is added.
	want := []string{
		fmt.Sprintf("__name__=gen_cumulative_total,job=telemetrygen %d", each-1),
		fmt.Sprintf("__name__=gen_delta_total,job=telemetrygen %d", each*(each-1)/2),
	}
	if got := ask(t, p.url("/prometheus"), `{__name__=~"gen.*"}`, float64(time.Now().Unix()+1)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTelemetrygenOfEveryType lets four workers of OpenTelemetry's own generator send
// each type in both temporalities. Each point is a series of its own, for workers that
// shared one would contradict each other.
func TestTelemetrygenOfEveryType(t *testing.T) {
	binary, err := exec.LookPath("telemetrygen")
	if err != nil {
		t.Skip("telemetrygen is not installed (go install github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@latest)")
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	const workers, each = 4, 20
	const points, sum = workers * each, workers * each * (each - 1) / 2 // the values are 0, 1, 2 …
	want := map[string]string{}
	for _, temporality := range []string{"delta", "cumulative"} {
		for _, typ := range []string{"Gauge", "Sum", "Histogram", "ExponentialHistogram"} {
			out, err := exec.Command(binary, "metrics", "--otlp-http", "--otlp-insecure", "--otlp-endpoint", p.addr, "--workers", fmt.Sprint(workers), "--rate", "100",
				"--metrics", fmt.Sprint(each), "--metric-type", typ, "--otlp-metric-name", typ+"."+temporality, "--aggregation-temporality", temporality,
				"--unique-timeseries", "--unique-timeseries-duration", "1h", "--telemetry-attributes", `host="h1"`).CombinedOutput()
			if err != nil {
				t.Fatalf("%s, %s: %v: %s", typ, temporality, err, out)
			}
			name := typ + "_" + temporality
			switch {
			case typ == "Gauge":
				want["sum("+name+`{host="h1",job="telemetrygen"})`] = fmt.Sprint(" ", sum)
			case typ == "Sum":
				want["sum("+name+"_total)"] = fmt.Sprint(" ", sum)
			case typ == "Histogram" && temporality == "cumulative":
				want["sum("+name+"_count)"] = fmt.Sprint(" ", points*10) // of ten samples each
			case typ == "Histogram":
				want["sum(histogram_count("+name+"))"] = fmt.Sprint(" ", points*10)
			default: // of random values
				want["count(histogram_count("+name+") >= 10)"] = fmt.Sprint(" ", points)
			}
		}
	}
	l := p.settled()
	if err := l.Check(); err != nil || len(l.Rejected) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	// A cumulative histogram of fifteen bounds is eighteen series, and there is the target's own.
	if least := uint64(points * (7 + 18)); l.Received < least || l.Received > least+2*4*workers {
		t.Errorf("%d samples were received, want %d and those about the target", l.Received, least)
	}
	for expr, value := range want {
		if got := ask(t, p.url("/prometheus"), expr, float64(time.Now().Unix()+1)); !slices.Equal(got, []string{value}) {
			t.Errorf("%s is %q, want %q", expr, got, value)
		}
	}
}
