package torture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// shape is how much is sent.
type shape struct {
	producers, batch int // lines of a batch, every 5 ms
	streams, lines   int // lines of a stream, every 5 ms
	posters          int
}

// usual is about 100,000 lines a second.
var usual = shape{producers: 4, batch: 64, streams: 4, lines: 60, posters: 2}

// load is senders of all kinds around one daemon.
type load struct {
	rig       *rig
	name      string
	producers []*producer
	streams   []*stream
	posters   []*poster
	marker    *poster // the experiment's own
	http      *http.Client
	life      atomic.Int64
	shed      uint64 // by kills, until now

	acked  sync.WaitGroup     // producers and posters
	quit   chan struct{}      // ends them, once what is under way is answered
	cancel context.CancelFunc // ends them now
	ending sync.Once
	plain  sync.WaitGroup // streams, for one life of the daemon
	cut    chan struct{}  // ends that life

	mu  sync.Mutex
	err error // the first fault of a sender
}

// open opens sessions and begins to send what is acknowledged.
func (r *rig) open(ctx context.Context, s shape) (*load, error) {
	l := &load{
		rig: r, name: "torture." + r.run + "." + r.row.Experiment, quit: make(chan struct{}),
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: s.posters + 1}},
	}
	for i := range s.producers {
		session, err := client.OpenSession(ctx, client.SessionOptions{Addr: r.addr, Producer: fmt.Sprintf("%s-%s-%d", r.run, r.row.Experiment, i), Epoch: 1})
		if err != nil {
			err = r.unanswered(ctx, err)
			l.abandon()
			return nil, err
		}
		l.producers = append(l.producers, &producer{id: i, name: l.name, session: session, lines: s.batch, life: l.age})
	}
	for i := range s.streams {
		l.streams = append(l.streams, &stream{id: i, name: l.name, lines: s.lines, life: l.age})
	}
	for i := range s.posters {
		l.posters = append(l.posters, l.poster(i))
	}
	l.marker = l.poster(s.posters)
	ctx, l.cancel = context.WithCancel(ctx)
	l.begin(ctx)
	return l, nil
}

func (l *load) poster(id int) *poster {
	return &poster{id: id, name: l.name, url: "http://" + l.rig.addr + api.MetricsPath, http: l.http, life: l.age}
}

func (l *load) age() int { return int(l.life.Load() % lives) }

func (l *load) begin(ctx context.Context) {
	for _, p := range l.producers {
		l.acked.Go(func() { l.fail(p.run(ctx, l.quit)) })
	}
	for _, p := range l.posters {
		l.acked.Go(func() { l.fail(p.run(ctx, l.quit)) })
	}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// fault returns the first fault of a sender.
func (l *load) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// connect begins to send plain lines, for one life of the daemon.
func (l *load) connect(ctx context.Context) {
	l.life.Add(1)
	l.cut = make(chan struct{})
	for _, s := range l.streams {
		l.plain.Go(func() { s.run(ctx, l.rig.addr, l.cut) })
	}
}

// disconnect ends that. A stream whose daemon lives waits until it has read
// everything.
func (l *load) disconnect() {
	if l.cut != nil {
		close(l.cut)
		l.cut = nil
	}
	l.plain.Wait()
}

// confirm finds out what is certain to outlive a kill: what an answer showed
// before a post was sent that the log has answered for since. The log has one
// order.
func (l *load) confirm(ctx context.Context) error {
	sums, err := l.rig.sums(ctx, l.name+".plain")
	if err != nil {
		return err
	}
	if err := l.marker.post(ctx, 1); err != nil {
		return err
	}
	for _, s := range l.streams {
		if n, exact := countOf(uint64(sums[strconv.Itoa(s.id)])); exact {
			s.certain = n
		}
	}
	return nil
}

// unanswered is how many units are under way at the most.
func (l *load) unanswered() (n uint64) {
	for _, p := range l.producers {
		perBatch := p.lines + p.lines/badEvery + 2
		n += p.session.Stats().Unacked * uint64(perBatch)
	}
	return n + uint64(len(l.posters)+1)*20
}

// aftermath judges a kill, when the daemon is back.
func (l *load) aftermath(ctx context.Context, open uint64) (crash, error) {
	ledger, err := l.rig.ledger(ctx)
	if err != nil {
		return crash{}, err
	}
	sums, err := l.rig.sums(ctx, l.name+".plain")
	if err != nil {
		return crash{}, err
	}
	c := crash{open: open}
	shed := ledger.Shed[crashReason] - l.rig.before.Shed[crashReason]
	c.shed, l.shed = shed-l.shed, shed
	for _, s := range l.streams {
		missing, err := s.settle(sums[strconv.Itoa(s.id)])
		if err != nil {
			return c, err
		}
		c.missing += missing
	}
	return c, errors.Join(c.check(), l.fault())
}

// whole judges a daemon that was not killed: it has every line that was
// written, of streams whose end it has confirmed.
func (l *load) whole(ctx context.Context) (confirmed int, err error) {
	sums, err := l.rig.sums(ctx, l.name+".plain")
	if err != nil {
		return 0, err
	}
	for _, s := range l.streams {
		if s.finished {
			s.certain = s.written
			confirmed++
		}
		if _, err := s.settle(sums[strconv.Itoa(s.id)]); err != nil {
			return confirmed, err
		}
	}
	return confirmed, l.fault()
}

// halt ends the acknowledged senders. Those with something under way wait for
// the daemon.
func (l *load) halt() {
	l.ending.Do(func() { close(l.quit) })
	l.acked.Wait()
}

// finish ends the load and compares all accounts: the senders' own, the
// acknowledgements, the ledger, the stored sums.
func (l *load) finish(ctx context.Context) error {
	l.disconnect()
	l.halt()
	if err := l.fault(); err != nil {
		return err
	}
	for _, p := range l.producers {
		if err := p.close(ctx); err != nil {
			return err
		}
	}
	if _, err := l.whole(ctx); err != nil {
		return err
	}
	return l.compare(ctx)
}

// abandon ends the load of an experiment that is over.
func (l *load) abandon() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if l.cancel != nil {
		l.cancel()
	}
	l.rig.daemon.put() // so that nobody waits for it any more
	l.ending.Do(func() { close(l.quit) })
	for _, p := range l.producers {
		_ = p.session.Close(over) // what is in doubt is no longer of interest
	}
	l.disconnect()
	l.acked.Wait()
	l.http.CloseIdleConnections()
}

