package api

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/protocol/api"
)

// About is what tools of Prometheus ask of a server itself.
type About struct {
	Started    time.Time
	Configured time.Time     // when the settings in force were read
	ConfigOK   bool          // the last try to read them succeeded
	Retention  time.Duration // of points as they were gathered
	// Settings are the settings in force, without what may be a secret, or name a
	// path or a machine: everyone who reaches the port sees them.
	Settings []api.Setting
}

// promServerRoutes answer what Grafana, promtool and others ask a Prometheus about
// itself. The daemon scrapes nothing and evaluates no rules: those lists are empty,
// which is what a Prometheus without them answers.
func (s *Server) promServerRoutes() []route {
	const at = "/prometheus/api/v1/"
	return []route{
		{"GET /-/healthy", s.promHealthy}, {"GET /prometheus/-/healthy", s.promHealthy},
		{"GET /-/ready", s.promReady}, {"GET /prometheus/-/ready", s.promReady},
		{"GET " + at + "rules", s.promRules},
		{"GET " + at + "alerts", s.promAlways(promAlerts{Alerts: []struct{}{}})},
		{"GET " + at + "alertmanagers", s.promAlways(promAlertmanagers{Active: []struct{}{}, Dropped: []struct{}{}})},
		{"GET " + at + "targets", s.promAlways(promTargets{Active: []struct{}{}, Dropped: []struct{}{}, Counts: map[string]int{}})},
		{"GET " + at + "targets/metadata", s.promTargetMetadata},
		{"GET " + at + "scrape_pools", s.promAlways(promPools{Pools: []string{}})},
		{"GET " + at + "status/config", s.promConfig},
		{"GET " + at + "status/flags", s.promFlags},
		{"GET " + at + "status/runtimeinfo", s.promRuntime},
		{"GET " + at + "status/tsdb", s.promTSDB},
		{"GET " + at + "status/walreplay", s.promAlways(promReplay{})}, // HTTP is answered once the log is replayed
	}
}

// The bodies, as Prometheus names their fields.
type (
	promRuleGroups struct {
		Groups []struct{} `json:"groups"`
	}
	promAlerts struct {
		Alerts []struct{} `json:"alerts"`
	}
	promAlertmanagers struct {
		Active  []struct{} `json:"activeAlertmanagers"`
		Dropped []struct{} `json:"droppedAlertmanagers"`
	}
	promTargets struct {
		Active  []struct{}     `json:"activeTargets"`
		Dropped []struct{}     `json:"droppedTargets"`
		Counts  map[string]int `json:"droppedTargetCounts"`
	}
	promPools struct {
		Pools []string `json:"scrapePools"`
	}
	promReplay struct {
		Min     int `json:"min"`
		Max     int `json:"max"`
		Current int `json:"current"`
	}
	promSettings struct {
		YAML string `json:"yaml"`
	}
	promRuntime struct {
		StartTime           time.Time `json:"startTime"`
		CWD                 string    `json:"CWD"`      // empty: the port tells no path
		Hostname            string    `json:"hostname"` // empty: nor the machine's name
		ServerTime          time.Time `json:"serverTime"`
		ReloadConfigSuccess bool      `json:"reloadConfigSuccess"`
		LastConfigTime      time.Time `json:"lastConfigTime"`
		CorruptionCount     int64     `json:"corruptionCount"` // 0: a log that is damaged stops the start
		GoroutineCount      int       `json:"goroutineCount"`
		GOMAXPROCS          int       `json:"GOMAXPROCS"`
		GOMEMLIMIT          int64     `json:"GOMEMLIMIT"` // bytes
		GOGC                string    `json:"GOGC"`
		GODEBUG             string    `json:"GODEBUG"`
		StorageRetention    string    `json:"storageRetention"`
	}
	promStat struct {
		Name  string `json:"name"`
		Value uint64 `json:"value"`
	}
	promHead struct {
		NumSeries     uint64 `json:"numSeries"`
		NumLabelPairs int    `json:"numLabelPairs"`
		ChunkCount    int64  `json:"chunkCount"`
		MinTime       int64  `json:"minTime"` // Unix milliseconds
		MaxTime       int64  `json:"maxTime"`
	}
	promTSDB struct {
		Head         promHead   `json:"headStats"`
		SeriesByName []promStat `json:"seriesCountByMetricName"`
		ValuesByTag  []promStat `json:"labelValueCountByLabelName"`
		BytesByTag   []promStat `json:"memoryInBytesByLabelName"`
		SeriesByPair []promStat `json:"seriesCountByLabelValuePair"`
	}
)

