package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

func TestRemoteWriteDoor(t *testing.T) {
	s := start(t)
	now := time.Now().UnixMilli()
	send := func(samples ...prompb.Sample) reply {
		req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "a"}}, Samples: samples}}}
		data, err := req.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return s.encoded("/prometheus/api/v1/write", "application/x-protobuf", "snappy", snappy.Encode(nil, data))
	}
	first := prompb.Sample{Value: 1, Timestamp: now}
	for i, c := range []struct {
		samples []prompb.Sample
		status  int
	}{
		{[]prompb.Sample{first, {Value: 2, Timestamp: now + 1}}, 204}, {[]prompb.Sample{first}, 204},
		{[]prompb.Sample{{Value: 9, Timestamp: now}}, 400}, {[]prompb.Sample{{Value: 9, Timestamp: now - 48*3_600_000}}, 400},
	} {
		if r := send(c.samples...); r.status != c.status {
			t.Errorf("%d: %d %s", i, r.status, r.body)
		}
	}
	if r := s.get("/prometheus/api/v1/query?query=up"); !strings.Contains(r.body, `"job":"a"`) || !strings.Contains(r.body, `,"2"]`) {
		t.Error(r.body)
	}
	l, err := s.http.Ledger(context.Background())
	if err != nil || l.Check() != nil || l.Received != 4 || l.Duplicates != 1 || l.Rejected["conflict"] != 1 || l.Rejected["too_old"] != 1 {
		t.Errorf("%+v, %v", l, err)
	}
	for what, c := range map[string]struct {
		encoding string
		body     []byte
		status   int
	}{
		"gzip": {"gzip", nil, 415}, "no snappy": {"snappy", []byte("xx"), 400}, "no message": {"snappy", snappy.Encode(nil, []byte("\xff")), 400},
		"a bomb": {"snappy", []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 413},
	} {
		if r := s.encoded("/prometheus/api/v1/write", "application/x-protobuf", c.encoding, c.body); r.status != c.status {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
}

// TestRemoteWriteClient lets the protocol's own client write version 2.
func TestRemoteWriteClient(t *testing.T) {
	s := start(t)
	client, err := remote.NewAPI(s.url, remote.WithAPIPath("prometheus/api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	symbols := writev2.NewSymbolTable()
	req := &writev2.Request{Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{symbols.Symbolize("__name__"), symbols.Symbolize("n_total")},
		Samples:    []writev2.Sample{{Value: 4, Timestamp: time.Now().UnixMilli()}, {Value: math.NaN(), Timestamp: time.Now().UnixMilli() + 1}},
		Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: symbols.Symbolize("number of n")},
	}}}
	req.Symbols = symbols.Symbols()
	stats, err := client.Write(t.Context(), remote.WriteV2MessageType, req)
	if err != nil || stats.Samples != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	if r := s.get("/prometheus/api/v1/metadata?metric=n_total"); !strings.Contains(r.body, `{"n_total":[{"type":"counter","help":"number of n","unit":""}]}`) {
		t.Error(r.body)
	}
}

