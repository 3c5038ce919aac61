package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"example.com/nexusctl/protocol/api"
)

// published is what was last told of the daemon itself.
type published struct {
	data    []byte
	version uint64 // grows with each change; 0: nothing yet
	asked   time.Time
}

// healthEvery is how often readiness is looked at: it asks the store.
const healthEvery = 5 * time.Second

// State tells what has changed of the ledger and of readiness to those who want it.
// It is for one goroutine.
func (h *Hub) State(ctx context.Context) {
	h.publish(ctx, Ledger, 0, h.ledgerData)
	h.publish(ctx, Health, healthEvery, h.healthData)
}

func (h *Hub) ledgerData(ctx context.Context) ([]byte, error) {
	l, err := h.opts.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(api.Ledger{
		Received: l.Received, Stored: l.Stored, Pending: l.Pending, Rejected: l.Rejected, Shed: l.Shed, Dead: l.Dead, Lost: l.Lost, Duplicates: l.Duplicates,
	})
}

func (h *Hub) healthData(ctx context.Context) ([]byte, error) {
	reasons := h.opts.Ready(ctx)
	s := api.StreamHealth{Status: "ready", Reasons: reasons}
	if len(reasons) > 0 {
		s.Status = "not_ready"
	}
	return json.Marshal(s)
}

// publish reads the state anew, unless nobody wants it or it is fresh enough, and
// gives it to those who have not seen it.
func (h *Hub) publish(ctx context.Context, kind Kind, every time.Duration, read func(context.Context) ([]byte, error)) {
	now := h.opts.Now()
	h.mu.Lock()
	wanted := false
	for c := range h.clients {
		if wanted = c.wants[kind]; wanted {
			break
		}
	}
	due := now.Sub(h.state[kind].asked) >= every
	h.mu.Unlock()
	if !wanted {
		return
	}
	var data []byte
	if due {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		var err error
		if data, err = read(ctx); err != nil {
			h.stats.Failed.Add(1)
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spread(kind, data, now)
}

func (h *Hub) spread(kind Kind, data []byte, now time.Time) {
	s := &h.state[kind]
	if data != nil {
		s.asked = now
		if !bytes.Equal(data, s.data) {
			s.data = data
			s.version++
		}
	}
	f := &frame{kind: kind, bytes: event(kind, h.second, s.data)}
	for c := range h.clients {
		if c.wants[kind] && c.seen[kind] != s.version {
			c.seen[kind] = s.version
			h.give(c, f)
		}
	}
}
