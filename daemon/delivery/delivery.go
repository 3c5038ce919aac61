// Package delivery decides what is a repetition: which batch of a producer,
// and which request with an idempotency key, was taken before.
//
// A Registry is what the log says of producers and keys, kept in memory. Its
// decisions are made under the log's lock, in the moment in which a record
// gets its place, so that what it says and what the log holds are one. It is
// rebuilt from checkpoint and log at a start.
package delivery

import (
	"slices"
	"sync"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

// Limits bound what is remembered.
type Limits struct {
	Producers int           // remembered at once
	Keys      int           // remembered at once; the oldest goes for a new one
	Idle      time.Duration // silence after which a producer's history is void
	KeyLife   time.Duration // how long a key is remembered
}

// DefaultLimits returns the limits of SPEC and DESIGN.
func DefaultLimits() Limits {
	return Limits{
		Producers: 100_000, Keys: aggregate.MaxKeys, Idle: 30 * 24 * time.Hour, KeyLife: aggregate.KeyLife * time.Millisecond,
	}
}

// Claim says who sent a unit: a producer's session and the batch's number, or
// a key and what it stood for.
type Claim struct {
	Session *Session
	Seq     uint64

	Key record.Claim // where Session is nil
}

// Verdict is the decision on one claim.
type Verdict struct {
	Repeat   bool              // taken before: acknowledge it, and take nothing
	Conflict bool              // the key stood for another body
	Refusal  *protocol.Refusal // take nothing, and end the session

	// Accepted and Rejected are what the request with the key was answered
	// with, where Repeat is set.
	Accepted, Rejected uint64
}

// Apply says that the unit is to be taken.
func (v Verdict) Apply() bool { return !v.Repeat && !v.Conflict && v.Refusal == nil }

// Registry remembers producers and keys. It is safe for concurrent use.
type Registry struct {
	limits Limits

	mu        sync.Mutex
	producers map[string]*producer
	keys      map[[16]byte]record.Key
	order     []record.Key // by age, oldest first
	forgotten uint64       // keys that went before their time
}

// producer is one producer's history, and the session that holds it now.
type producer struct {
	record.Producer
	session uint64
}

// Session is one connection of a producer, between its HELLO and its end or
// its being fenced.
type Session struct {
	Producer string
	Epoch    uint64
	number   uint64
}

// NewRegistry returns a registry with what a fold of the log has found.
func NewRegistry(l Limits, producers []record.Producer, keys []record.Key) *Registry {
	r := &Registry{limits: l, producers: map[string]*producer{}, keys: map[[16]byte]record.Key{}}
	for _, p := range producers {
		r.producers[p.ID] = &producer{Producer: p}
	}
	for _, k := range keys {
		r.keys[k.Hash] = k
	}
	r.order = slices.Clone(keys)
	return r
}

// Opened is the answer to a HELLO.
type Opened struct {
	Session *Session
	Last    uint64 // the producer's last batch
	// Accepted and Rejected are the producer's units over all its batches.
	Accepted, Rejected uint64
	// New says that the epoch is new and must stand in the log before the
	// answer is given, or a restart would let the old one back in.
	New bool
}

// Open starts a session: it fences every older one of the producer. It must
// run under the log's lock.
func (r *Registry) Open(h protocol.Hello, now time.Time) (Opened, *protocol.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.producers[h.Producer]
	switch {
	case p == nil:
		if len(r.producers) >= r.limits.Producers && !r.dropIdle(now) {
			return Opened{}, &protocol.Refusal{Code: protocol.ErrQuota}
		}
		p = &producer{Producer: record.Producer{ID: h.Producer}}
		r.producers[h.Producer] = p
	case h.Epoch < p.Epoch:
		return Opened{}, &protocol.Refusal{Code: protocol.ErrFenced}
	case r.idle(p, now) && h.Epoch == p.Epoch:
		return Opened{}, &protocol.Refusal{Code: protocol.ErrExpired}
	}
	fresh := h.Epoch > p.Epoch || p.Seen == 0
	p.session++
	p.Epoch, p.Seen = h.Epoch, now.UnixMilli()
	return Opened{
		Session: &Session{Producer: h.Producer, Epoch: h.Epoch, number: p.session},
		Last:    p.Seq, Accepted: p.Accepted, Rejected: p.Rejected, New: fresh,
	}, nil
}

func (r *Registry) idle(p *producer, now time.Time) bool {
	return p.Seen != 0 && now.UnixMilli()-p.Seen > r.limits.Idle.Milliseconds()
}

// dropIdle forgets producers that were silent for twice the time after which
// their history is void: until then a return is told that it is late.
func (r *Registry) dropIdle(now time.Time) (dropped bool) {
	for id, p := range r.producers {
		if now.UnixMilli()-p.Seen > 2*r.limits.Idle.Milliseconds() {
			delete(r.producers, id)
			dropped = true
		}
	}
	return dropped
}

// Known reports a producer of whom a batch was taken.
func (r *Registry) Known(producer string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.producers[producer]
	return p != nil && p.Seq > 0
}

// Peek looks whether a unit is a repetition, without deciding: it spares the
// work of reading a batch that was taken before.
func (r *Registry) Peek(c *Claim, now time.Time) Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.judge(c, now)
}