func TestOTLPDoor(t *testing.T) {
	s := start(t)
	now := time.Now().UnixNano()
	point := func(v string) string {
		return strings.NewReplacer("NANOS", decimal(now), "V", v).Replace(
			`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"o","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"timeUnixNano":"NANOS","asInt":"V"}]}},{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"NANOS","asDouble":V}]}},{"name":"late","gauge":{"dataPoints":[{"timeUnixNano":"1000000","asDouble":1}]}}]}]}]}`)
	}
	for range 2 { // the second is a repetition
		r := s.encoded("/v1/metrics", "application/json", "gzip", zipped(t, point("5")))
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	r := s.do("POST", "/v1/metrics", "application/json", point("6"))
	if r.status != 200 || !strings.Contains(r.body, `"rejectedDataPoints"`) || !strings.Contains(r.body, "too_old") || !strings.Contains(r.body, "conflict") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.get("/prometheus/api/v1/query?query=o_total"); !strings.Contains(r.body, `,"11"]`) { // the delta of 5 once, and 6
		t.Error(r.body)
	}
	if r := s.get("/prometheus/api/v1/query?query=g"); !strings.Contains(r.body, `,"5"]`) {
		t.Error(r.body)
	}
	for what, c := range map[string]struct {
		kind, body string
		status     int
	}{"text": {"text/plain", "", 415}, "no JSON": {"application/json", "{", 400}, "no protobuf": {"application/x-protobuf", "\xff", 400}} {
		if r := s.do("POST", "/v1/metrics", c.kind, c.body); r.status != c.status {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	l, err := s.http.Ledger(context.Background())
	if err != nil || l.Check() != nil {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestInfluxAndTextDoors(t *testing.T) {
	s := start(t)
	for what, c := range map[string]struct {
		target, body string
		status       int
	}{
		"version 1":         {"/write?db=x&precision=s", "cpu,host=a idle=3 " + decimal(time.Now().Unix()), 204},
		"version 2":         {"/api/v2/write?bucket=x&precision=ms", "cpu,host=b idle=4 " + decimal(time.Now().UnixMilli()), 204},
		"in part":           {"/write", "cpu,host=c idle=5\nbroken", 400},
		"another precision": {"/write?precision=day", "cpu value=1", 400},
		"text":              {"/api/v1/import/prometheus", "imported{k=\"v\"} 7\n", 204},
		"broken text":       {"/api/v1/import/prometheus", "imported{ 7\n", 400},
	} {
		if r := s.do("POST", c.target, "text/plain", c.body); r.status != c.status {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	if r := s.get("/prometheus/api/v1/query?query=sum(cpu_idle)%2Bon()+imported"); !strings.Contains(r.body, `,"19"]`) {
		t.Error(r.body)
	}
}

func TestPrometheusReadRoutes(t *testing.T) {
	s := start(t)
	s.post("shop.orders:3|c|#env:prod\nshop_stock:4|g\n")
	if r := s.do("POST", "/api/v1/import/prometheus", "text/plain", "# HELP up whether\n# TYPE up gauge\nup{job=\"a\",zone=\"z\"} 1\nup{job=\"b\"} 0\n"); r.status != 204 {
		t.Fatal(r.body)
	}
	const at = "/prometheus/api/v1/"
	for target, want := range map[string]string{
		"series?match[]=up":                                      `{"status":"success","data":[{"__name__":"up","job":"a","zone":"z"},{"__name__":"up","job":"b"}]}`,
		"series?match[]=up&limit=1":                              `{"status":"success","data":[{"__name__":"up","job":"a","zone":"z"}],"warnings":["results truncated due to limit"]}`,
		"series?match[]=shop_orders_total&match[]=up{job=\"b\"}": `{"status":"success","data":[{"__name__":"shop_orders_total","env":"prod"},{"__name__":"up","job":"b"}]}`,
		"labels?match[]=up":                                      `{"status":"success","data":["__name__","job","zone"]}`,
		"label/job/values":                                       `{"status":"success","data":["a","b"]}`,
		"label/__name__/values?match[]={job=\"a\"}":              `{"status":"success","data":["up"]}`,
		"metadata?metric=up":                                     `{"status":"success","data":{"up":[{"type":"gauge","help":"whether","unit":""}]}}`,
		"metadata?metric=shop_orders_total":                      `{"status":"success","data":{"shop_orders_total":[{"type":"counter","help":"","unit":""}]}}`,
		"format_query?query=sum(rate(up[5m]))by(job)":            `{"status":"success","data":"sum by (job) (rate(up[5m]))"}`,
		"query_exemplars?query=up":                               `{"status":"success","data":[]}`,
		"series":                                                 `{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}`,
		"labels?limit=x":                                         `{"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": it is no whole number from 0 on"}`,
		"query?query=" + strings.Repeat("abs(", 150) + "up" + strings.Repeat(")", 150): `{"status":"error","errorType":"bad_data","error":"the expression is nested more than 100 deep"}`,
	} {
		r := s.get(at + strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(target))
		if strings.TrimSpace(r.body) != want {
			t.Errorf("%s:\n%d %s, want\n%s", target, r.status, r.body, want)
		}
	}
	if r := s.do("POST", at+"series", "application/x-www-form-urlencoded", form("match[]", "up")); !strings.Contains(r.body, `"zone":"z"`) {
		t.Error(r.body)
	}
	if r := s.get(at + "label/__name__/values"); !strings.Contains(r.body, `"shop_orders_total"`) || strings.Contains(r.body, "decrements") {
		t.Error(r.body)
	}
	if r := s.get(at + "status/buildinfo"); !strings.Contains(r.body, `"version":"3.`) {
		t.Error(r.body)
	}
}

// encoded posts a body with a Content-Encoding.
func (s *stack) encoded(target, kind, encoding string, body []byte) reply {
	s.t.Helper()
	req, err := http.NewRequest("POST", s.url+target, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Content-Encoding", encoding)
	return send(s.t, req)
}

func zipped(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
