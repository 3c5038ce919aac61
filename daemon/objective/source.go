package objective

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/slo"
	"example.com/nexusctl/storage/block"
)

// Reader reads points: query.Reader.
type Reader interface {
	Points(ctx context.Context, ms []series.Matcher, from, to int64) ([]query.Series, error)
}

// One read of the store covers a day at first, and then more or less by how
// many points came: the first look at a busy month must not hold all of it in
// memory, and a sparse one must not be asked for day by day.
const (
	firstRead  = 24 * hourMillis
	longRead   = 64 * 24 * hourMillis
	fewPoints  = 20_000
	manyPoints = 200_000
)

// nextRead returns the time that the next read covers, after one that covered
// span brought n points.
func nextRead(span int64, n int) int64 {
	switch {
	case n < fewPoints:
		return min(2*span, longRead)
	case n > manyPoints:
		return max(span/2, hourMillis)
	}
	return span
}

// maxHours bounds the remembered hours: some twenty objectives over a year.
const maxHours = 200_000

// Source counts an objective's events in the store. Hours that can no longer
// change are counted once and remembered.
type Source struct {
	reader  Reader
	now     func() time.Time
	settled func() time.Duration // age at which an hour takes no more late data

	mu    sync.Mutex
	hours map[hourKey]tally
	era   uint64 // grows where hours are forgotten: what was counted before is not remembered
}

type hourKey struct {
	objective string
	hour      int64
}

// NewSource returns a source that trusts hours older than settled.
func NewSource(r Reader, now func() time.Time, settled func() time.Duration) *Source {
	return &Source{reader: r, now: now, settled: settled, hours: map[hourKey]tally{}}
}

// Forget drops what was remembered, as when objectives have changed, or when hours
// that were settled are to come again.
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.hours)
	s.era++
}

// Counts counts the events between each two bounds; see slo.Source.
func (s *Source) Counts(ctx context.Context, o slo.Objective, bounds []time.Time) ([]slo.Slot, error) {
	list, err := terms(o)
	if err != nil {
		return nil, err
	}
	cells := cut(bounds)
	era := s.recall(o.Name, cells)
	span := int64(firstRead)
	for from := 0; from < len(cells); {
		to := runEnd(cells, from, span)
		points, err := s.read(ctx, list, cells[from:to])
		if err != nil {
			return nil, fmt.Errorf("count the events of objective %s: %w", o.Name, err)
		}
		if to > from {
			span = nextRead(span, points)
		}
		from = max(to, from+1)
	}
	s.remember(o.Name, cells, era)
	return slots(cells, len(bounds)-1, o.Ratio != nil && len(o.Ratio.Bad) > 0), nil
}

// runEnd returns the end of the unknown cells that begin at from, as many as
// span covers; from itself where that cell is known.
func runEnd(cells []cell, from int, span int64) int {
	to := from
	for to < len(cells) && !cells[to].known && cells[to].to-cells[from].from <= span {
		to++
	}
	return to
}

// read counts neighbouring cells from the store and returns how many points it
// took at most for one term.
func (s *Source) read(ctx context.Context, list []term, cells []cell) (most int, err error) {
	if len(cells) == 0 {
		return 0, nil
	}
	for _, t := range list {
		found, err := s.reader.Points(ctx, t.matchers, cells[0].from, cells[len(cells)-1].to-1)
		if err != nil {
			return 0, err
		}
		points := 0
		for i := range found {
			if err := t.count(cells, found[i].Points); err != nil {
				return 0, err
			}
			points += len(found[i].Points)
		}
		most = max(most, points)
	}
	return most, nil
}

// count adds points, which come by time, to the cells that they begin in.
func (t *term) count(cells []cell, points []block.Point) error {
	at := 0
	for i := range points {
		for at < len(cells) && points[i].Time >= cells[at].to {
			at++
		}
		if at == len(cells) {
			return nil
		}
		if points[i].Time < cells[at].from {
			continue
		}
		if err := t.add(&cells[at].tally, &points[i]); err != nil {
			return err
		}
	}
	return nil
}

// recall fills in the hours that are remembered.
func (s *Source) recall(objective string, cells []cell) (era uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range cells {
		if c := &cells[i]; c.wholeHour() {
			c.tally, c.known = s.hours[hourKey{objective, c.from}]
		}
	}
	return s.era
}

// remember keeps the whole hours that are settled.
func (s *Source) remember(objective string, cells []cell, era uint64) {
	final := s.now().Add(-s.settled()).UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	if era != s.era {
		return
	}
	if len(s.hours) > maxHours {
		clear(s.hours) // they are counted again as they are asked for
	}
	for i := range cells {
		if c := &cells[i]; c.wholeHour() && c.to <= final {
			s.hours[hourKey{objective, c.from}] = c.tally
		}
	}
}