// Decide judges a claim whose unit is about to get its place in the log, and
// where it is to be taken remembers that it was. It must run under the log's
// lock, and what it lets through must be appended then.
func (r *Registry) Decide(c *Claim, accepted, rejected uint64, now time.Time) Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.judge(c, now)
	if !v.Apply() {
		return v
	}
	if c.Session == nil {
		r.remember(record.Key{Claim: c.Key, At: now.UnixMilli(), Accepted: accepted, Rejected: rejected})
		return v
	}
	p := r.producers[c.Session.Producer]
	p.Seq, p.Seen = c.Seq, now.UnixMilli()
	p.Accepted += accepted
	p.Rejected += rejected
	return v
}

func (r *Registry) judge(c *Claim, now time.Time) Verdict {
	if c.Session != nil {
		return r.judgeBatch(c)
	}
	k, ok := r.keys[c.Key.Hash]
	switch {
	case !ok || r.over(k, now.UnixMilli()):
		return Verdict{}
	case k.Body != c.Key.Body:
		return Verdict{Conflict: true}
	}
	return Verdict{Repeat: true, Accepted: k.Accepted, Rejected: k.Rejected}
}

func (r *Registry) judgeBatch(c *Claim) Verdict {
	p := r.producers[c.Session.Producer]
	switch {
	case p == nil:
		return Verdict{Refusal: &protocol.Refusal{Code: protocol.ErrExpired}}
	case p.session != c.Session.number:
		return Verdict{Refusal: &protocol.Refusal{Code: protocol.ErrFenced}}
	case c.Seq <= p.Seq:
		return Verdict{Repeat: true}
	case c.Seq != p.Seq+1:
		return Verdict{Refusal: &protocol.Refusal{Code: protocol.ErrGap, Expected: p.Seq + 1}}
	}
	return Verdict{}
}

func (r *Registry) over(k record.Key, now int64) bool {
	return now-k.At > r.limits.KeyLife.Milliseconds()
}

// remember keeps a key, and forgets those whose time is over or that are too
// many.
func (r *Registry) remember(k record.Key) {
	for len(r.order) > 0 {
		oldest := r.order[0]
		over := r.over(oldest, k.At)
		if !over && len(r.order) < r.limits.Keys {
			break
		}
		if !over {
			r.forgotten++
		}
		if r.keys[oldest.Hash] == oldest { // else the key came again since
			delete(r.keys, oldest.Hash)
		}
		r.order = r.order[1:]
	}
	r.keys[k.Hash] = k
	r.order = append(r.order, k)
}

// Stats are the registry's sizes, and how many keys went before their time.
type Stats struct {
	Producers, Keys int
	Forgotten       uint64
}

// Stats returns the sizes.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Producers: len(r.producers), Keys: len(r.keys), Forgotten: r.forgotten}
}
