package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

const (
	tick = 5 * time.Millisecond
	// lives bounds the series of one sender: each life of the daemon has
	// another tag, so that every one defines series anew.
	lives = 16
	// badEvery is how many good lines of a batch come with one bad one.
	badEvery = 64
)

// producer sends batches that are acknowledged. Its own account is what it has
// put into batches; the session's is what was acknowledged.
type producer struct {
	id       int
	name     string
	session  *client.Session
	lines    int // of a batch
	units    uint64
	bad      uint64
	batches  uint64
	life     func() int
	finished client.SessionStats
}

// run sends until quit is closed.
func (p *producer) run(ctx context.Context, quit <-chan struct{}) error {
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for {
		select {
		case <-quit:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
		}
		if err := p.session.Send(ctx, p.batch()); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return broken("producer %d: %v", p.id, err)
		}
	}
}

func (p *producer) batch() (b []byte) {
	life := p.life()
	for i := range p.lines {
		p.units++
		b = fmt.Appendf(b, "%s.acked:%d|c|#p:%d,life:%d\n", p.name, value(p.units), p.id, life)
		if i%badEvery == 0 {
			b = fmt.Appendf(b, "%s.acked:x|c|#p:%d\n", p.name, p.id)
			p.bad++
		}
	}
	p.batches++
	return fmt.Appendf(b, "%s.batches:+1|g|#p:%d\n", p.name, p.id)
}

// close waits until everything is acknowledged, and compares the two accounts.
func (p *producer) close(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if err := p.session.Close(patient); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return broken("producer %d: %v", p.id, err)
	}
	s := p.session.Stats()
	p.finished = s
	if s.Acked != p.batches || s.Accepted != p.units+p.batches || s.Rejected != p.bad {
		return broken("producer %d sent %d batches of %d good and %d bad lines in all; acknowledged are %d of %d and %d",
			p.id, p.batches, p.units+p.batches, p.bad, s.Acked, s.Accepted, s.Rejected)
	}
	return nil
}

// stream sends plain lines over one connection for each life of the daemon.
type stream struct {
	id       int
	name     string
	lines    int    // a tick
	written  uint64 // units that the kernel took, less those that kills cost
	certain  uint64 // of these, what must outlive a kill
	lost     uint64 // to kills
	finished bool   // the daemon has confirmed this life's end
	err      error  // why it has not
	life     func() int
}

// run sends until quit is closed or the connection breaks. Of a write that
// breaks, the lines count that the kernel took whole.
func (s *stream) run(ctx context.Context, addr string, quit <-chan struct{}) {
	s.finished = false
	c, err := client.Dial(ctx, addr)
	if err != nil {
		s.err = err
		return
	}
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for {
		select {
		case <-quit:
			s.err = c.Close()
			s.finished = s.err == nil
			return
		case <-beat.C:
		}
		b := s.round()
		n, err := c.Write(b)
		s.written += uint64(bytes.Count(b[:n], []byte{'\n'}))
		if err != nil {
			s.err = errors.Join(err, c.Close())
			return
		}
	}
}

func (s *stream) round() (b []byte) {
	life := s.life()
	for i := range s.lines {
		b = fmt.Appendf(b, "%s.plain:%d|c|#p:%d,life:%d\n", s.name, value(s.written+uint64(i)+1), s.id, life)
	}
	return b
}

// settle takes what a kill left.
func (s *stream) settle(stored float64) (missing uint64, err error) {
	units, err := prefix(fmt.Sprintf("stream %d", s.id), stored, s.written, s.certain)
	if err != nil {
		return 0, err
	}
	missing = s.written - units
	s.written, s.certain = units, units
	s.lost += missing
	return missing, nil
}

// poster posts bodies under idempotency keys, each again and again until it is
// answered.
type poster struct {
	id      int
	name    string
	url     string
	http    *http.Client
	units   uint64 // answered for
	open    uint64 // of the post that is under way
	posts   uint64
	again   uint64 // posts that were tried more than once
	replays uint64 // answers that were given before
	life    func() int
}

const (
	// postPause is the time between two posts; each waits for a sync besides.
	postPause = 3 * time.Millisecond
	// answerWait bounds how long anything may stay unanswered, restarts and
	// recoveries included.
	answerWait = 3 * time.Minute
)

func (p *poster) run(ctx context.Context, quit <-chan struct{}) error {
	for {
		select {
		case <-quit:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(postPause):
		}
		if err := p.post(ctx, int(p.posts%20)+1); err != nil {
			return err
		}
	}
}

// post has n more units taken, exactly once.
func (p *poster) post(ctx context.Context, n int) error {
	p.open, p.posts = uint64(n), p.posts+1
	key, body, began := fmt.Sprintf("%s-%d-%d", p.name, p.id, p.posts), p.body(n), time.Now()
	for try := 0; ; try++ {
		done, err := p.try(ctx, key, body, n)
		if err != nil {
			return err
		}
		if done {
			break
		}
		if try == 0 {
			p.again++
		}
		if time.Since(began) > answerWait {
			return broken("post %s has no answer after %s", key, answerWait)
		}
		if err := sleep(ctx, 30*time.Millisecond); err != nil {
			return err
		}
	}
	p.units, p.open = p.units+p.open, 0
	return nil
}

func (p *poster) body(n int) []byte {
	type metric struct {
		Name  string            `json:"name"`
		Value uint64            `json:"value"`
		Type  string            `json:"type"`
		Tags  map[string]string `json:"tags"`
	}
	list := make([]metric, n)
	tags := map[string]string{"p": strconv.Itoa(p.id), "life": strconv.Itoa(p.life())}
	for i := range list {
		list[i] = metric{p.name + ".post", value(p.units + uint64(i) + 1), "counter", tags}
	}
	b, _ := json.Marshal(list) // strings and numbers always can be
	return b
}

// try sends the request once. An answer that is not had, whole, is none.
func (p *poster) try(ctx context.Context, key string, body []byte, n int) (done bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	res, err := p.http.Do(req)
	if err != nil {
		return false, ctx.Err()
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 500 {
		return false, ctx.Err()
	}
	if res.Header.Get("Idempotency-Replayed") == "true" {
		p.replays++
	}
	var r api.IngestResult
	if err := json.Unmarshal(answer, &r); err != nil || res.StatusCode != http.StatusAccepted || r.Accepted != n {
		return false, broken("post %s of %d units was answered with %s: %s", key, n, res.Status, answer)
	}
	return true, nil
}
