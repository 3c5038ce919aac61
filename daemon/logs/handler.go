package logs

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Log is the daemon's log: a logger, and the levels that can change under it.
type Log struct {
	*slog.Logger
	levels  *atomic.Pointer[Levels]
	sampler *sampler
}

// New returns a log that writes to w: text where json is false.
func New(w io.Writer, json bool, l Levels) *Log {
	opts := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: readable}
	var out slog.Handler = slog.NewTextHandler(w, opts)
	if json {
		out = slog.NewJSONHandler(w, opts)
	}
	levels := new(atomic.Pointer[Levels])
	levels.Store(&l)
	s := newSampler(time.Now)
	return &Log{slog.New(&handler{out: out, levels: levels, sampler: s}), levels, s}
}

// SetLevels changes the levels, for lines from now on.
func (l *Log) SetLevels(levels Levels) { l.levels.Store(&levels) }

// Levels returns the levels as they are.
func (l *Log) Levels() Levels { return *l.levels.Load() }

// Suppressed returns how many lines were left out because they repeated.
func (l *Log) Suppressed() uint64 { return l.sampler.suppressed.Load() }

// readable writes durations as people do: nanoseconds tell nobody anything.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.String(a.Key, a.Value.Duration().String())
	}
	return a
}

// handler lets a line through by its component's level, adds the trace it
// belongs to, and leaves out what repeats too fast.
type handler struct {
	out       slog.Handler
	levels    *atomic.Pointer[Levels]
	sampler   *sampler
	component string
}

// Enabled compares with the component's level as it is now.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.Load().Of(h.component)
}

// Handle writes the line.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	repeated, ok := h.sampler.admit(r.Level, h.component, r.Message)
	if !ok {
		return nil
	}
	if repeated > 0 {
		r.AddAttrs(slog.Uint64("repeated", repeated))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.out.Handle(ctx, r)
}

// WithAttrs returns a handler for lines with the attributes; one of them may
// name the component.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.out = h.out.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == Component {
			c.component = a.Value.String()
		}
	}
	return &c
}

// WithGroup returns a handler whose attributes stand in a group.
func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.out = h.out.WithGroup(name)
	return &c
}
