package gateway

import (
	"math"
	"strings"
	"testing"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"example.com/nexusctl/protocol/histogram"
)

func message1(t testing.TB) []byte {
	t.Helper()
	h := prompb.FromFloatHistogram(9, &promhistogram.FloatHistogram{Count: 2, Sum: 3, ZeroCount: 2})
	bad := prompb.FromFloatHistogram(9, &promhistogram.FloatHistogram{Count: 2, PositiveSpans: []promhistogram.Span{{Length: 2}}, PositiveBuckets: []float64{2}})
	req := prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{Labels: []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "empty"}, {Name: "job", Value: "a"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: 5}, {Value: stale(), Timestamp: 6}}},
			{Labels: []prompb.Label{{Name: "__name__", Value: "h"}}, Histograms: []prompb.Histogram{h, bad}},
		},
		Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up", Type: prompb.MetricMetadata_GAUGE, Help: "whether"}},
	}
	data, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRemote1(t *testing.T) {
	said := map[string]About{}
	in, err := decodeRemote1(message1(t), func(n string, a About) { said[n] = a })
	if want := `up{job="a"} 1@5; up{job="a"} NaN@6; h histogram@9; !syntax 1`; err != nil || render(in) != want {
		t.Errorf("%s, %v; want %s", render(in), err, want)
	}
	if got := in.series[0].samples[1].Value; math.Float64bits(got) != math.Float64bits(stale()) {
		t.Errorf("the stale marker became %x", math.Float64bits(got))
	}
	if said["up"] != (About{Type: "gauge", Help: "whether"}) {
		t.Errorf("%+v", said)
	}
}

func TestRemote2(t *testing.T) {
	symbols := writev2.NewSymbolTable()
	ref := func(s string) uint32 { return symbols.Symbolize(s) }
	req := writev2.Request{Timeseries: []writev2.TimeSeries{
		{LabelsRefs: []uint32{ref("__name__"), ref("n_total")}, Samples: []writev2.Sample{{Value: 4, Timestamp: 9, StartTimestamp: 2}},
			Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: ref("number")}},
		{LabelsRefs: []uint32{99, 100}, Samples: []writev2.Sample{{Timestamp: 1}}},
	}}
	req.Symbols = symbols.Symbols()
	data, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]About{}
	in, err := decodeRemote2(data, func(n string, a About) { said[n] = a })
	if want := "n_total 4@9; !syntax 1"; err != nil || render(in) != want {
		t.Fatalf("%s, %v; want %s", render(in), err, want)
	}
	if in.series[0].samples[0].Start != 2 || said["n_total"] != (About{Type: "counter", Help: "number"}) {
		t.Errorf("%+v, %+v", in.series[0].samples[0], said)
	}
}

func FuzzRemote(f *testing.F) {
	f.Add(message1(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, decode := range []func([]byte, func(string, About)) (*intake, error){decodeRemote1, decodeRemote2} {
			if in, err := decode(data, func(string, About) {}); err == nil {
				checkHistograms(t, in)
			}
		}
	})
}

// checkHistograms holds that what is kept can be read again.
func checkHistograms(t *testing.T, in *intake) {
	for _, s := range in.series {
		for _, p := range s.samples {
			if len(p.Hist) == 0 {
				continue
			}
			if _, err := histogram.DecodeNative(p.Hist); err != nil {
				t.Errorf("a histogram that was taken cannot be read: %v", err)
			}
		}
	}
}