// compare brings the accounts together and writes what differs to the row.
func (l *load) compare(ctx context.Context) error {
	claims, e, err := l.claims(ctx)
	if err != nil {
		return err
	}
	after, err := l.rig.ledger(ctx)
	if err != nil {
		return err
	}
	row := l.rig.row
	row.Sent += e.kept + l.missing()
	lost, duplicated, faults := judgeLedger(l.rig.before, after, e)
	var lostBySum, duplicatedBySum uint64
	for _, c := range claims {
		less, more, fault := c.check()
		lostBySum, duplicatedBySum = lostBySum+less, duplicatedBySum+more
		if fault != "" {
			faults = append(faults, fault)
		}
	}
	row.Lost += max(lost, lostBySum)
	row.Duplicated += max(duplicated, duplicatedBySum)
	row.Faults = append(row.Faults, faults...)
	l.notes(after)
	return nil
}

// claims is what each sender answers for, with what is stored of it.
func (l *load) claims(ctx context.Context) (claims []claim, e expectation, err error) {
	stored := map[string]map[string]float64{}
	for _, kind := range []string{"acked", "batches", "plain", "post"} {
		if stored[kind], err = l.rig.sums(ctx, l.name+"."+kind); err != nil {
			return nil, e, err
		}
	}
	add := func(kind string, id int, units uint64) {
		claims = append(claims, claim{fmt.Sprintf("%s %d", kind, id), units, stored[kind][strconv.Itoa(id)]})
		e.kept += units
	}
	for _, p := range l.producers {
		add("acked", p.id, p.units)
		e.kept += p.batches
		e.bad += p.bad
		if got := stored["batches"][strconv.Itoa(p.id)]; got != float64(p.batches) {
			return nil, e, broken("producer %d sent %d batches, its gauge has %.0f", p.id, p.batches, got)
		}
	}
	for _, s := range l.streams {
		add("plain", s.id, s.written)
	}
	for _, p := range append(l.posters[:len(l.posters):len(l.posters)], l.marker) {
		add("post", p.id, p.units)
	}
	return claims, e, nil
}

// missing is what kills cost the plain streams.
func (l *load) missing() (n uint64) {
	for _, s := range l.streams {
		n += s.lost
	}
	return n
}

// notes tells what the figures are made of.
func (l *load) notes(after api.Ledger) {
	row := l.rig.row
	var acked, batches, resent, posts, replays uint64
	for _, p := range l.producers {
		acked, batches, resent = acked+p.finished.Accepted, batches+p.finished.Acked, resent+p.finished.Resent
	}
	for _, p := range l.posters {
		posts, replays = posts+p.posts, replays+p.replays
	}
	row.note("acknowledged: %d units in %d batches, %d sent again; %d posts, %d answered twice", acked, batches, resent, posts, replays)
	if lost := l.missing(); lost > 0 || l.shed > 0 {
		row.note("plain: %d in flight at kills; shed{crash} %d", lost, l.shed)
	}
	if d := after.Duplicates - l.rig.before.Duplicates; d > 0 {
		row.note("%d repeated units known as such", d)
	}
}
