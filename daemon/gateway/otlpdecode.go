package gateway

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/value"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

const conflict = protocol.Conflict

// decoder turns OTLP's data points into series, as Prometheus's own OTLP door
// names them: underscores, unit and _total behind the name, service.name as
// job, service.instance.id as instance.
type decoder struct {
	in       *intake
	about    func(string, About)
	metrics  otlptranslator.MetricNamer
	labels   otlptranslator.LabelNamer
	resource []series.Tag
}

func decodeOTLP(req *metricspb.ExportMetricsServiceRequest, about func(string, About)) *intake {
	d := &decoder{in: &intake{}, about: about, metrics: otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)}
	for _, rm := range req.GetResourceMetrics() {
		d.resource = resourceTags(rm.GetResource().GetAttributes())
		newest := uint64(0)
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				newest = max(newest, d.metric(m))
			}
		}
		d.targetInfo(rm.GetResource().GetAttributes(), newest)
	}
	return d.in
}

// resourceTags are the tags that every series of a resource bears.
func resourceTags(list []*commonpb.KeyValue) (tags []series.Tag) {
	of := func(key string) string {
		for _, kv := range list {
			if kv.GetKey() == key {
				return text(kv.GetValue())
			}
		}
		return ""
	}
	job := of("service.name")
	if ns := of("service.namespace"); ns != "" && job != "" {
		job = ns + "/" + job
	}
	if job != "" {
		tags = append(tags, series.Tag{Key: "job", Value: job})
	}
	if instance := of("service.instance.id"); instance != "" {
		tags = append(tags, series.Tag{Key: "instance", Value: instance})
	}
	return tags
}

// targetInfo keeps a resource's other attributes, as the series target_info.
func (d *decoder) targetInfo(list []*commonpb.KeyValue, at uint64) {
	var rest []*commonpb.KeyValue
	for _, kv := range list {
		switch kv.GetKey() {
		case "service.name", "service.namespace", "service.instance.id":
		default:
			rest = append(rest, kv)
		}
	}
	if len(rest) == 0 || len(d.resource) == 0 || at == 0 {
		return
	}
	d.put("target_info", d.tags(rest), at, 0, 1, 0)
}

// metric reads one metric and returns the newest time in it.
func (d *decoder) metric(m *otlp.Metric) (newest uint64) {
	name := m.GetName()
	kind, typ := kindOf(m)
	name, err := d.metrics.Build(otlptranslator.Metric{Name: name, Unit: m.GetUnit(), Type: kind})
	if err != nil {
		d.in.refuse(protocol.NameCharset, pointsOf(m))
		return 0
	}
	d.about(name, About{Type: typ, Help: m.GetDescription(), Unit: m.GetUnit()})
	switch data := m.GetData().(type) {
	case *otlp.Metric_Gauge:
		for _, p := range data.Gauge.GetDataPoints() {
			newest = max(newest, p.GetTimeUnixNano())
			d.put(name, d.tags(p.GetAttributes()), p.GetTimeUnixNano(), 0, number(p), 1)
		}
	case *otlp.Metric_Sum:
		for _, p := range data.Sum.GetDataPoints() {
			newest = max(newest, p.GetTimeUnixNano())
			d.sum(name, data.Sum, p)
		}
	case *otlp.Metric_Histogram:
		for _, p := range data.Histogram.GetDataPoints() {
			newest = max(newest, p.GetTimeUnixNano())
			d.histogram(name, data.Histogram.GetAggregationTemporality(), p)
		}
	case *otlp.Metric_ExponentialHistogram:
		for _, p := range data.ExponentialHistogram.GetDataPoints() {
			newest = max(newest, p.GetTimeUnixNano())
			d.exponential(name, data.ExponentialHistogram.GetAggregationTemporality(), p)
		}
	case *otlp.Metric_Summary:
		for _, p := range data.Summary.GetDataPoints() {
			newest = max(newest, p.GetTimeUnixNano())
			d.summary(name, p)
		}
	}
	return newest
}

