package stream

import (
	"context"
	"errors"
	"strconv"

	"example.com/nexusctl/daemon/query"
)

// Ask is what a client wants.
type Ask struct {
	Kinds    []Kind   // Sample, Ledger, Health
	Question Question // of Sample
	LastID   string   // of the last event that it had; empty where it had none
}

// Join takes a client, which has to Leave. It fails with ErrFull, ErrWatched,
// ErrTooMany, ErrClosed, or as the source does.
func (h *Hub) Join(ctx context.Context, a Ask) (*Client, error) {
	if err := h.reserve(); err != nil {
		return nil, err
	}
	c := newClient(a.Kinds)
	second, err := h.enter(ctx, c, a)
	if err != nil {
		h.count(err)
		return nil, err
	}
	if c.topic != nil && a.LastID != "" {
		if err := h.resume(ctx, c, a.LastID, second); err != nil {
			h.Leave(c)
			return nil, err
		}
	}
	return c, nil
}

// reserve gives a place to one who comes.
func (h *Hub) reserve() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		h.stats.Refused[RefusedClosed].Add(1)
		return ErrClosed
	case int64(len(h.clients)+h.coming) >= h.limit.Load():
		h.stats.Refused[RefusedFull].Add(1)
		return ErrFull
	}
	h.coming++
	return nil
}

func isTooMany(err error) bool { return errors.Is(err, ErrTooMany) || errors.Is(err, query.ErrTooMany) }

func (h *Hub) count(err error) {
	switch {
	case isTooMany(err), errors.Is(err, ErrWatched):
		h.stats.Refused[RefusedSeries].Add(1)
	case errors.Is(err, ErrClosed):
		h.stats.Refused[RefusedClosed].Add(1)
	default:
		h.stats.Refused[RefusedFailed].Add(1)
	}
}

// enter puts a client with a place among the others, and returns the last second
// that it will not be told by its queue.
func (h *Hub) enter(ctx context.Context, c *Client, a Ask) (second int64, err error) {
	var found map[string]query.Series
	var fresh map[string]*tail
	key := a.Question.key()
	if c.wants[Sample] && !h.known(key) {
		found, fresh, err = h.look(ctx, a.Question)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.coming--
	switch {
	case err != nil:
		return 0, err
	case h.closed:
		return 0, ErrClosed
	}
	if c.wants[Sample] {
		t, err := h.topicOf(key, a.Question, found, fresh)
		if err != nil {
			return 0, err
		}
		t.clients, c.topic = append(t.clients, c), t
		c.begin = [][]byte{sampleEvent(h.second, true, t.tails)}
	}
	h.clients[c] = struct{}{}
	return h.second, nil
}

func (h *Hub) known(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[key] != nil
}

// look reads what a question means, a few questions at a time.
func (h *Hub) look(ctx context.Context, q Question) (found map[string]query.Series, fresh map[string]*tail, err error) {
	if err := h.begin(ctx); err != nil {
		return nil, nil, err
	}
	defer h.done()
	if found, err = h.find(ctx, q); err != nil {
		return nil, nil, err
	}
	fresh, err = h.tailsOf(ctx, found)
	return found, fresh, err
}

// begin waits for a place to read.
func (h *Hub) begin(ctx context.Context) error {
	select {
	case h.reads <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hub) done() { <-h.reads }

// topicOf returns the topic of a question, made of what was found where there is
// none. A topic whose last client left since it was seen is made empty, and looked
// up in the next second. The caller holds the lock.
func (h *Hub) topicOf(key string, q Question, found map[string]query.Series, fresh map[string]*tail) (*topic, error) {
	if t := h.topics[key]; t != nil {
		return t, nil
	}
	t := &topic{key: key, question: q}
	if err := h.adopt(t, found, fresh); err != nil {
		return nil, err
	}
	if found != nil {
		t.found = h.opts.Now().Unix()
	}
	h.topics[key] = t
	return t, nil
}

const (
	// maxReplayed bounds the values that are told again: fewer seconds of more series.
	maxReplayed = 5_000
	// keepSeconds is how far back they may lie: the live window goes no further.
	keepSeconds = 15 * 60
)

// resume tells a client that comes back what it missed: the seconds one by one, or
// a gap and what is now.
func (h *Hub) resume(ctx context.Context, c *Client, lastID string, second int64) error {
	last, err := strconv.ParseInt(lastID, 10, 64)
	if err != nil || last <= 0 || last > second+maxBehind {
		h.stats.Gaps[Unknown].Add(1)
		c.begin = [][]byte{gapEvent(0, second, Unknown), c.begin[0]}
		return nil
	}
	if last >= second {
		c.begin = nil
		return nil
	}
	h.mu.Lock()
	list := make([]query.Series, 0, len(c.topic.tails))
	for _, t := range c.topic.tails {
		list = append(list, t.series)
	}
	h.mu.Unlock()
	from := max(last, second-keepSeconds, second-maxReplayed/int64(max(len(list), 1)))
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.done()
	if err := h.opts.Source.Replay(ctx, list, from*1000, second*1000); err != nil {
		return err
	}
	for i := range list {
		from = max(from, (list[i].Held+999)/1000)
	}
	c.begin = replay(list, last, min(from, second), second)
	if from > last {
		h.stats.Gaps[Window].Add(1)
	}
	h.stats.Replays.Add(1)
	return nil
}

// replay renders the seconds behind from, up to to; where the client had none later
// than last, from is where the gap ends.
func replay(list []query.Series, last, from, to int64) (out [][]byte) {
	now := make([]valued, len(list))
	for i := range list {
		now[i].head = headOf(&list[i])
	}
	moved := func(second int64) (changed []valued) {
		for i := range list {
			s := &list[i]
			next := fold(s.Key.Type, s.Points, minTime, s.Base.Sum, second*1000)
			if next.known && !next.same(now[i].reading, s.Key.Type) {
				now[i].reading = next
				changed = append(changed, now[i])
			}
		}
		return changed
	}
	moved(from)
	if from > last {
		out = append(out, gapEvent(last, from, Window), valuesEvent(from, true, now))
	}
	for second := from + 1; second <= to; second++ {
		if changed := moved(second); len(changed) > 0 {
			out = append(out, valuesEvent(second, false, changed))
		}
	}
	return out
}

const minTime = -1 << 62
