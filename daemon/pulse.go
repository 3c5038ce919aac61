package daemon

import (
	"context"
	"time"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// beatTimeout bounds what one beat waits for the lanes. A beat that gets no
// answer is left out: the next one's rates cover its second.
const beatTimeout = 900 * time.Millisecond

// startBeat begins to record the daemon's own signals.
func (d *Daemon) startBeat() {
	ctx, cancel := context.WithCancel(d.running)
	ended := make(chan struct{})
	d.background.Go(func() { defer close(ended); d.beat(ctx) })
	d.stopBeat = func() { cancel(); <-ended }
}

// beat reads the daemon's own figures at every turn of the second, keeps them
// for the overview and records them in the daemon's own store.
func (d *Daemon) beat(ctx context.Context) {
	for {
		now := d.now()
		select {
		case <-ctx.Done():
			return
		case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
		}
		if d.clock.look(d.wall(), d.passed()) {
			d.objectives.ClockSet()
		}
		r, err := d.reading(ctx)
		if err != nil {
			d.logger.Debug("no reading of the daemon's own figures", "error", err)
			continue
		}
		if last, ok := d.pulse.Beat(r); ok {
			d.record(d.pulse.Signals(last, r))
		}
	}
}

// reading reads what is counted now.
func (d *Daemon) reading(ctx context.Context) (telemetry.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	var own ledger.Statement
	terms, err := d.lanes.Terms(ctx, func() { own = d.book.Own() })
	if err != nil {
		return telemetry.Reading{}, err
	}
	own.Add(ledger.Statement{Rejected: terms.Counts.RejectedByName(), Shed: terms.Counts.ShedByName()})
	r := telemetry.Reading{
		At: d.now(), Units: terms.Received, Bytes: d.doors.Stats().Bytes.Load() + d.api.Stats().Bytes.Load(),
		Rejected: own.Rejected, Shed: own.Shed,
		Process:     telemetry.ReadProcess(d.config.Server.DataDir),
		Connections: d.doors.Stats().Active.Load(), Queue: d.lanes.Queue(), LogBytes: d.log.Stats().DiskBytes,
	}
	r.Requests, r.Fast = d.requests.Counts()
	r.Waiting, _ = d.lanes.Collector().Backlog()
	return r, nil
}

// record gives the daemon's own signals to a lane. A lane whose queue is full
// makes this wait, as it makes every sender wait.
func (d *Daemon) record(signals []protocol.Metric) {
	j := &ownJob{signals: signals, done: make(chan struct{})}
	d.lanes.Submit(0, j)
	<-j.done
}

// ownJob is one second of the daemon's own signals.
type ownJob struct {
	signals []protocol.Metric
	done    chan struct{}
}

func (j *ownJob) Take(t *lane.Taker) {
	for i := range j.signals {
		t.Own(&j.signals[i])
	}
}

func (j *ownJob) Done(wal.Position, error) { close(j.done) }
