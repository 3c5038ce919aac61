package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Patience is how long the server waits for a client: for a body to come, and for
// an answer to be read.
type Patience struct {
	Grace   time.Duration // that a body may take, however short, and each piece of an answer; 0: longest
	MinRate int64         // bytes a second that a body has to grow by beyond that; 0: any
}

const (
	// longest is how long a body may take whatever its rate, and a piece of an
	// answer where no grace is set: a client that keeps just ahead of the rate must
	// not hold a request for days.
	longest = 2 * time.Minute
	// answerPiece is written within one grace.
	answerPiece = 64 << 10
	// rearm is how much later a body's deadline must be before it is set again: a
	// timer for each read would cost more than the read.
	rearm = time.Second
)

// patience is Patience as it changes live.
type patience struct{ grace, minRate atomic.Int64 }

// SetPatience changes how long the server waits for clients.
func (s *Server) SetPatience(p Patience) {
	s.patience.grace.Store(int64(p.Grace))
	s.patience.minRate.Store(p.MinRate)
}

// stall is how long a piece of an answer may take.
func (p *patience) stall() time.Duration {
	if grace := time.Duration(p.grace.Load()); grace > 0 {
		return grace
	}
	return longest
}

// due returns when a body that began then must have its bytes.
func (p *patience) due(began time.Time, bytes int64) time.Time {
	last := began.Add(longest)
	grace := time.Duration(p.grace.Load())
	if grace == 0 {
		return last
	}
	if rate := p.minRate.Load(); rate > 0 {
		grace += time.Duration(min(float64(bytes)/float64(rate), longest.Seconds()) * float64(time.Second))
	}
	if due := began.Add(grace); due.Before(last) {
		return due
	}
	return last
}

// exchange is one request and its answer, held to the server's patience. It stands
// between the network and everything else.
type exchange struct {
	http.ResponseWriter
	server *Server
	conn   *http.ResponseController
	mux    bool // the connection carries other requests too: HTTP/2
	slow   bool // the client did not read in time

	request *http.Request
	body    io.ReadCloser
	began   time.Time
	bytes   int64
	due     time.Time // of the body's deadline that is set
	whole   bool      // the body has come
	late    bool      // it has not come in time
}

// exchange takes over a request's deadlines. A request whose body has come has
// none: while it is worked on nobody waits for the client.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, server: s, conn: http.NewResponseController(w), mux: r.ProtoMajor >= 2, request: r, body: r.Body, began: time.Now()}
	if r.Body == nil || r.Body == http.NoBody {
		x.arrived()
		return x
	}
	r.Body = (*patientBody)(x)
	return x
}

// arrived says that nothing more of the body is waited for.
func (x *exchange) arrived() {
	x.whole = true
	_ = x.conn.SetReadDeadline(time.Time{}) // not all tests have a connection
}

// Write gives each piece of an answer its time, so that a long answer may take
// long, and a client that does not read is let go.
func (x *exchange) Write(b []byte) (n int, err error) {
	for first := true; err == nil && (first || len(b) > 0); first = false {
		piece := b[:min(len(b), answerPiece)]
		_ = x.conn.SetWriteDeadline(time.Now().Add(x.server.patience.stall()))
		var m int
		m, err = x.ResponseWriter.Write(piece)
		n, b = n+m, b[len(piece):]
	}
	if x.mux {
		_ = x.conn.SetWriteDeadline(time.Time{}) // there it ends the answer even while nothing is written
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !x.slow {
		x.slow = true
		x.server.stats.SlowReaders.Add(1)
	}
	return n, err
}

// Flush is for those who stream.
func (x *exchange) Flush() { _ = x.conn.Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// end bounds what the server still does when the handler is done: send the last of
// the answer, and read the rest of a body that nobody wanted.
func (x *exchange) end() {
	now, stall := time.Now(), x.server.patience.stall()
	_ = x.conn.SetWriteDeadline(now.Add(2 * stall)) // reading comes first
	switch {
	case x.late:
		_ = x.conn.SetReadDeadline(now)
	case !x.whole:
		_ = x.conn.SetReadDeadline(now.Add(stall))
	}
	x.request.Body = x.body // the server looks at it
}

// patientBody is an exchange's body. Its reads fail with os.ErrDeadlineExceeded
// where the client is behind.
type patientBody exchange

func (b *patientBody) Read(p []byte) (int, error) {
	if due := b.server.patience.due(b.began, b.bytes); due.Sub(b.due) > rearm {
		b.due = due
		_ = b.conn.SetReadDeadline(due)
	}
	n, err := b.body.Read(p)
	b.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		(*exchange)(b).arrived()
	case errors.Is(err, os.ErrDeadlineExceeded) && !b.late:
		b.late = true
		b.server.stats.SlowBodies.Add(1)
	}
	return n, err
}

func (b *patientBody) Close() error { return b.body.Close() }