func kindOf(m *otlp.Metric) (otlptranslator.MetricType, string) {
	switch data := m.GetData().(type) {
	case *otlp.Metric_Sum:
		if data.Sum.GetIsMonotonic() {
			return otlptranslator.MetricTypeMonotonicCounter, "counter"
		}
		return otlptranslator.MetricTypeNonMonotonicCounter, "gauge"
	case *otlp.Metric_Histogram:
		return otlptranslator.MetricTypeHistogram, "histogram"
	case *otlp.Metric_ExponentialHistogram:
		return otlptranslator.MetricTypeExponentialHistogram, "histogram"
	case *otlp.Metric_Summary:
		return otlptranslator.MetricTypeSummary, "summary"
	}
	return otlptranslator.MetricTypeGauge, "gauge"
}

func pointsOf(m *otlp.Metric) int {
	return len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints()) +
		len(m.GetExponentialHistogram().GetDataPoints()) + len(m.GetSummary().GetDataPoints())
}

// sum keeps a running total as it is, and folds increments: of a monotonic sum
// into a counter that never resets, of another one into a gauge's changes.
func (d *decoder) sum(name string, s *otlp.Sum, p *otlp.NumberDataPoint) {
	if s.GetAggregationTemporality() != otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA {
		d.put(name, d.tags(p.GetAttributes()), p.GetTimeUnixNano(), p.GetStartTimeUnixNano(), number(p), 1)
		return
	}
	if noValue(p.GetFlags()) {
		return // nothing was added
	}
	in := increment{key: series.Key{Name: name, Type: protocol.Counter, Tags: d.tags(p.GetAttributes())}, value: protocol.Value{Number: number(p)}}
	if s.GetIsMonotonic() {
		in.time = millis(p.GetTimeUnixNano())
	} else {
		in.key.Type, in.value.Delta = protocol.Gauge, true
	}
	d.in.increments = append(d.in.increments, in)
}

// put adds one sample of a series of its own.
func (d *decoder) put(name string, tags []series.Tag, at, start uint64, v float64, weight int) {
	d.add(name, tags, record.Raw{Time: millis(at), Start: millis(start), Value: v}, weight)
}

func (d *decoder) add(name string, tags []series.Tag, s record.Raw, weight int) {
	if s.Time == 0 {
		d.in.refuse(protocol.Timestamp, max(weight, 1))
		return
	}
	d.in.series = append(d.in.series, rawSeries{key: series.Key{Name: name, Tags: tags}, samples: []record.Raw{s}, weight: weight})
}

// tags puts a point's attributes beside those of its resource. Of two
// attributes that become one label the values are joined, as Prometheus does.
func (d *decoder) tags(list []*commonpb.KeyValue, more ...series.Tag) []series.Tag {
	tags := append(slices.Clone(d.resource), more...)
	own := len(tags)
	for _, kv := range list {
		key, err := d.labels.Build(kv.GetKey())
		v := text(kv.GetValue())
		if err != nil || v == "" {
			continue
		}
		if i := slices.IndexFunc(tags, func(t series.Tag) bool { return t.Key == key }); i >= own {
			tags[i].Value += ";" + v
		} else if i < 0 {
			tags = append(tags, series.Tag{Key: key, Value: v})
		}
	}
	slices.SortFunc(tags, func(a, b series.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return tags
}

// text renders an attribute's value.
func text(v *commonpb.AnyValue) string {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return x.StringValue
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(x.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(x.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(x.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_ArrayValue:
		var parts []string
		for _, one := range x.ArrayValue.GetValues() {
			parts = append(parts, strconv.Quote(text(one)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return ""
}

func number(p *otlp.NumberDataPoint) float64 {
	if noValue(p.GetFlags()) {
		return stale()
	}
	if v, ok := p.GetValue().(*otlp.NumberDataPoint_AsInt); ok {
		return float64(v.AsInt)
	}
	return p.GetAsDouble()
}

// noValue says that the series ends: the point stands for a stale marker.
func noValue(flags uint32) bool {
	return flags&uint32(otlp.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK) != 0
}

func stale() float64 { return math.Float64frombits(value.StaleNaN) }

func millis(nanos uint64) int64 { return int64(nanos / 1e6) }
