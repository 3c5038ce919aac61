package lane

import (
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// Delivery is a job that can be sent again: all its units are one record, and
// are taken together or not at all. The lane fills in what became of it.
type Delivery struct {
	Claim delivery.Claim

	Verdict            delivery.Verdict
	Accepted, Rejected uint64 // units of this job, where it was taken
}

// Opening is a HELLO on its way to its place in the log, and the answer.
type Opening struct {
	Hello   protocol.Hello
	Opened  delivery.Opened
	Refusal *protocol.Refusal
}

// Deliver says that what the job hands over from now on can be sent again. It
// comes before the first unit.
func (t *Taker) Deliver(d *Delivery) { t.delivery = d }

// Unlogged says that nobody was promised that the job's units outlive the process.
// Where the lanes log acknowledged units alone, these are only folded. It comes
// before the first unit.
func (t *Taker) Unlogged() {
	if t.unlogged = t.lane.set.opts.AckedOnly; t.unlogged && t.batch.Empty() {
		t.batch.Unpacked()
	}
}

// Open starts a producer's session.
func (t *Taker) Open(o *Opening) { t.opening = o }

// whole says that the batch must not be split over records.
func (t *Taker) whole() bool { return t.delivery != nil }

// abandon gives up a job that can be sent again and failed half-way: a part of
// it must not pass for the whole.
func (t *Taker) abandon() {
	if t.delivery != nil {
		t.delivery.Verdict.Refusal = &protocol.Refusal{Code: protocol.ErrRetry, After: retryAfter}
	}
}

// retryAfter is when a client should come again after a fault of the daemon's,
// milliseconds.
const retryAfter = 1000

// idle says that there is nothing to bring before the log.
func (t *Taker) idle() bool { return t.delivery == nil && t.opening == nil && t.batch.Empty() }

// settle runs under the log's lock: it decides on a batch that can be sent
// again, and on a session's beginning, and encodes the record. It returns false
// where there is nothing to log.
func (w *worker) settle(units uint64) bool {
	t, b := &w.taker, &w.taker.batch
	now := w.set.opts.Now()
	switch {
	case t.opening != nil:
		o := t.opening
		o.Opened, o.Refusal = w.set.opts.Deliveries.Open(o.Hello, now)
		if o.Refusal == nil && o.Opened.New {
			b.Session = record.Session{Producer: []byte(o.Hello.Producer), Epoch: o.Hello.Epoch, Seq: o.Opened.Last}
		}
		w.encoded = record.AppendBatch(w.encoded[:0], b)
	case t.delivery != nil:
		d := t.delivery
		w.name(d)
		switch {
		case d.Verdict.Refusal != nil: // abandoned
		case len(w.encoded) > wal.MaxFrame:
			d.Verdict.Refusal = &protocol.Refusal{Code: protocol.ErrQuota}
		default:
			d.Verdict = w.set.opts.Deliveries.Decide(&d.Claim, b.Values(), b.Refused(), now)
		}
		if !d.Verdict.Apply() {
			w.drop(d, units)
			break
		}
		d.Accepted, d.Rejected = b.Values(), b.Refused()
		w.received.Add(units)
	}
	return !b.Empty()
}

// name puts the claim into the record.
func (w *worker) name(d *Delivery) {
	b := &w.taker.batch
	if s := d.Claim.Session; s != nil {
		b.Session = record.Session{Producer: []byte(s.Producer), Epoch: s.Epoch, Seq: d.Claim.Seq}
	} else {
		b.Claim = d.Claim.Key
	}
	w.encoded = record.AppendBatch(w.encoded[:0], b)
}

// drop empties a batch that is not taken. Its definitions stay: later batches
// of the lane use the references.
func (w *worker) drop(d *Delivery, units uint64) {
	b := &w.taker.batch
	w.forgetRaw()
	repeated := b.Duplicates // raw samples that were taken before
	*b = record.Batch{
		Lane: b.Lane, At: b.At, FirstRef: b.FirstRef, Defs: b.Defs,
		Samples: b.Samples[:0], Ordered: b.Ordered[:0], Timed: b.Timed[:0], Raw: b.Raw[:0],
		Events: record.Events{Bytes: b.Events.Bytes[:0]},
	}
	if d.Verdict.Repeat {
		b.Duplicates = units + repeated
	}
	w.encoded = record.AppendBatch(w.encoded[:0], b)
}
