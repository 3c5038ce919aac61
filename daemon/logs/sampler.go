package logs

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// burst is how often a message may stand in the log within one span.
	burst = 10
	span  = 10 * time.Second
	// maxMessages bounds the messages that are told apart. Messages are
	// constants of the program, so it is not reached; a fault that makes it
	// so must not fill memory.
	maxMessages = 4096
)

// sampler leaves out what repeats: of one message of one component the first
// few in every span are written, and the next one after it says how many were
// not. Debug lines are asked for and always written.
type sampler struct {
	now        func() time.Time
	suppressed atomic.Uint64

	mu   sync.Mutex
	seen map[message]*count
}

type message struct {
	component, text string
	level           slog.Level
}

type count struct {
	since   time.Time
	written int
	left    uint64 // out since the last one written
}

func newSampler(now func() time.Time) *sampler {
	return &sampler{now: now, seen: map[message]*count{}}
}

// admit decides on one line. repeated is how many like it were left out before.
func (s *sampler) admit(level slog.Level, component, text string) (repeated uint64, ok bool) {
	if level < slog.LevelInfo {
		return 0, true
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.count(message{component, text, level}, now)
	if now.Sub(c.since) >= span {
		c.since, c.written = now, 0
	}
	if c.written >= burst {
		c.left++
		s.suppressed.Add(1)
		return 0, false
	}
	c.written++
	repeated, c.left = c.left, 0
	return repeated, true
}

func (s *sampler) count(m message, now time.Time) *count {
	c := s.seen[m]
	if c == nil {
		if len(s.seen) >= maxMessages {
			clear(s.seen)
		}
		c = &count{since: now}
		s.seen[m] = c
	}
	return c
}
