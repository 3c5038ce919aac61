package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/model"
	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// writeRemote takes Prometheus remote write, 1.0 and 2.0.
func (g *Gateway) writeRemote(w http.ResponseWriter, r *http.Request) {
	g.stats.Requests[RemoteWrite].Add(1)
	if e := r.Header.Get("Content-Encoding"); e != "snappy" && e != "" {
		g.refuse(w, RemoteWrite, http.StatusUnsupportedMediaType, "remote write is compressed by snappy")
		return
	}
	r.Header.Set("Content-Encoding", "snappy") // senders before 1.0 leave it out
	data, err := g.read(w, r, true)
	if err != nil {
		g.refuse(w, RemoteWrite, status(err), err.Error())
		return
	}
	g.remote.ServeHTTP(w, withBody(r, data))
}

func (g *Gateway) refuse(w http.ResponseWriter, d Door, status int, text string) {
	g.stats.Refused[d].Add(1)
	http.Error(w, text, status)
}

func (g *Gateway) remoteHandler() http.Handler {
	return remote.NewWriteHandler(remoteStore{g}, remote.MessageTypes{remote.WriteV1MessageType, remote.WriteV2MessageType},
		remote.WithWriteHandlerLogger(g.opts.Logger), remote.WithWriteHandlerMiddlewares())
}

// remoteStore is what the protocol's own handler stores into.
type remoteStore struct{ g *Gateway }

// Store takes one decompressed message. Samples that are refused make it a 400,
// which tells the sender not to send them again; the others are kept.
func (s remoteStore) Store(r *http.Request, kind remote.WriteMessageType) (*remote.WriteResponse, error) {
	out := remote.NewWriteResponse()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		out.SetStatusCode(http.StatusBadRequest)
		return out, err
	}
	decode := decodeRemote1
	if kind == remote.WriteV2MessageType {
		decode = decodeRemote2
	}
	in, err := decode(data, s.g.meta.Set)
	if err != nil {
		s.g.stats.Refused[RemoteWrite].Add(1)
		out.SetStatusCode(http.StatusBadRequest)
		return out, err
	}
	j, err := s.g.submit(r.Context(), in)
	if err != nil {
		out.SetStatusCode(http.StatusServiceUnavailable)
		out.SetExtraHeader("Retry-After", "1")
		return out, errors.New("the samples could not be logged; send them again")
	}
	out.Add(written(in, j))
	if j.outcome.Refused() > 0 {
		out.SetStatusCode(http.StatusBadRequest)
		return out, fmt.Errorf("some samples were refused and the others taken: %s", j.why())
	}
	out.SetStatusCode(http.StatusNoContent)
	return out, nil
}

// written counts what the sender need not send again: what was taken, now or
// before. Where a part was refused, numbers are counted before histograms.
func written(in *intake, j *job) (s remote.WriteResponseStats) {
	samples, histograms := 0, 0
	for i := range in.series {
		for k := range in.series[i].samples {
			if len(in.series[i].samples[k].Hist) > 0 {
				histograms++
			} else {
				samples++
			}
		}
	}
	taken := int(j.outcome.Accepted + j.outcome.Repeated)
	s.Samples = min(samples, taken)
	s.Histograms = min(histograms, taken-s.Samples)
	return s
}

func decodeRemote1(data []byte, about func(string, About)) (*intake, error) {
	var req prompb.WriteRequest
	if err := req.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("the body is no remote write 1.0 message: %w", err)
	}
	in := &intake{series: make([]rawSeries, 0, len(req.Timeseries))}
	b := labels.NewScratchBuilder(16)
	for i := range req.Timeseries {
		ts := &req.Timeseries[i]
		s := rawSeries{key: keyOf(ts.ToLabels(&b, nil))}
		for _, p := range ts.Samples {
			s.samples = append(s.samples, record.Raw{Time: p.Timestamp, Value: p.Value})
		}
		for k := range ts.Histograms {
			h := &ts.Histograms[k]
			in.histogram(&s, h.ToFloatHistogram(), h.Timestamp, 0)
		}
		in.series = append(in.series, s)
	}
	for _, m := range req.Metadata {
		about(m.MetricFamilyName, About{Type: strings.ToLower(m.Type.String()), Help: m.Help, Unit: m.Unit})
	}
	return in, nil
}

func decodeRemote2(data []byte, about func(string, About)) (*intake, error) {
	var req writev2.Request
	if err := req.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("the body is no remote write 2.0 message: %w", err)
	}
	in := &intake{series: make([]rawSeries, 0, len(req.Timeseries))}
	b := labels.NewScratchBuilder(16)
	for i := range req.Timeseries {
		ts := &req.Timeseries[i]
		l, err := ts.ToLabels(&b, req.Symbols)
		if err != nil { // of this series alone
			in.refuse(protocol.Syntax, len(ts.Samples)+len(ts.Histograms))
			continue
		}
		s := rawSeries{key: keyOf(l)}
		for _, p := range ts.Samples {
			s.samples = append(s.samples, record.Raw{Time: p.Timestamp, Value: p.Value, Start: p.StartTimestamp})
		}
		for k := range ts.Histograms {
			h := &ts.Histograms[k]
			in.histogram(&s, h.ToFloatHistogram(), h.Timestamp, h.StartTimestamp)
		}
		in.series = append(in.series, s)
		if m, err := ts.ToMetadata(req.Symbols); err == nil {
			about(s.key.Name, About{Type: string(m.Type), Help: m.Help, Unit: m.Unit})
		}
	}
	return in, nil
}

// histogram adds a native histogram, or counts it as refused where its buckets
// contradict each other: the engine trusts what it reads.
func (in *intake) histogram(s *rawSeries, h *promhistogram.FloatHistogram, at, start int64) {
	if err := h.Validate(); err != nil || tooManyBuckets(h) {
		in.refuse(protocol.Syntax, 1)
		return
	}
	if h.CounterResetHint > promhistogram.GaugeType { // of a protocol to come: it tells nothing
		h.CounterResetHint = promhistogram.UnknownCounterReset
	}
	s.samples = append(s.samples, record.Raw{Time: at, Start: start, Hist: query.NativeOf(h).AppendBinary(nil)})
}

// keyOf turns labels into a key: a label without a value is none.
func keyOf(l labels.Labels) (k series.Key) {
	l.Range(func(one labels.Label) {
		switch {
		case one.Name == model.MetricNameLabel:
			k.Name = one.Value
		case one.Value != "":
			k.Tags = append(k.Tags, series.Tag{Key: one.Name, Value: one.Value})
		}
	})
	return k
}
