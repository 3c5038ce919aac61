// Package loadgen makes load and holds the daemon to its word: it sends at a
// rate that does not wait for the daemon (an open loop), measures latency from
// the moment a line was due, and compares the daemon's ledger with its own.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// MaxConnections bounds a run's connections.
const MaxConnections = 10_000

// Options are a run's settings.
type Options struct {
	Addr        string // host:port
	Pacer       Pacer
	Connections int
	Shape       Shape
	Prerendered bool // send lines rendered before the run, again and again
	Acked       bool // send batches that the daemon acknowledges when they are durable
	// Progress, where set, is called every ProgressEvery and at the end.
	Progress      func(Progress)
	ProgressEvery time.Duration
}

const (
	// tick is the least time between two wake-ups of the pacer: at high rates
	// the cost is per wake-up and per write, not per line.
	tick = time.Millisecond
	// patience is how often the pacer looks whether it has to stop.
	patience = 50 * time.Millisecond
	// catchUp is how long after its end a run goes on sending what is owed.
	catchUp = 2 * time.Second
)

// run is one run under way.
type run struct {
	opts    Options
	deal    deal
	limit   int // bytes of one write
	start   time.Time
	senders []*sender
	account *Account
	records []*recorder

	due     atomic.Int64 // sends that connections may make by now
	over    atomic.Bool  // due will not grow
	sent    atomic.Int64
	halting sync.Once
	halted  chan struct{} // closed: leave what is owed
	stopAt  time.Duration // when it was, if before halted is closed
}

// Run sends until the pacer has nothing more due or ctx ends, and returns what
// it did; the result is true for an early end as well. The account holds what
// was sent of each series. An error says that nothing was sent.
func Run(ctx context.Context, o Options) (Result, *Account, error) {
	r, err := prepare(ctx, o)
	if err != nil {
		return Result{}, nil, err
	}
	cpu := CPUTime()
	r.start = time.Now()
	var wg sync.WaitGroup
	for _, s := range r.senders {
		wg.Go(s.work)
	}
	stopWatching := context.AfterFunc(ctx, r.halt)
	stopProgress := r.report()
	r.pace()
	grace := time.AfterFunc(catchUp, r.halt)
	wg.Wait()
	grace.Stop()
	stopWatching()
	stopProgress()
	result := r.result(CPUTime() - cpu)
	result.Interrupted = ctx.Err() != nil
	return result, r.account, nil
}

// prepare renders, then connects: connections that wait for the rendering would
// be idle for as long as it takes.
func prepare(ctx context.Context, o Options) (*run, error) {
	o.Shape = o.Shape.complete()
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &run{opts: o, deal: newDeal(o.Connections, o.Pacer.Peak()), limit: writeLimit(o.Connections), halted: make(chan struct{})}
	r.account = newAccount(o)
	for range min(o.Connections, runtime.GOMAXPROCS(0)) {
		r.records = append(r.records, newRecorder())
	}
	for i := range o.Connections {
		r.senders = append(r.senders, &sender{
			run: r, number: int64(i), wake: make(chan struct{}, 1),
			feed: r.account.feeds[i%len(r.account.feeds)], record: r.records[i%len(r.records)],
		})
	}
	return r, r.connect(ctx)
}

func (r *run) connect(ctx context.Context) error {
	if r.opts.Acked {
		r.start = time.Now() // an acknowledgement tells the time
		return r.openSessions(ctx)
	}
	conns, err := dialAll(ctx, r.opts.Addr, r.opts.Connections, r.opts.sendBuffer(r.account.lines))
	if err != nil {
		return err
	}
	for i, c := range conns {
		r.senders[i].link = c
	}
	return nil
}

func (o Options) check() error {
	switch {
	case o.Connections < 1 || o.Connections > MaxConnections:
		return fmt.Errorf("%d connections are not from 1 to %d", o.Connections, MaxConnections)
	case o.Pacer.Length() <= 0:
		return errors.New("the run has no duration")
	}
	return o.Shape.Check()
}

// newAccount makes the feeds: a ring for all, or one source a core, so that
// connections seldom wait for each other and counters are few.
func newAccount(o Options) *Account {
	a := &Account{lines: newLines(o.Shape)}
	first := newDraws(o.Shape)
	if o.Prerendered {
		a.feeds = []feed{newRing(a.lines, first)}
		return a
	}
	for i := range min(o.Connections, runtime.GOMAXPROCS(0)) {
		a.feeds = append(a.feeds, newSource(a.lines, first.stream(o.Shape.Seed, uint64(i))))
	}
	return a
}

// writeLimit bounds one write. Buffers are held while a write waits, and all
// connections may wait at once.
func writeLimit(connections int) int {
	return min(max((128<<20)/connections, 8<<10), 64<<10)
}

