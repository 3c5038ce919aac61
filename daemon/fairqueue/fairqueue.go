// Package fairqueue bounds how much of something is done at once, and lets those
// who wait come in turn by client: whoever asks a thousand times waits for
// himself, and whoever asks once is next.
//
// A request first runs, holding one of few places, and then may hold bytes, as an
// answer that its client is slow to read. Places, waiting requests and bytes held are
// bounded, in all and, at half of that, for one client.
package fairqueue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Enter.
var (
	// ErrCrowded reports a client that has its share.
	ErrCrowded = errors.New("this client has as much under way as one may")
	// ErrFull reports that nobody else is taken.
	ErrFull = errors.New("as much is under way as may be")
	// ErrLate reports a turn that did not come in time.
	ErrLate = errors.New("no turn came in time")
)

// Limits are the bounds.
type Limits struct {
	Running int           // requests at once; 1 at least
	Waiting int           // requests that wait; half of them, at least one, of one client
	Held    int64         // bytes of answers on their way; half of them of one client
	Wait    time.Duration // for a turn
}

// Stats are the counters, safe to read at any time.
type Stats struct {
	Running, Waiting atomic.Int64
	Held             atomic.Int64 // bytes
	Waited           atomic.Uint64
	Crowded          atomic.Uint64
	Full             atomic.Uint64
	Late             atomic.Uint64
	Left             atomic.Uint64 // clients that went while they waited
}

// Queue is safe for concurrent use.
type Queue struct {
	limits Limits
	stats  Stats

	mu      sync.Mutex
	running int
	waiting int
	held    int64
	clients map[string]*client
	turns   []*client // those who wait, each once, next first
	mean    float64   // seconds that a request runs, lately
}

// client is who has something under way. It is forgotten when that is over.
type client struct {
	name    string
	waiters []*waiter
	running int
	held    int64
}

type waiter struct {
	turn chan struct{}
}

// New returns an empty queue.
func New(l Limits) *Queue {
	l.Running, l.Waiting = max(l.Running, 1), max(l.Waiting, 1)
	return &Queue{limits: l, clients: map[string]*client{}}
}

// Stats returns the counters.
func (q *Queue) Stats() *Stats { return &q.stats }

// Enter waits for a place. The error is ErrCrowded, ErrFull, ErrLate or the
// context's.
func (q *Queue) Enter(ctx context.Context, name string) (*Turn, error) {
	c, w, err := q.join(name)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return &Turn{queue: q, client: c, began: time.Now(), runs: true}, nil
	}
	q.stats.Waited.Add(1)
	late := time.NewTimer(q.limits.Wait)
	defer late.Stop()
	select {
	case <-w.turn:
	case <-ctx.Done():
		if q.leave(c, w) {
			q.stats.Left.Add(1)
			return nil, ctx.Err()
		}
	case <-late.C:
		if q.leave(c, w) {
			q.stats.Late.Add(1)
			return nil, ErrLate
		}
	}
	return &Turn{queue: q, client: c, began: time.Now(), runs: true}, nil
}

// join takes a place where one is free and nobody waits, else it queues up.
func (q *Queue) join(name string) (c *client, w *waiter, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c = q.clients[name]
	if c == nil {
		c = &client{name: name}
	}
	switch {
	case q.held > 0 && c.held >= (q.limits.Held+1)/2:
		q.stats.Crowded.Add(1)
		return nil, nil, ErrCrowded
	case q.held > 0 && q.held >= q.limits.Held:
		q.stats.Full.Add(1)
		return nil, nil, ErrFull
	}
	if q.running < q.limits.Running && q.waiting == 0 {
		q.clients[name] = c
		q.run(c)
		return c, nil, nil
	}
	switch {
	case len(c.waiters) >= max(q.limits.Waiting/2, 1):
		q.stats.Crowded.Add(1)
		return nil, nil, ErrCrowded
	case q.waiting >= q.limits.Waiting:
		q.stats.Full.Add(1)
		return nil, nil, ErrFull
	}
	q.clients[name] = c
	w = &waiter{turn: make(chan struct{})}
	if len(c.waiters) == 0 {
		q.turns = append(q.turns, c)
	}
	c.waiters = append(c.waiters, w)
	q.wait(1)
	return c, w, nil
}

func (q *Queue) run(c *client) {
	q.running++
	c.running++
	q.stats.Running.Store(int64(q.running))
}

func (q *Queue) wait(n int) {
	q.waiting += n
	q.stats.Waiting.Store(int64(q.waiting))
}

// leave takes a waiter out; false where its turn has come meanwhile, which it then
// has.
func (q *Queue) leave(c *client, w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range c.waiters {
		if other != w {
			continue
		}
		c.waiters = append(c.waiters[:i], c.waiters[i+1:]...)
		q.wait(-1)
		if len(c.waiters) == 0 {
			q.skip(c)
		}
		q.forget(c)
		return true
	}
	return false
}

// skip takes a client out of the turns.
func (q *Queue) skip(c *client) {
	for i, other := range q.turns {
		if other == c {
			q.turns = append(q.turns[:i], q.turns[i+1:]...)
			return
		}
	}
}

func (q *Queue) forget(c *client) {
	if c.running == 0 && c.held == 0 && len(c.waiters) == 0 {
		delete(q.clients, c.name)
	}
}

// next gives free places to those whose turn it is: of those with the fewest
// requests running, whoever waits longest.
func (q *Queue) next() {
	for q.running < q.limits.Running && len(q.turns) > 0 {
		at := 0
		for i, c := range q.turns {
			if c.running < q.turns[at].running {
				at = i
			}
		}
		c := q.turns[at]
		w := c.waiters[0]
		c.waiters = c.waiters[1:]
		q.turns = append(q.turns[:at], q.turns[at+1:]...)
		if len(c.waiters) > 0 {
			q.turns = append(q.turns, c)
		}
		q.wait(-1)
		q.run(c)
		close(w.turn)
	}
}

// RetryAfter is when a client that was refused should come again: when those who
// wait now may be through, whole seconds from 1 to 30.
func (q *Queue) RetryAfter() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(1, min(30, int(q.mean*float64(q.waiting)/float64(q.limits.Running))))
}

// Turn is one request under way. It is for one goroutine.
type Turn struct {
	queue  *Queue
	client *client
	began  time.Time
	runs   bool
	held   int64
}

// Hold says that so many bytes more are on their way to the client. The first
// call frees the place: who reads slowly must not keep others from asking.
func (t *Turn) Hold(bytes int) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	t.held += int64(bytes)
	t.client.held += int64(bytes)
	q.hold(int64(bytes))
	t.stop()
}

func (q *Queue) hold(bytes int64) {
	q.held += bytes
	q.stats.Held.Store(q.held)
}

// weight is what the last request counts for in the mean.
const weight = 0.1

func (t *Turn) stop() {
	if !t.runs {
		return
	}
	q := t.queue
	t.runs = false
	q.running--
	t.client.running--
	q.stats.Running.Store(int64(q.running))
	q.mean += weight * (time.Since(t.began).Seconds() - q.mean)
	q.next()
}

// Leave ends the request.
func (t *Turn) Leave() {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	t.client.held -= t.held
	q.hold(-t.held)
	t.held = 0
	t.stop()
	q.forget(t.client)
}