// promAlways answers the same every time.
func (s *Server) promAlways(data any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { s.promData(w, data) }
}

func (s *Server) promData(w http.ResponseWriter, data any, warnings ...string) {
	s.promWrite(w, http.StatusOK, promAnswer{Status: "success", Data: data, Warnings: warnings})
}

func (s *Server) promHealthy(w http.ResponseWriter, _ *http.Request) {
	plainText(w, http.StatusOK, "nexusctl is healthy.\n")
}

func (s *Server) promReady(w http.ResponseWriter, r *http.Request) {
	if len(s.opts.Ready(r.Context())) > 0 {
		plainText(w, http.StatusServiceUnavailable, "nexusctl is not ready: /ready says why.\n")
		return
	}
	plainText(w, http.StatusOK, "nexusctl is ready.\n")
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client is gone, or has it
}

// promRules answers that there are no rules. What is asked is held to Prometheus's
// rules all the same, so that a client learns of its mistake here and not later.
func (s *Server) promRules(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	switch q.Get("type") {
	case "", "alert", "record":
	default:
		s.promFail(w, http.StatusBadRequest, "bad_data", `invalid parameter "type": it is neither alert nor record`)
		return
	}
	if _, err := s.opts.Engine.ParseMatchers(q["match[]"]); err != nil {
		s.promError(w, err)
		return
	}
	s.promData(w, promRuleGroups{Groups: []struct{}{}})
}

// promTargetMetadata answers that no target said what its metrics are: what senders
// said is in metadata.
func (s *Server) promTargetMetadata(w http.ResponseWriter, r *http.Request) {
	if text := asked(r).Get("limit"); text != "" {
		if _, err := strconv.Atoi(text); err != nil {
			s.promFail(w, http.StatusBadRequest, "bad_data", `invalid parameter "limit": it is no whole number`)
			return
		}
	}
	if text := asked(r).Get("match_target"); text != "" {
		if _, err := s.opts.Engine.ParseMatchers([]string{text}); err != nil {
			s.promError(w, err)
			return
		}
	}
	s.promData(w, []struct{}{})
}

// promConfig answers with the one thing of Prometheus's configuration that the daemon
// has: how far its samples are apart. A reader of such files can read it.
func (s *Server) promConfig(w http.ResponseWriter, _ *http.Request) {
	s.promData(w, promSettings{YAML: fmt.Sprintf("# Nothing is scraped; samples are as far apart as this. status/flags has the settings.\nglobal:\n  scrape_interval: %s\n",
		model.Duration(s.opts.Reader.Resolution()))})
}

func (s *Server) promFlags(w http.ResponseWriter, _ *http.Request) {
	flags := map[string]string{}
	for _, f := range s.opts.About().Settings {
		flags[f.Key] = f.Value
	}
	s.promData(w, flags)
}

func (s *Server) promRuntime(w http.ResponseWriter, _ *http.Request) {
	a := s.opts.About()
	s.promData(w, promRuntime{
		StartTime: a.Started.UTC(), ServerTime: s.opts.Now().UTC(), ReloadConfigSuccess: a.ConfigOK, LastConfigTime: a.Configured.UTC(),
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: pressure.RuntimeLimit(),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"), StorageRetention: model.Duration(a.Retention).String(),
	})
}

const (
	defaultStats = 10
	maxStats     = 10_000 // that Prometheus takes
)

// promTSDB answers with the series of this process, by name and by tag as sent. What
// the daemon does not count is 0 or empty.
func (s *Server) promTSDB(w http.ResponseWriter, r *http.Request) {
	limit, p := intParam(r, "limit", defaultStats, 1, maxStats)
	if p != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", "limit must be a whole number from 1 to "+strconv.Itoa(maxStats))
		return
	}
	var warnings []string
	if limit > maxNamed {
		warnings = append(warnings, "results truncated due to limit: a list has at most "+strconv.Itoa(maxNamed)+" entries")
	}
	s.promData(w, statsOf(s.opts.Cardinality(min(limit, maxNamed))), warnings...)
}

func statsOf(c admit.Cardinality) promTSDB {
	t := promTSDB{Head: promHead{NumSeries: uint64(c.Series)}, SeriesByName: []promStat{}, ValuesByTag: []promStat{}, BytesByTag: []promStat{}, SeriesByPair: []promStat{}}
	for _, n := range c.Names {
		t.SeriesByName = append(t.SeriesByName, promStat{n.Name, uint64(n.Series)})
	}
	for _, k := range c.Tags {
		t.ValuesByTag = append(t.ValuesByTag, promStat{k.Key, uint64(k.Values)})
	}
	return t
}
