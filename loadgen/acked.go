package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"example.com/nexusctl/protocol/client"
)

// link is what a sender writes to: a plain connection, or an acked session.
type link interface {
	// write sends b and returns, with an error, how many of its lines went.
	write(b []byte) (lines int64, err error)
	stop()         // bounds the write that is under way
	abort() error  // ends it, for what was sent is not whole
	finish() error // waits until the daemon has everything, and ends it
}

// session is an acked session as a link. A batch has been taken when it is
// acknowledged, which is when its latency ends.
type session struct {
	client *client.Session
	sender *sender
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	waiting []unacked // sent and not acknowledged, oldest first
	batches uint64    // acknowledged
	acked   int64     // lines
	groups  []group
}

// unacked is the sends [from, to) of a connection, in one batch.
type unacked struct {
	from, to int64
	begun    time.Duration
}

// openSessions opens a session a sender, each under a name of its own, so that
// no run goes on where another ended.
func (r *run) openSessions(ctx context.Context) error {
	name := "loadgen-" + uuid.NewString()[:8]
	for i, s := range r.senders {
		a := &session{sender: s}
		a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		var err error
		a.client, err = client.OpenSession(ctx, client.SessionOptions{
			Addr: r.opts.Addr, Producer: fmt.Sprintf("%s-%d", name, i), Epoch: 1, GiveUp: closeWait, OnAck: a.acknowledged,
		})
		if err != nil {
			for _, open := range r.senders[:i] {
				_ = open.link.abort() // nothing was sent
			}
			return fmt.Errorf("session %d of %d: %w", i+1, len(r.senders), err)
		}
		s.link, s.session = a, a
	}
	return nil
}

// expect says which sends the next batch holds.
func (a *session) expect(from, to int64, begun time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, unacked{from, to, begun})
}

func (a *session) write(b []byte) (lines int64, err error) {
	if err := a.client.Send(a.ctx, b); err != nil {
		a.mu.Lock()
		a.waiting = a.waiting[:len(a.waiting)-1]
		a.mu.Unlock()
		return 0, err
	}
	return 0, nil
}

// acknowledged is told how many batches are durable.
func (a *session) acknowledged(batches uint64) {
	run, now := a.sender.run, a.sender.run.elapsed()
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.batches < batches && len(a.waiting) > 0 {
		u := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.batches++
		a.acked += u.to - u.from
		a.groups = a.groups[:0]
		if run.opts.Pacer.Paced() {
			a.groups = run.lateness(a.groups, a.sender.number, u.from, u.to, now)
		} else {
			a.groups = append(a.groups, group{now - u.begun, u.to - u.from})
		}
		a.sender.record.record(a.groups, 0)
	}
}

func (a *session) lines() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked
}

func (a *session) stop() { time.AfterFunc(closeWait, a.cancel) }

func (a *session) abort() error {
	a.cancel()
	return a.client.Close(a.ctx)
}

func (a *session) finish() error {
	ctx, cancel := context.WithTimeout(a.ctx, closeWait)
	defer cancel()
	return a.client.Close(ctx)
}