func otlpRequest(t testing.TB, metrics string) *metricspb.ExportMetricsServiceRequest {
	t.Helper()
	req := new(metricspb.ExportMetricsServiceRequest)
	body := `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"service.instance.id","value":{"intValue":"7"}},{"key":"host.name","value":{"stringValue":"h"}}]},"scopeMetrics":[{"metrics":[` + metrics + `]}]}]}`
	if err := protojson.Unmarshal([]byte(body), req); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestOTLP(t *testing.T) {
	const info = `; target_info{host_name="h",instance="7",job="shop"} 1@2`
	at := `"timeUnixNano":"2000000","startTimeUnixNano":"1000000"`
	for name, c := range map[string]struct{ in, want string }{
		"gauge": {`{"name":"room.temp","unit":"Cel","gauge":{"dataPoints":[{` + at + `,"asDouble":1.5,"attributes":[{"key":"a.b","value":{"boolValue":true}},{"key":"a_b","value":{"stringValue":"x"}}]}]}}`,
			`room_temp_celsius{a_b="true;x",instance="7",job="shop"} 1.5@2` + info},
		"cumulative sum": {`{"name":"req","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{` + at + `,"asInt":"3"}]}}`,
			`req_total{instance="7",job="shop"} 3@2` + info},
		"delta sum": {`{"name":"req","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{` + at + `,"asInt":"3"}]}}`,
			strings.TrimPrefix(info, "; ") + `; req_total{instance="7",job="shop"} counter +3@2`},
		"delta of a gauge": {`{"name":"q","sum":{"aggregationTemporality":1,"dataPoints":[{` + at + `,"asInt":"-3"}]}}`,
			strings.TrimPrefix(info, "; ") + `; q{instance="7",job="shop"} gauge +-3@0`},
		"histogram": {`{"name":"d","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{` + at + `,"count":"3","sum":4.5,"bucketCounts":["1","2"],"explicitBounds":[0.5]}]}}`,
			`d_seconds_bucket{instance="7",job="shop",le="0.5"} 1@2; d_seconds_bucket{instance="7",job="shop",le="+Inf"} 3@2; d_seconds_count{instance="7",job="shop"} 3@2; d_seconds_sum{instance="7",job="shop"} 4.5@2` + info},
		"delta histogram": {`{"name":"d","histogram":{"aggregationTemporality":1,"dataPoints":[{` + at + `,"count":"3","sum":4.5,"bucketCounts":["1","2"],"explicitBounds":[0.5]}]}}`,
			`d{instance="7",job="shop"} histogram@2` + info},
		"bounds that are not the buckets'": {`{"name":"d","histogram":{"aggregationTemporality":2,"dataPoints":[{` + at + `,"count":"3","bucketCounts":["1","2"],"explicitBounds":[]}]}}`,
			strings.TrimPrefix(info, "; ") + "; !syntax 1"},
		"exponential": {`{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{` + at + `,"count":"3","sum":4,"scale":3,"positive":{"offset":-2,"bucketCounts":["1","2"]}}]}}`,
			`e{instance="7",job="shop"} histogram@2` + info},
		"exponential below the widest": {`{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{` + at + `,"count":"3","scale":-9,"positive":{"bucketCounts":["3"]}}]}}`,
			strings.TrimPrefix(info, "; ") + "; !range 1"},
		"summary": {`{"name":"s","summary":{"dataPoints":[{` + at + `,"count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1}]}]}}`,
			`s{instance="7",job="shop",quantile="0.5"} 1@2; s_sum{instance="7",job="shop"} 3@2; s_count{instance="7",job="shop"} 2@2` + info},
		"no value": {`{"name":"g","gauge":{"dataPoints":[{` + at + `,"flags":1}]}}`, `g{instance="7",job="shop"} NaN@2` + info},
		"no time":  {`{"name":"g","gauge":{"dataPoints":[{"asDouble":1}]}}`, "!timestamp 1"},
	} {
		if got := render(decodeOTLP(otlpRequest(t, c.in), func(string, About) {})); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// TestExponentialWidens: buckets of a finer scale merge, and each value stays
// within its bucket's bounds.
func TestExponentialWidens(t *testing.T) {
	in := decodeOTLP(otlpRequest(t, `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000","count":"10","scale":10,"zeroCount":"1","positive":{"offset":-5,"bucketCounts":["1","2","3","0","2","1"]}}]}}`), func(string, About) {})
	n, err := histogram.DecodeNative(in.series[0].samples[0].Hist)
	if err != nil {
		t.Fatal(err)
	}
	// Indexes -5 … 0 by fours: -5 in -2, -4 … -1 in -1, 0 in 0; Prometheus counts one higher.
	if n.Schema != 8 || len(n.PositiveSpans) != 1 || n.PositiveSpans[0] != (histogram.Span{Offset: -1, Length: 3}) || n.PositiveBuckets[0] != 1 || n.PositiveBuckets[1] != 7 || n.PositiveBuckets[2] != 1 {
		t.Errorf("%+v", n)
	}
}

func FuzzOTLP(f *testing.F) {
	data, err := proto.Marshal(otlpRequest(f, `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000","count":"3","scale":3,"positive":{"offset":-2,"bucketCounts":["1","2"]}}]}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var req metricspb.ExportMetricsServiceRequest
		if proto.Unmarshal(data, &req) == nil {
			checkHistograms(t, decodeOTLP(&req, func(string, About) {}))
		}
	})
}

func TestText(t *testing.T) {
	said := map[string]About{}
	in, err := decodeText([]byte("# TYPE a counter\n# HELP a of a\na{k=\"v\"} 3 5\nb NaN\n"), "text/plain", 77, func(n string, a About) { said[n] = a })
	if want := `a{k="v"} 3@5; b NaN@77`; err != nil || render(in) != want || said["a"] != (About{Type: "counter", Help: "of a"}) {
		t.Errorf("%s, %v, %v; want %s", render(in), err, said, want)
	}
	if in, err := decodeText([]byte("a 1\nb{ 2\n"), "text/plain", 77, func(string, About) {}); err == nil {
		t.Errorf("half an exposition is taken: %s", render(in))
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("# TYPE a counter\na{k=\"v\"} 3 5\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodeText(data, "text/plain", 1, func(string, About) {})
		_, _ = decodeText(data, "application/openmetrics-text", 1, func(string, About) {})
	})
}
