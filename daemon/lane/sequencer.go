package lane

import (
	"context"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
)

// holdStep is how far the clock may have gone back without the buckets going
// back too: until it has caught up, new generations belong to the bucket they
// are already in. Beyond it the step is taken as meant, and the older bucket
// gets further partials.
const holdStep = 60 * time.Second

// loudStep is the clock step that is worth a log line.
const loudStep = 5 * time.Second

// NextMark returns the mark that follows prev at the time now: a pure
// decision. resolution is the bucket width in milliseconds.
func NextMark(prev record.Mark, now, resolution int64) record.Mark {
	bucket := now / resolution * resolution
	if back := prev.Bucket - bucket; back > 0 && back <= holdStep.Milliseconds() {
		bucket = prev.Bucket
	}
	return record.Mark{Generation: prev.Generation + 1, Bucket: bucket, At: now}
}

// Sequence marks a generation at every turn of the resolution, and earlier
// where a lane asks for it, until ctx ends or the log fails.
func (s *Set) Sequence(ctx context.Context) error {
	for {
		timer := time.NewTimer(s.untilTurn())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.early:
			timer.Stop()
		case <-timer.C:
		}
		if s.opts.AckedOnly && s.collector.full() {
			continue // the lanes wait, so that there is nothing to close
		}
		if err := s.Mark(); err != nil {
			return err
		}
	}
}

func (s *Set) untilTurn() time.Duration {
	resolution := time.Duration(s.opts.Fold.Resolution) * time.Millisecond
	now := s.opts.Now()
	return now.Truncate(resolution).Add(resolution).Sub(now)
}

// hurry asks the sequencer for an early mark.
func (s *Set) hurry() {
	select {
	case s.early <- struct{}{}:
	default:
	}
}

// Mark closes the open generation and opens the next.
func (s *Set) Mark() error { return s.mark(nil) }

// MarkAfter is Mark; before it closes the open generation it calls f with that
// one's number.
func (s *Set) MarkAfter(f func(closing uint64)) error { return s.mark(f) }

func (s *Set) mark(before func(closing uint64)) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	if before != nil {
		before(s.open.Load().mark.Generation)
	}
	now := s.opts.Now().UnixMilli()
	var closed opened
	var m record.Mark
	span, err := s.log.Append(func(at wal.Position) []byte {
		closed = opened{mark: s.order.mark, ordered: s.order.ordered}
		m = NextMark(closed.mark, now, s.opts.Fold.Resolution)
		s.order.mark, s.order.ordered = m, aggregate.NewOrdered()
		s.open.Store(&opened{m, at, s.order.ordered})
		return record.AppendMark(nil, m)
	})
	if err != nil {
		return err
	}
	s.watchClock(closed.mark, m)
	s.collector.Close(closed.mark, m, s.position, uint64(span.To), closed.ordered)
	s.position = uint64(span.To)
	return s.ask(context.Background(), func(w *worker) { w.enter(m) })
}

func (s *Set) watchClock(prev, m record.Mark) {
	if step := time.Duration(prev.At-m.At) * time.Millisecond; step > loudStep {
		s.opts.Logger.Warn("the clock went back", "by", step, "held", m.Bucket == prev.Bucket)
	}
}
