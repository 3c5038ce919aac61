package api_test

import (
	"net/url"
	"strings"
	"testing"
)

// TestExemplars asks as Grafana does: there are none, and what Prometheus refuses is
// refused.
func TestExemplars(t *testing.T) {
	s := start(t)
	const route = "/prometheus/api/v1/query_exemplars"
	good := url.Values{"query": {`histogram_quantile(0.9, rate(a_bucket{le="1"}[5m]))`}, "start": {"1764000000.5"}, "end": {"2025-11-24T17:00:00Z"}}
	for _, r := range []reply{s.get(route + "?" + good.Encode()), s.do("POST", route, "application/x-www-form-urlencoded", good.Encode()), s.get(route + "?query=up")} {
		if r.expect(t, "none", 200, plainJSON); strings.TrimSpace(r.body) != `{"status":"success","data":[]}` {
			t.Error(r.body)
		}
	}
	for name, bad := range map[string]string{
		"no query": "", "no expression": "query=rate(", "start": "query=up&start=yesterday", "end": "query=up&end=x", "end before start": "query=up&start=20&end=10",
	} {
		r := s.get(route + "?" + bad)
		if r.expect(t, name, 400, plainJSON); !strings.Contains(r.body, `"errorType":"bad_data"`) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
}