// hidden is how much of a connection's lines, in time, may lie in its send
// buffer before a write waits.
const hidden = 20 * time.Millisecond

// sendBuffer sizes the connections' send buffers: small, so that a daemon which
// stops reading is felt, and large enough for the rate. Without a rate they are
// the kernel's to size, unless there are so many that emptying them would take
// long.
func (o Options) sendBuffer(l *lines) int {
	const least, most, all = 16 << 10, 4 << 20, 128 << 20
	if !o.Pacer.Paced() {
		if o.Connections*most <= all {
			return 0
		}
		return max(all/o.Connections, least)
	}
	line := float64(len(l.bytes))/float64(len(l.rows)) + 3
	bytes := line * o.Pacer.Peak() / float64(o.Connections) * hidden.Seconds()
	return int(min(max(bytes/2, least), most)) // the kernel doubles it
}

func (r *run) elapsed() time.Duration { return time.Since(r.start) }

// pace tells the connections what is due until all is, or the run is halted.
// One timer serves all of them.
func (r *run) pace() {
	p, published := r.opts.Pacer, int64(0)
	for now := time.Duration(0); now < p.Length(); now = r.elapsed() {
		if r.isHalted() {
			return
		}
		due := p.Due(now)
		due -= due % r.deal.block // a whole block makes one write
		r.publish(published, due)
		published = due
		next := min(max(p.At(due+r.deal.block-1), now+tick/2), p.Length(), now+patience)
		Sleep(next - r.elapsed())
	}
	r.due.Store(p.Total())
	r.over.Store(true)
	for _, s := range r.senders {
		s.nudge()
	}
}

// publish makes sends [from, to) due and wakes the connections that have some.
func (r *run) publish(from, to int64) {
	r.due.Store(to)
	first, last := from/r.deal.block, (to+r.deal.block-1)/r.deal.block
	for b := first; b < min(last, first+r.deal.connections); b++ {
		r.senders[b%r.deal.connections].nudge()
	}
}

// halt ends the run: what is owed is left, writes under way end soon.
func (r *run) halt() {
	r.halting.Do(func() {
		r.stopAt = r.elapsed()
		close(r.halted)
		for _, s := range r.senders {
			s.link.stop()
		}
	})
}

func (r *run) isHalted() bool {
	select {
	case <-r.halted:
		return true
	default:
		return false
	}
}

// report calls Progress until stop is called, and then once more.
func (r *run) report() (stop func()) {
	if r.opts.Progress == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(max(r.opts.ProgressEvery, 10*time.Millisecond))
		defer t.Stop()
		var last Progress
		for {
			select {
			case <-done:
				r.opts.Progress(r.progress(last))
				return
			case <-t.C:
				last = r.progress(last)
				r.opts.Progress(last)
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (r *run) progress(last Progress) Progress {
	p := Progress{Elapsed: r.elapsed(), Total: r.opts.Pacer.Length(), Sent: r.sent.Load()}
	p.Due, p.TargetRate = r.opts.Pacer.Due(p.Elapsed), r.opts.Pacer.Rate(p.Elapsed)
	p.Rate = float64(p.Sent-last.Sent) / (p.Elapsed - last.Elapsed).Seconds()
	return p
}

// result adds up. The senders have ended.
func (r *run) result(cpu time.Duration) Result {
	length := r.opts.Pacer.Length()
	stopped := length
	if r.isHalted() {
		stopped = min(r.stopAt, length)
	}
	due := r.opts.Pacer.Due(stopped)
	total := Result{Connections: len(r.senders), SenderCPUS: cpu.Seconds()}
	all := newRecorder()
	for _, rec := range r.records {
		all.merge(rec)
	}
	sending, drained := stopped, time.Duration(0)
	var missed []group
	for _, s := range r.senders {
		s.addTo(&total)
		sending, drained = max(sending, s.ended), max(drained, s.drained)
		if owed := r.deal.due(s.number, due) - s.sent; owed > 0 && r.opts.Pacer.Paced() {
			total.Missed += owed
			missed = r.lateness(missed[:0], s.number, s.sent, s.sent+owed, max(s.ended, stopped))
			all.record(missed, 0)
		}
	}
	drained = max(drained, sending)
	total.DrainMS = float64((drained - sending).Microseconds()) / 1000
	if !r.opts.Pacer.Paced() {
		sending = drained // without a rate the system has taken it when it has read it
	}
	total.DurationS, total.Rate = sending.Seconds(), float64(total.Sent)/sending.Seconds()
	total.TargetRate = float64(r.opts.Pacer.Total()) / length.Seconds()
	total.LatencyMS, total.WriteMS = inMilliseconds(all.lines), inMilliseconds(all.writes)
	if total.Sent > 0 {
		total.SenderCPUSPerMillion = cpu.Seconds() / float64(total.Sent) * 1e6
	}
	return total
}
