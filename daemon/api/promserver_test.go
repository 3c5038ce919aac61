package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"go.yaml.in/yaml/v3"
)

// askedAsPrometheus returns Prometheus's own client of the stack.
func askedAsPrometheus(t *testing.T, s *stack) (context.Context, promv1.API) {
	t.Helper()
	c, err := promapi.NewClient(promapi.Config{Address: s.url + "/prometheus"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx, promv1.NewAPI(c)
}

// TestAsPrometheusItself: Prometheus's own client reads what the daemon says of
// itself, and nothing of it is made up.
func TestAsPrometheusItself(t *testing.T) {
	s := start(t)
	s.post("ask.orders:3|c|#env:prod\nask.orders:3|c|#env:test\nask.stock:7|g\n")
	ctx, c := askedAsPrometheus(t, s)

	rules, err := c.Rules(ctx, []string{`{team="x"}`})
	if err != nil || rules.Groups == nil || len(rules.Groups) > 0 {
		t.Errorf("rules: %+v %v", rules, err)
	}
	alerts, err := c.Alerts(ctx)
	if err != nil || alerts.Alerts == nil || len(alerts.Alerts) > 0 {
		t.Errorf("alerts: %+v %v", alerts, err)
	}
	managers, err := c.AlertManagers(ctx)
	if err != nil || managers.Active == nil || managers.Dropped == nil || len(managers.Active)+len(managers.Dropped) > 0 {
		t.Errorf("alertmanagers: %+v %v", managers, err)
	}
	targets, err := c.Targets(ctx)
	if err != nil || targets.Active == nil || targets.Dropped == nil || len(targets.Active)+len(targets.Dropped) > 0 {
		t.Errorf("targets: %+v %v", targets, err)
	}
	about, err := c.TargetsMetadata(ctx, `{job="x"}`, "ask_orders_total", "2")
	if err != nil || about == nil || len(about) > 0 {
		t.Errorf("what targets said: %+v %v", about, err)
	}
	if replay, err := c.WalReplay(ctx); err != nil || replay != (promv1.WalReplayStatus{}) {
		t.Errorf("replay: %+v %v", replay, err)
	}
	if build, err := c.Buildinfo(ctx); err != nil || build.Version == "" {
		t.Errorf("build: %+v %v", build, err)
	}
	ran, err := c.Runtimeinfo(ctx)
	if err != nil || !ran.ReloadConfigSuccess || ran.GOMAXPROCS < 1 || ran.GoroutineCount < 1 || ran.StorageRetention != "1w" ||
		time.Since(ran.StartTime) > time.Hour || ran.LastConfigTime.Before(ran.StartTime) || ran.CWD != "" {
		t.Errorf("the process: %+v %v", ran, err)
	}
}

// TestSeriesAsPrometheusCounts: the statistics count series by name and values by
// tag.
func TestSeriesAsPrometheusCounts(t *testing.T) {
	s := start(t)
	var lines strings.Builder
	for _, env := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"} {
		lines.WriteString("ask.orders:3|c|#ask_env:" + env + "\n")
	}
	s.post(lines.String())
	ctx, c := askedAsPrometheus(t, s)
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, err := c.TSDB(ctx, promv1.WithLimit(100))
		if err != nil {
			t.Fatal(err)
		}
		if value(got.SeriesCountByMetricName, "ask.orders") == 26 && value(got.LabelValueCountByLabelName, "ask_env") == 26 && got.HeadStats.NumSeries >= 26 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("26 series are counted as %+v", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if one, err := c.TSDB(ctx, promv1.WithLimit(1)); err != nil || len(one.SeriesCountByMetricName) != 1 {
		t.Errorf("a list of one: %+v %v", one, err)
	}
}

func value(list []promv1.Stat, name string) uint64 {
	for _, s := range list {
		if s.Name == name {
			return s.Value
		}
	}
	return 0
}

// TestNoSecretInPublicSettings: the settings are told by name, and no text of them:
// the data directory is one that the test knows.
func TestNoSecretInPublicSettings(t *testing.T) {
	s := start(t)
	ctx, c := askedAsPrometheus(t, s)
	flags, err := c.Flags(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"aggregate.resolution": "1s", "ingest.max_body": "256KiB", "ingest.lanes": "2", "storage.password": "", "storage.url": "***", "server.data_dir": "***", "server.listen": "***",
	} {
		if got, there := flags[key]; got != want || !there {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	settings, err := c.Config(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Global map[string]string `yaml:"global"`
	}
	if err := yaml.Unmarshal([]byte(settings.YAML), &file); err != nil || file.Global["scrape_interval"] != "1s" || len(file.Global) != 1 {
		t.Errorf("the configuration is %q: %+v %v", settings.YAML, file, err)
	}
	for _, path := range []string{"status/flags", "status/config", "status/runtimeinfo", "status/tsdb"} {
		if r := s.get("/prometheus/api/v1/" + path); strings.Contains(r.body, s.dir) || strings.Contains(r.body, "127.0.0.1") {
			t.Errorf("%s tells a path or an address: %s", path, r.body)
		}
	}
}

// TestPrometheusFaults: what is not there, or asked wrongly, is an error as
// Prometheus's clients read it.
func TestPrometheusFaults(t *testing.T) {
	s := start(t)
	ctx, c := askedAsPrometheus(t, s)
	var fault *promv1.Error
	if _, err := c.TSDBBlocks(ctx); !errors.As(err, &fault) {
		t.Errorf("blocks of a TSDB, which is none: %v", err)
	}
	for path, want := range map[string]int{
		"rules?type=other": 400, "rules?match[]=%7B": 400, "targets/metadata?limit=x": 400, "targets/metadata?match_target=%7B": 400,
		"status/tsdb?limit=0": 400, "status/tsdb?limit=10001": 400, "status/tsdb?limit=10000": 200, "status/tsdb/blocks": 404, "nothing": 404, "admin/tsdb/snapshot": 404, "targets?state=active": 200,
	} {
		r := s.get("/prometheus/api/v1/" + path)
		status := "error"
		if want == http.StatusOK {
			status = "success"
		}
		if r.status != want || !strings.HasPrefix(r.body, `{"status":"`+status+`"`) || (want != http.StatusOK) != strings.Contains(r.body, `"errorType":"`) {
			t.Errorf("%s: %d %s, want %d", path, r.status, r.body, want)
		}
	}
}

// TestProbesAsPrometheusHas asks as its users' probes do: under any name of a host.
func TestProbesAsPrometheusHas(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/-/healthy", "/-/ready", "/prometheus/-/healthy", "/prometheus/-/ready"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequest(method, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "prometheus.example.com"
			r := send(t, req)
			if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/plain; charset=utf-8" || (r.body == "") != (method == http.MethodHead) {
				t.Errorf("%s %s: %d %s %q", method, path, r.status, r.header.Get("Content-Type"), r.body)
			}
		}
	}
}
