package gateway

import (
	"crypto/sha256"
	"errors"
	"mime"
	"net/http"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/record"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// writeOTLP takes an ExportMetricsServiceRequest, as protobuf or JSON.
func (g *Gateway) writeOTLP(w http.ResponseWriter, r *http.Request) {
	g.stats.Requests[OTLP].Add(1)
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != protobufType && kind != jsonType {
		g.refuse(w, OTLP, http.StatusUnsupportedMediaType, "OTLP is "+protobufType+" or "+jsonType)
		return
	}
	data, err := g.read(w, r, false)
	if err != nil {
		g.refuseOTLP(w, kind, status(err), err.Error())
		return
	}
	var req metricspb.ExportMetricsServiceRequest
	if err := unmarshal(kind, data, &req); err != nil {
		g.refuseOTLP(w, kind, http.StatusBadRequest, "the body is no OTLP metrics request")
		return
	}
	in := decodeOTLP(&req, g.meta.Set)
	if len(in.increments) > 0 {
		in.claim = claimOf(data)
	}
	g.answerOTLP(w, r, kind, in)
}

func (g *Gateway) answerOTLP(w http.ResponseWriter, r *http.Request, kind string, in *intake) {
	j, err := g.submit(r.Context(), in)
	if err == nil && in.claim != nil && in.claim.Verdict.Refusal != nil {
		err = errors.New("refused")
	}
	if err != nil {
		away(w)
		g.refuseOTLP(w, kind, http.StatusServiceUnavailable, "the points could not be logged; send them again")
		return
	}
	reply := new(metricspb.ExportMetricsServiceResponse)
	repeated := in.claim != nil && in.claim.Verdict.Repeat
	if j.outcome.Refused() > 0 && !repeated {
		lost := j.lost + int(j.outcome.Rejected[conflict])
		for _, r := range in.refused {
			lost += r.units
		}
		reply.PartialSuccess = &metricspb.ExportMetricsPartialSuccess{RejectedDataPoints: int64(lost), ErrorMessage: j.why()}
	}
	send(w, kind, http.StatusOK, reply)
}

// refuseOTLP answers with the status message that the protocol has for it.
func (g *Gateway) refuseOTLP(w http.ResponseWriter, kind string, status int, text string) {
	g.stats.Refused[OTLP].Add(1)
	send(w, kind, status, &statuspb.Status{Message: text})
}

func unmarshal(kind string, data []byte, m proto.Message) error {
	if kind == jsonType {
		return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
	}
	return proto.Unmarshal(data, m)
}

func send(w http.ResponseWriter, kind string, status int, m proto.Message) {
	marshal := proto.Marshal
	if kind == jsonType {
		marshal = protojson.Marshal
	}
	body, err := marshal(m)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// claimOf makes the body its own idempotency key: an exporter that got no
// answer sends the same bytes again, and increments carry nothing else by which
// they could be known.
func claimOf(data []byte) *lane.Delivery {
	sum := sha256.Sum256(data)
	var c record.Claim
	copy(c.Hash[:], sum[:16])
	copy(c.Body[:], sum[16:])
	return &lane.Delivery{Claim: delivery.Claim{Key: c}}
}
