package api

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/protocol/api"
)

const (
	// streamBeat is how often a stream says that it is there, whatever happens on it.
	streamBeat = 15 * time.Second
	// streamPatience is how long one write to a client may take.
	streamPatience = 10 * time.Second
	// streamAgain is what browsers wait before they come back, milliseconds.
	streamAgain = 2000
)

// streamWords are the events that can be asked for.
var streamWords = []string{stream.Sample.String(), stream.Ledger.String(), stream.Health.String()}

// stream tells what changes, until the client goes or the daemon stops.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	hub := s.opts.Stream
	if sameOrigin(r) != nil {
		hub.Stats().Refused[stream.RefusedOrigin].Add(1)
		s.foreign(w, r)
		return
	}
	ask, p := streamAsk(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	c, err := hub.Join(r.Context(), ask)
	if err != nil {
		s.failStream(w, r, err)
		return
	}
	defer hub.Leave(c)
	out := streamWriter{w: w, control: http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers an answer would keep it for ever
	w.WriteHeader(http.StatusOK)
	out.run(r, c, hub, s.beat)
}

// sameOrigin fails where a browser says that the page is of another site. A stream
// is read, and yet it is no question that a page of another site may ask: each keeps
// a place.
func sameOrigin(r *http.Request) error {
	as := r.Clone(r.Context())
	as.Method = http.MethodPost // what is read alone passes every check
	return http.NewCrossOriginProtection().Check(as)
}

func (s *Server) failStream(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, stream.ErrFull):
		w.Header().Set("Retry-After", "10")
		s.problem(w, r, api.Problem{Status: http.StatusServiceUnavailable, Title: "Too many streams", Code: "stream_clients", Detail: err.Error(), Fix: "Try again after the time that Retry-After says, or raise server.stream_clients."})
	case errors.Is(err, stream.ErrWatched):
		w.Header().Set("Retry-After", "10")
		s.problem(w, r, api.Problem{Status: http.StatusServiceUnavailable, Title: "Too many series watched", Code: "stream_series", Detail: err.Error(), Fix: "Name fewer series, or try again after the time that Retry-After says."})
	case errors.Is(err, stream.ErrTooMany):
		s.problem(w, r, api.Problem{Status: http.StatusUnprocessableEntity, Title: "Too many series", Detail: err.Error(), Field: "match", Rule: "at most 500 series", Fix: "Name the metric, or add tags."})
	case errors.Is(err, stream.ErrClosed):
		s.problem(w, r, problemStopping)
	default:
		s.fail(w, r, err)
	}
}

// streamAsk reads which events and which series are asked for.
func streamAsk(r *http.Request) (a stream.Ask, p *api.Problem) {
	if a.Question, p = streamQuestion(r); p != nil {
		return a, p
	}
	if a.Kinds, p = streamKinds(r, a.Question != nil); p != nil {
		return a, p
	}
	switch samples := slices.Contains(a.Kinds, stream.Sample); {
	case samples && a.Question == nil:
		fault := bad("match", "is missing: samples are of series that are named", `Name them by name, type, tag or match, or ask for events=ledger,health.`)
		return a, &fault
	case !samples && a.Question != nil:
		fault := bad("events", "leaves sample out, and series are named", "Add sample, or name no series.")
		return a, &fault
	}
	a.LastID = r.Header.Get("Last-Event-ID")
	if len(a.LastID) > 64 {
		fault := bad("Last-Event-ID", "is longer than 64 bytes", "Send the id of the last event, or leave it out.")
		return a, &fault
	}
	return a, nil
}

// streamQuestion reads name, type and tag as the list of series does, and match;
// nil where none is given.
func streamQuestion(r *http.Request) (stream.Question, *api.Problem) {
	ms, p := listMatchers(r)
	if p != nil {
		return nil, p
	}
	selectors := r.URL.Query()["match"]
	if len(selectors) > stream.MaxSelectors {
		fault := bad("match", "is given more than "+strconv.Itoa(stream.MaxSelectors)+" times", "Put selectors together, as in {host=~\"web1|web2\"}.")
		return nil, &fault
	}
	if len(selectors) == 0 && len(ms) > 0 {
		return stream.Question{ms}, nil
	}
	var q stream.Question
	for _, text := range selectors {
		more, err := query.ParseSelector(text)
		if err != nil {
			fault := bad("match", err.Error(), `Write match=name{env="prod",host=~"web.*"}.`)
			return nil, &fault
		}
		q = append(q, slices.Concat(ms, more))
	}
	return q, nil
}

// streamKinds reads which events are wanted: by default samples where series are
// named, and the ledger and readiness where none are.
func streamKinds(r *http.Request, named bool) (kinds []stream.Kind, p *api.Problem) {
	text := r.URL.Query().Get("events")
	if text == "" && named {
		return []stream.Kind{stream.Sample}, nil
	}
	if text == "" {
		return []stream.Kind{stream.Ledger, stream.Health}, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		i := slices.Index(streamWords, word)
		if i < 0 {
			fault := bad("events", "holds what is none of "+strings.Join(streamWords, ", "), "Name them with commas between.")
			return nil, &fault
		}
		if k := stream.Kind(i); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

// streamWriter writes events to one client, each time with a deadline of its own:
// those of the server are for answers that end.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    int64 // id of the last event that was written
}

// run writes until the client or the hub ends the stream. What is left to say then
// is said last.
func (o *streamWriter) run(r *http.Request, c *stream.Client, hub *stream.Hub, every time.Duration) {
	_ = o.control.SetReadDeadline(time.Time{}) // nothing is read any more, and the reading must not end the request
	hello := []byte("retry: " + strconv.Itoa(streamAgain) + "\n\n")
	if o.write(append([][]byte{hello}, c.Begin()...)) != nil {
		return
	}
	beat := time.NewTicker(every)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-c.Ended():
			if err = o.write(c.Next()); err == nil {
				_ = o.write([][]byte{c.Farewell(o.last, hub.Second())})
			}
			return
		case <-c.Filled():
			err = o.write(c.Next())
		case <-beat.C:
			err = o.write([][]byte{[]byte(":\n\n")})
		}
		if err != nil {
			return
		}
	}
}

func (o *streamWriter) write(events [][]byte) error {
	if len(events) == 0 {
		return nil
	}
	if err := o.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil {
		return err
	}
	for _, e := range events {
		if _, err := o.w.Write(e); err != nil {
			return err
		}
		o.last = max(o.last, idOf(e))
	}
	return o.control.Flush()
}

// idOf reads the id that an event begins with, 0 where it has none.
func idOf(e []byte) int64 {
	text, ok := bytes.CutPrefix(e, []byte("id: "))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	id, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil {
		return 0
	}
	return id
}
