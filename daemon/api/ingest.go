package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
)

// maxListed bounds the rejections that one answer lists; all are counted.
const maxListed = 1000

// body is a request's units on their way through a lane.
type body struct {
	take     func(b *body, t *lane.Taker)
	accepted int
	rejected []api.Rejection
	refused  int
	delivery *lane.Delivery // where the request has an idempotency key
	remote   string
	size     int // bytes
	log      wal.Position
	err      error
	done     chan struct{}
}

func (b *body) Take(t *lane.Taker) {
	if b.delivery != nil {
		t.Deliver(b.delivery)
	}
	b.take(b, t)
}

func (b *body) Done(log wal.Position, err error) {
	b.log, b.err = log, err
	close(b.done)
}

// Share says that the body may stand in one record with others, unless it can
// come again.
func (b *body) Share() (lane.Share, bool) {
	return lane.Share{Bytes: b.size}, b.delivery == nil
}

// Source says whom the body is from.
func (b *body) Source() admit.Source {
	host, _, err := net.SplitHostPort(b.remote)
	if err != nil {
		host = "" // a Unix socket's peer has no address
	}
	return admit.Source{Listener: "http", Address: host}
}

func (b *body) note(index int, m *protocol.Metric, f protocol.Fault) {
	if f.Reason == protocol.Accepted {
		b.accepted += m.Count()
		return
	}
	b.refused++
	if len(b.rejected) < maxListed {
		b.rejected = append(b.rejected, api.Rejection{Index: index, Reason: f.Reason.String(), Detail: f.Detail()})
	}
}

// submit runs the units on a lane and answers with the verdicts. A request with
// an idempotency key is answered when it is durable.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, data []byte, take func(b *body, t *lane.Taker)) {
	d, p := claim(r, data)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	b := &body{take: take, delivery: d, remote: r.RemoteAddr, size: len(data), done: make(chan struct{}), rejected: []api.Rejection{}}
	s.opts.Lanes.Submit(s.opts.Lanes.Assign(), b)
	<-b.done
	if b.err == nil && d != nil {
		b.err = s.opts.Durable(r.Context(), b.log)
	}
	if b.err != nil {
		s.fail(w, r, b.err)
		return
	}
	if d != nil && s.settled(w, r, d) {
		return
	}
	s.answer(w, r, verdictStatus(b.accepted, b.refused), api.IngestResult{Accepted: b.accepted, Rejected: b.rejected})
}

