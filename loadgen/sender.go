package loadgen

import (
	"errors"
	"math"
	"os"
	"sync"
	"time"
)

// buffers are held while a write is under way and by nobody in between: most of
// ten thousand connections are idle at any moment.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// sender is one connection and what went over it.
type sender struct {
	run    *run
	number int64
	link   link
	// session is the link where it is acked, else nil.
	session *session
	feed    feed
	record  *recorder
	wake    chan struct{} // holds one token: look again what is owed

	sent    int64
	bytes   int64
	stopped bool
	failed  error
	ended   time.Duration // of the last write
	drained time.Duration // when the daemon had read everything
	groups  []group
}

// nudge makes the sender look again what is owed.
func (s *sender) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// work sends whatever is due, batch by batch, until the run is over. A write
// that waits makes later sends late; they are made as soon as they can be, and
// count from when they were due.
func (s *sender) work() {
	for !s.stopped && !s.run.isHalted() {
		over := s.run.over.Load()
		if owed := s.owed(over); owed > 0 {
			s.send(owed)
			continue
		}
		if over {
			break
		}
		select {
		case <-s.wake:
		case <-s.run.halted:
		}
	}
	end := s.link.finish
	if errors.Is(s.failed, errCut) {
		end = s.link.abort
	}
	if err := end(); s.failed == nil {
		s.failed = err
	}
	s.drained = s.run.elapsed()
}

// owed returns how many sends are due and not made.
func (s *sender) owed(over bool) int64 {
	switch {
	case s.run.opts.Pacer.Paced():
		return s.run.deal.due(s.number, s.run.due.Load()) - s.sent
	case over:
		return 0
	default:
		return math.MaxInt64
	}
}

// send makes one write of up to n lines.
func (s *sender) send(n int64) {
	buf := buffers.Get().(*[]byte)
	begun := s.run.elapsed()
	b := s.feed.take((*buf)[:0], n, s.run.limit)
	ready := s.run.elapsed()
	if s.session != nil {
		s.session.expect(s.sent, s.sent+b.lines, begun)
	}
	lines, err := s.link.write(b.bytes)
	taken := s.run.elapsed()
	if err == nil {
		lines = b.lines
	} else {
		s.feed.giveBack(b, lines)
		s.stopped = true
		if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errCut) {
			s.failed = err
		}
	}
	s.bytes += lineBytes(b.bytes, b.lines, lines)
	s.groups = s.groups[:0]
	if s.session != nil { // its latency ends with the acknowledgement
	} else if s.run.opts.Pacer.Paced() {
		s.groups = s.run.lateness(s.groups, s.number, s.sent, s.sent+lines, taken)
	} else {
		s.groups = append(s.groups, group{taken - begun, lines})
	}
	s.record.record(s.groups, taken-ready)
	s.sent += lines
	s.ended = taken
	s.run.sent.Add(lines)
	if !s.run.opts.Prerendered {
		*buf = b.bytes // which may have grown
	}
	buffers.Put(buf)
}

// lineBytes returns the bytes of the first lines of b, which has all.
func lineBytes(b []byte, all, lines int64) int64 {
	if lines == all {
		return int64(len(b))
	}
	n := 0
	for ; lines > 0; lines-- {
		for n++; b[n-1] != '\n'; n++ {
		}
	}
	return int64(n)
}

// addTo adds the connection to the run's result.
func (s *sender) addTo(r *Result) {
	r.Sent += s.sent
	r.Bytes += s.bytes
	if s.session != nil {
		r.Acked += s.session.lines()
	}
	if s.failed != nil {
		r.Errors++
		if r.Error == "" {
			r.Error = s.failed.Error()
		}
	}
}
