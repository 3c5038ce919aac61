package query

import (
	"context"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/storage/block"
)

// Recent reads the points of series that Find returned, of buckets that begin in
// [from, to], Unix milliseconds, by the second where that is known; nothing is
// carried into the range and counters have no base. It notes that somebody looks at
// the series.
func (r *Reader) Recent(ctx context.Context, list []Series, from, to int64) error {
	return r.bySecond(ctx, list, from, exactly(from, to))
}

// Replay is Recent with what was before: counters have their base, and points begin
// with the day, so that a value holds from before the range.
func (r *Reader) Replay(ctx context.Context, list []Series, from, to int64) error {
	return r.bySecond(ctx, list, from, r.held(from, to, 0))
}

func (r *Reader) bySecond(ctx context.Context, list []Series, from int64, x extent) error {
	var seen []*admit.Series
	for i := range list {
		s := &list[i]
		s.live = nil
		if s.local != nil {
			s.live = r.opts.Live.Rows(s.local, from, x.to)
			seen = append(seen, s.local)
		}
	}
	for part := range slices.Chunk(seen, live.MaxWide) {
		r.opts.Live.Watch(part)
	}
	if err := r.fill(ctx, list, x); err != nil {
		return err
	}
	for i := range list {
		s := &list[i]
		s.Held = s.heldFrom(from, x.to, r.opts.Resolution)
		s.Points = s.seconds(r.opts.Resolution)
	}
	return nil
}

// heldFrom returns from when on every second up to to is known by itself, from
// where all of the range is. A set has no seconds, and raw samples no buckets:
// nothing is missing of them.
func (s *Series) heldFrom(from, to, width int64) int64 {
	held := from
	if width <= live.Step {
		return held // a bucket is a second
	}
	for _, p := range s.Points {
		if p.Kind == block.Set || p.Kind == block.Raw || p.Time+width <= from {
			continue
		}
		if row := rowOf(s.live, p.Time); row != nil || to-p.Time > live.Step { // else its first second is not over
			held = max(held, min(knownFrom(row, p.Time, width), to))
		}
	}
	return held
}

// knownFrom returns from when on the row of a bucket tells each second: its end
// where there is no row. A distribution's row tells all that came.
func knownFrom(row *live.Row, bucket, width int64) int64 {
	switch {
	case row == nil:
		return bucket + width
	case len(row.Values) == 0:
		return bucket
	}
	for i := range row.Values {
		if _, _, state := row.At(i); state != live.Unknown {
			if i == 0 {
				return bucket
			}
			return bucket + int64(i+1)*live.Step
		}
	}
	return bucket + width
}