// verdictStatus is 202 where all was taken, 200 where some was, 422 where
// nothing was.
func verdictStatus(accepted, refused int) int {
	switch {
	case refused == 0:
		return http.StatusAccepted
	case accepted > 0:
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

// postMetrics takes a JSON object, an array of them or one a line; with
// Content-Type text/plain, lines as on TCP.
func (s *Server) postMetrics(w http.ResponseWriter, r *http.Request) {
	data, ok := s.readBody(w, r)
	if !ok {
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.Header.Get("Content-Type") != "" {
		s.problem(w, r, bad("Content-Type", "is malformed", "Send application/json, application/x-ndjson or text/plain."))
		return
	}
	switch kind {
	case "", "application/json", "application/x-ndjson", "application/x-www-form-urlencoded":
		if tooMany(data) {
			s.problem(w, r, api.Problem{Status: http.StatusRequestEntityTooLarge, Title: "Too many units",
				Detail: "The body has more than 500000 units.", Field: "body", Rule: "has more than 500000 units", Fix: "Send several smaller bodies."})
			return
		}
		s.submit(w, r, data, func(b *body, t *lane.Taker) { takeObjects(b, t, data) })
	case "text/plain":
		s.submit(w, r, data, func(b *body, t *lane.Taker) { takeLines(b, t, data) })
	default:
		s.problem(w, r, api.Problem{Status: http.StatusUnsupportedMediaType, Title: "Unsupported media type", Detail: "The body's type is not one this route reads.",
			Field: "Content-Type", Fix: "Send application/json, application/x-ndjson or text/plain."})
	}
}

// maxUnits bounds the units of one JSON body: each is judged, and a body can hold
// millions that are no metric.
const maxUnits = 500_000

// tooMany reports a body with more units. Between two units stands a comma or a
// line's end, so few bodies have to be walked.
func tooMany(data []byte) bool {
	if bytes.Count(data, []byte{','})+bytes.Count(data, []byte{'\n'}) < maxUnits {
		return false
	}
	objects := protocol.NewObjects(data)
	for n := 0; n <= maxUnits; n++ {
		if _, ok := objects.Next(); !ok {
			return false
		}
	}
	return true
}

func takeObjects(b *body, t *lane.Taker, data []byte) {
	objects := protocol.NewObjects(data)
	for i := 0; ; i++ {
		object, ok := objects.Next()
		if !ok {
			if f := objects.Fault(); f.Reason != protocol.Accepted {
				t.Reject(f.Reason, 1)
				b.note(i, nil, f)
			}
			return
		}
		m, f := t.JSON(object)
		b.note(i, m, f)
	}
}

func takeLines(b *body, t *lane.Taker, data []byte) {
	for i := 0; len(data) > 0; i++ {
		var line []byte
		line, data = protocol.NextLine(data)
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		m, f := t.Text(line)
		b.note(i, m, f)
	}
}

// readBody reads a body up to the limit.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if r.Header.Get("Content-Encoding") != "" {
		s.problem(w, r, api.Problem{Status: http.StatusUnsupportedMediaType, Title: "Unsupported encoding", Detail: "Compressed bodies are not read yet.",
			Field: "Content-Encoding", Fix: "Send the body as it is."})
		return nil, false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxBody.Load()))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.problem(w, r, api.Problem{Status: http.StatusRequestEntityTooLarge, Title: "Body too large",
			Detail: "The body is larger than ingest.max_body permits.", Field: "body", Rule: "ingest.max_body", Fix: "Send several smaller bodies."})
		return nil, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.problem(w, r, problemSlow)
		return nil, false
	case err != nil:
		s.problem(w, r, bad("body", "could not be read whole", "Send it again."))
		return nil, false
	}
	s.stats.Bytes.Add(uint64(len(data)))
	return data, true
}

// postForm takes one metric as form fields: name, value, type, and optionally
// tags ("k:v,k:v"), rate and timestamp (Unix seconds).
func (s *Server) postForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, s.maxForm.Load())
	err := r.ParseForm()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.problem(w, r, problemSlow)
		return
	case err != nil:
		s.problem(w, r, bad("body", "is no form of at most ingest.max_line bytes", "Send name=…&value=…&type=counter."))
		return
	}
	line, p := formLine(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	s.submit(w, r, line, func(b *body, t *lane.Taker) {
		m, f := t.Text(line)
		b.note(0, m, f)
	})
}

// formLine renders the form as the text line it stands for, so that one parser
// gives the verdict. Characters that would start another section or line are
// refused here, where the field can be named.
func formLine(r *http.Request) ([]byte, *api.Problem) {
	form := r.PostForm
	for _, field := range []string{"name", "value", "type", "tags", "rate", "timestamp"} {
		if bytes.ContainsAny([]byte(form.Get(field)), "|\n\r") || (field == "name" && bytes.ContainsAny([]byte(form.Get(field)), ":#,[")) {
			p := bad(field, "holds a character that separates fields", "Leave it out.")
			return nil, &p
		}
	}
	typ, ok := protocol.ParseType(form.Get("type"))
	if form.Get("type") == "" {
		typ, ok = protocol.Gauge, true
	}
	if !ok {
		p := bad("type", "is none of counter, gauge, histogram, timer, distribution, set", "Name one of them, or c, g, h, ms, d, s.")
		return nil, &p
	}
	line := append([]byte(form.Get("name")+":"), form.Get("value")+"|"+typ.Symbol()...)
	for _, section := range []struct{ field, mark string }{{"rate", "|@"}, {"tags", "|#"}, {"timestamp", "|T"}} {
		if v := form.Get(section.field); v != "" {
			line = append(append(line, section.mark...), v...)
		}
	}
	return line, nil
}
