package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/series"
)

// Question says which series are watched: those that every matcher of any of the
// selectors takes.
type Question [][]series.Matcher

// key is the same for questions that mean the same by the same words.
func (q Question) key() string {
	selectors := make([]string, len(q))
	for i, ms := range q {
		words := make([]string, len(ms))
		for n, m := range ms {
			words[n] = fmt.Sprintf("%q%d%q", m.Tag, m.Op, m.Value)
		}
		slices.Sort(words)
		selectors[i] = strings.Join(words, ",")
	}
	slices.Sort(selectors)
	return strings.Join(slices.Compact(selectors), ";")
}

// topic is a question, what it found, and who asked it.
type topic struct {
	key      string
	question Question
	tails    []*tail // by key
	clients  []*Client
	found    int64 // when, Unix seconds
	// fresh says that there are tails whose values are as of the moment they were
	// read, and not of a second: all are told with the next one.
	fresh bool
}

// find returns the series of a question, by canonical key.
func (h *Hub) find(ctx context.Context, q Question) (map[string]query.Series, error) {
	out := map[string]query.Series{}
	for _, ms := range q {
		list, err := h.opts.Source.Find(ctx, ms)
		if err != nil {
			return nil, err
		}
		if len(list) > MaxSeries {
			return nil, ErrTooMany
		}
		for _, s := range list {
			out[string(s.Key.Append(nil))] = s
		}
	}
	if len(out) > MaxSeries {
		return nil, ErrTooMany
	}
	return out, nil
}

// tailsOf reads the day of those series that nobody watches yet, or whose last such
// reading is too old, and returns their tails.
func (h *Hub) tailsOf(ctx context.Context, found map[string]query.Series) (map[string]*tail, error) {
	now := h.opts.Now()
	var fresh []query.Series
	h.mu.Lock()
	for k, s := range found {
		if t := h.tails[k]; t == nil || now.Unix()-t.read > rebaseAfter {
			fresh = append(fresh, s)
		}
	}
	h.mu.Unlock()
	if len(fresh) == 0 {
		return nil, nil
	}
	anchor := h.anchor(now.Unix())
	if err := h.opts.Source.Fill(ctx, fresh, anchor, now.UnixMilli()); err != nil {
		return nil, err
	}
	tails := make(map[string]*tail, len(fresh))
	for _, s := range fresh {
		tails[string(s.Key.Append(nil))] = newTail(s, anchor, now.Unix())
	}
	return tails, nil
}

// adopt gives a topic the tails of what it found: those there are, and fresh ones.
// The caller holds the lock.
func (h *Hub) adopt(t *topic, found map[string]query.Series, fresh map[string]*tail) error {
	added := 0
	for k := range found {
		if h.tails[k] == nil {
			added++
		}
	}
	if len(h.tails)+added > MaxWatched {
		return ErrWatched
	}
	old := t.tails
	t.tails = make([]*tail, 0, len(found))
	for k, s := range found {
		have, read := h.tails[k], fresh[k]
		switch {
		case have == nil && read == nil:
			continue // it went meanwhile, and comes with the next look
		case have == nil:
			have = read
			h.tails[k] = have
			t.fresh = true
		case read != nil:
			have.rebase(read)
		}
		have.series = s // its id, or this process's part, may be new
		have.topics++
		t.tails = append(t.tails, have)
	}
	slices.SortFunc(t.tails, func(a, b *tail) int { return cmp.Compare(string(a.head), string(b.head)) })
	h.release(old)
	return nil
}

// release takes tails from one topic. The caller holds the lock.
func (h *Hub) release(tails []*tail) {
	for _, t := range tails {
		if t.topics--; t.topics == 0 {
			delete(h.tails, string(t.series.Key.Append(nil)))
		}
	}
}

const (
	// refreshAfter is how old a topic's list of series may become, seconds, and
	// maxRefreshes how many are looked up anew in one second: many topics wait
	// longer for series that are new.
	refreshAfter = 10
	maxRefreshes = 10
	// rebaseAfter is how old a counter's total may become before it is read anew
	// from the beginning of its day: what comes later than lag buckets is in it then.
	rebaseAfter = 300
)

// Refresh looks up anew which series the oldest topics mean. It is for one
// goroutine.
func (h *Hub) Refresh(ctx context.Context) {
	now := h.opts.Now().Unix()
	h.mu.Lock()
	due := make([]*topic, 0, len(h.topics))
	for _, t := range h.topics {
		if now-t.found >= refreshAfter {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, func(a, b *topic) int { return cmp.Compare(a.found, b.found) })
	due = due[:min(len(due), maxRefreshes)]
	for _, t := range due {
		t.found = now
	}
	h.mu.Unlock()
	for _, t := range due {
		if err := h.refresh(ctx, t); err != nil {
			h.stats.Failed.Add(1)
			h.opts.Logger.Debug("which series clients watch could not be looked up", "error", err)
		}
	}
}

func (h *Hub) refresh(ctx context.Context, t *topic) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, err := h.find(ctx, t.question)
	var fresh map[string]*tail
	if err == nil {
		fresh, err = h.tailsOf(ctx, found)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics[t.key] != t {
		return nil // the last client has left
	}
	if err == nil {
		err = h.adopt(t, found, fresh)
	}
	if isTooMany(err) {
		for _, c := range t.clients {
			c.end(TooMany)
		}
		return nil
	}
	return err
}
