package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TracingOptions are where spans go.
type TracingOptions struct {
	Endpoint string // URL of an OTLP receiver; empty makes no spans
	Protocol string // "grpc" or "http"
	Sample   float64
	Version  string
}

// TraceIDHeader names the trace of a request, in both directions.
const TraceIDHeader = "X-Trace-Id"

// maxQueuedSpans bounds the spans that wait for a receiver that is slow or
// away; more are dropped and counted by the library.
const maxQueuedSpans = 2048

// Tracer makes spans of requests, of sampled batches and of flushes.
type Tracer struct {
	sample  *dynamicSampler
	all     *sdktrace.TracerProvider // whose spans were sampled before
	some    *sdktrace.TracerProvider // samples for itself
	batches atomic.Int64             // when the last batch was traced, Unix nanoseconds
}

// NewTracer connects to the receiver, lazily: one that is away delays and
// fails nothing here.
func NewTracer(ctx context.Context, o TracingOptions) (*Tracer, error) {
	t := &Tracer{sample: new(dynamicSampler)}
	t.SetSample(o.Sample)
	if o.Endpoint == "" {
		return t, nil
	}
	exporter, err := newExporter(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "nexusctl"), attribute.String("service.version", o.Version)), resource.WithHost())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	spans := sdktrace.WithSpanProcessor(sdktrace.NewBatchSpanProcessor(exporter, sdktrace.WithMaxQueueSize(maxQueuedSpans)))
	t.some = sdktrace.NewTracerProvider(spans, sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.ParentBased(t.sample)))
	t.all = sdktrace.NewTracerProvider(spans, sdktrace.WithResource(res), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	return t, nil
}

func newExporter(ctx context.Context, o TracingOptions) (*otlptrace.Exporter, error) {
	if o.Protocol == "http" {
		return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint))
	}
	return otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(o.Endpoint))
}

// SetSample changes the share of traces that are kept.
func (t *Tracer) SetSample(share float64) {
	t.sample.Store(&sampler{sdktrace.TraceIDRatioBased(share), share})
}

// Close sends what waits, as far as ctx allows.
func (t *Tracer) Close(ctx context.Context) error {
	if t.some == nil {
		return nil
	}
	// Both providers share one processor: the first shutdown sends its spans.
	return errors.Join(t.some.Shutdown(ctx), t.all.Shutdown(ctx))
}

func (t *Tracer) provider() trace.TracerProvider {
	if t.some == nil {
		return noop.NewTracerProvider()
	}
	return t.some
}

// Handler makes a span of every sampled request. It takes a trace from the
// headers of W3C or from X-Trace-Id, and answers with X-Trace-Id.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t.some == nil {
		return next
	}
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsValid() {
			w.Header().Set(TraceIDHeader, sc.TraceID().String())
		}
		next.ServeHTTP(w, r)
	})
	spans := otelhttp.NewHandler(named, "request", otelhttp.WithTracerProvider(t.provider()), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(spanName))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		adoptTraceID(r.Header)
		spans.ServeHTTP(w, r)
	})
}

// spanName is the route that matched: paths that clients make up must not make
// up names.
func spanName(_ string, r *http.Request) string {
	if r.Pattern != "" {
		return r.Pattern
	}
	return r.Method
}

// adoptTraceID turns X-Trace-Id, 32 hex digits, into W3C's header, where the
// client sent none. The client asks for the trace by naming it, so it is kept.
func adoptTraceID(h http.Header) {
	id, err := trace.TraceIDFromHex(h.Get(TraceIDHeader))
	if err != nil || h.Get("traceparent") != "" {
		return
	}
	var span [8]byte
	_, _ = rand.Read(span[:]) // never fails
	h.Set("traceparent", "00-"+id.String()+"-"+hex.EncodeToString(span[:])+"-01")
}

// dynamicSampler is a sampler whose share can change.
type dynamicSampler struct{ atomic.Pointer[sampler] }

type sampler struct {
	sdktrace.Sampler
	share float64
}

// ShouldSample asks the sampler of now.
func (d *dynamicSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return d.Load().ShouldSample(p)
}

// Description tells the sampler's kind.
func (d *dynamicSampler) Description() string { return "TraceIDRatioBased, changeable" }

// tracerName names what makes the spans.
const tracerName = "nexusctl"

// step is one stage of something that has been timed already.
type step struct {
	name     string
	from, to time.Time
}

// past makes a span of something that is over, with its stages under it.
func (t *Tracer) past(name string, from, to time.Time, steps []step, attrs ...attribute.KeyValue) {
	tracer := t.all.Tracer(tracerName)
	ctx, root := tracer.Start(context.Background(), name, trace.WithTimestamp(from), trace.WithNewRoot(), trace.WithAttributes(attrs...))
	for _, s := range steps {
		if !s.from.IsZero() && !s.to.Before(s.from) {
			_, span := tracer.Start(ctx, s.name, trace.WithTimestamp(s.from))
			span.End(trace.WithTimestamp(s.to))
		}
	}
	root.End(trace.WithTimestamp(to))
}
