package lane

import (
	"math"
	"strings"
	"unicode/utf8"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// RawOutcome is what became of a job's raw samples. It is complete when the job
// is done: whether a sample was there before is decided where it gets its
// place in the log.
type RawOutcome struct {
	Accepted uint64
	Repeated uint64 // the same sample was taken before
	Rejected [protocol.NumReasons]uint64
}

// Refused returns the rejected samples, whatever the reason.
func (o *RawOutcome) Refused() (n uint64) {
	for _, c := range o.Rejected {
		n += c
	}
	return n
}

// Tell has the job's raw samples counted in o.
func (t *Taker) Tell(o *RawOutcome) { t.outcome = o }

// RawSeries admits a series of raw samples and returns the reference that its
// samples bear. Tags must be sorted by key. Where it is refused, the caller
// counts its samples by RejectRaw.
func (t *Taker) RawSeries(k *series.Key) (ref uint32, why protocol.Reason) {
	if why = t.judgeRaw(k); why != protocol.Accepted {
		return 0, why
	}
	k.Type = protocol.Raw
	a, ok := t.lane.admit.AdmitRaw(k)
	if !ok {
		return 0, protocol.TooManySeries
	}
	if a.New {
		t.define(a)
	}
	return a.Ref, protocol.Accepted
}

// judgeRaw holds a series to the limits that lines are held to. Names and
// values may be any UTF-8, as Prometheus allows, but for NUL, which keeps our
// own tags apart.
func (t *Taker) judgeRaw(k *series.Key) protocol.Reason {
	l := &t.limits
	switch {
	case k.Name == "":
		return protocol.EmptyName
	case len(k.Name) > l.MaxName:
		return protocol.NameTooLong
	case l.ReservedPrefix != "" && strings.HasPrefix(k.Name, l.ReservedPrefix):
		return protocol.ReservedName
	case len(k.Tags) > l.MaxTags:
		return protocol.TooManyTags
	}
	if why := text(k.Name); why != protocol.Accepted {
		return why
	}
	for i, tag := range k.Tags {
		switch {
		case tag.Key == "":
			return protocol.Syntax
		case i > 0 && k.Tags[i-1].Key == tag.Key:
			return protocol.DuplicateTag
		case len(tag.Key) > l.MaxTagKey || len(tag.Value) > l.MaxTagValue:
			return protocol.TagTooLong
		}
		for _, s := range []string{tag.Key, tag.Value} {
			if why := text(s); why != protocol.Accepted {
				return why
			}
		}
	}
	return protocol.Accepted
}

func text(s string) protocol.Reason {
	switch {
	case !utf8.ValidString(s):
		return protocol.UTF8
	case strings.IndexByte(s, 0) >= 0:
		return protocol.ControlChar
	}
	return protocol.Accepted
}

// RawSample takes one sample of a series that RawSeries has admitted in this
// job.
func (t *Taker) RawSample(s record.Raw) protocol.Reason {
	now := t.parser.Now
	switch {
	case s.Time < now-t.limits.Past:
		t.RejectRaw(protocol.TooOld, 1)
		return protocol.TooOld
	case s.Time > now+t.limits.Future:
		t.RejectRaw(protocol.Future, 1)
		return protocol.Future
	}
	t.batch.Raw = append(t.batch.Raw, s)
	t.rawBytes += len(s.Hist)
	if !t.whole() && (len(t.batch.Raw) >= maxBatch || t.rawBytes >= maxDefs) {
		t.lane.commit()
	}
	t.splitFull()
	return protocol.Accepted
}

// RejectRaw counts raw samples that are refused.
func (t *Taker) RejectRaw(why protocol.Reason, n int) {
	t.Reject(why, n)
	if t.outcome != nil {
		t.outcome.Rejected[why] += uint64(n)
	}
}

// settleRaw runs under the log's lock: it keeps the samples that are fresh and
// counts the others.
func (w *worker) settleRaw() {
	t, b := &w.taker, &w.taker.batch
	o := t.outcome
	if o == nil {
		o = new(RawOutcome)
	}
	kept := b.Raw[:0]
	for i := range b.Raw {
		s := b.Raw[i]
		switch w.set.order.recent.Decide(w.admit.Index(s.Ref), &s) {
		case aggregate.Fresh:
			kept = append(kept, s)
		case aggregate.Repeated:
			b.Duplicates++
			o.Repeated++
		case aggregate.Conflict:
			b.Rejected[protocol.Conflict]++
			o.Rejected[protocol.Conflict]++
		}
	}
	b.Raw = kept
	o.Accepted += uint64(len(kept))
}

// forgetRaw takes back what settleRaw kept, of a batch that is not logged: it
// will come again.
func (w *worker) forgetRaw() {
	for i := range w.taker.batch.Raw {
		s := &w.taker.batch.Raw[i]
		w.set.order.recent.Forget(w.admit.Index(s.Ref), s)
	}
}

// Recent returns the sizes of what is known of recent raw samples.
func (s *Set) Recent() (samples int, forgotten uint64) { return s.order.recent.Size() }

// Increment takes one value that is folded, from a door that brings no lines:
// a counter's increment or a gauge's change, with a time of its own in Unix
// milliseconds where it has one. It is held to the limits that raw series are.
func (t *Taker) Increment(k *series.Key, v protocol.Value, at int64) protocol.Reason {
	why := t.judgeRaw(k)
	now := t.parser.Now
	switch {
	case why != protocol.Accepted:
	case math.IsNaN(v.Number) || math.IsInf(v.Number, 0):
		why = protocol.NonFinite
	case at != 0 && at < now-t.limits.Past:
		why = protocol.TooOld
	case at > now+t.limits.Future:
		why = protocol.Future
	}
	if why != protocol.Accepted {
		t.RejectRaw(why, 1)
		return why
	}
	m := protocol.Metric{Name: []byte(k.Name), Type: k.Type, Values: []protocol.Value{v}, Rate: 1, Time: at, HasTime: at != 0}
	for _, tag := range k.Tags {
		m.Tags = append(m.Tags, protocol.Tag{Key: []byte(tag.Key), Value: []byte(tag.Value)})
	}
	t.take(&m, protocol.Fault{})
	if t.outcome != nil {
		t.outcome.Accepted++
	}
	return protocol.Accepted
}
