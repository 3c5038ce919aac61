package lane

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// raw sends samples of one series, as a door does.
func (h *harness) raw(lane int, name string, samples ...record.Raw) (o RawOutcome, err error) {
	j := h.do(lane, func(t *Taker) {
		t.Tell(&o)
		ref, why := t.RawSeries(&series.Key{Name: name})
		if why != protocol.Accepted {
			t.RejectRaw(why, len(samples))
			return
		}
		for _, s := range samples {
			s.Ref = ref
			t.RawSample(s)
		}
	})
	return o, j.err
}

func TestRawOnce(t *testing.T) {
	h := newHarness(t, 2, new(memory), nil)
	sample := record.Raw{Time: startTime, Value: 1}
	stale := record.Raw{Time: startTime + 1, Value: math.Float64frombits(0x7ff0000000000002)}
	other := record.Raw{Time: startTime, Value: 2}
	var s settled
	for i, c := range []struct {
		lane                         int
		samples                      []record.Raw
		accepted, repeated, conflict uint64
	}{
		{0, []record.Raw{sample, stale}, 2, 0, 0},
		{1, []record.Raw{sample, stale}, 0, 2, 0},
		{1, []record.Raw{other}, 0, 0, 1},
		{0, []record.Raw{{Time: startTime + 1, Value: math.NaN()}}, 0, 0, 1}, // another NaN than the marker
		{0, []record.Raw{{Time: startTime + 2, Value: 1}, {Time: startTime + 2, Value: 1}}, 1, 1, 0},
	} {
		o, err := h.raw(c.lane, "up", c.samples...)
		if err != nil || o.Accepted != c.accepted || o.Repeated != c.repeated || o.Rejected[protocol.Conflict] != c.conflict {
			t.Errorf("%d: %+v, %v", i, o, err)
		}
		terms, _ := h.checkLaw(&s)
		if i == 1 && terms.Counts.Duplicates != 2 {
			t.Errorf("%d duplicates", terms.Counts.Duplicates)
		}
	}
	win, err := h.set.Window(context.Background(), h.catalog.ByName("up"), aggregate.Whole)
	if points := win.Points[0]; err != nil || len(points) != 3 || points[0].Last != 1 || math.Float64bits(points[1].Last) != math.Float64bits(stale.Value) || points[0].Kind != block.Raw {
		t.Errorf("%+v, %v", points, err)
	}
	h.mark()
	if _, err := h.flushOne(context.Background(), &s); err != nil || s.stored != 3 {
		t.Errorf("%d stored, %v", s.stored, err)
	}
	h.checkLaw(&s)
}

func TestRawRefused(t *testing.T) {
	h := newHarness(t, 1, new(memory), func(o *Options) { o.Catalog.SetBudgets(admit.Budgets{Series: 1}) })
	var s settled
	for _, c := range []struct {
		name string
		time int64
		want protocol.Reason
	}{
		{"a", startTime, protocol.Accepted}, {"", startTime, protocol.EmptyName}, {"b\x00", startTime, protocol.ControlChar},
		{"b\xff", startTime, protocol.UTF8}, {"nexus.up", startTime, protocol.ReservedName}, {strings.Repeat("x", 2000), startTime, protocol.NameTooLong},
		{"b", startTime, protocol.TooManySeries}, {"a", startTime - 25*3_600_000, protocol.TooOld}, {"a", startTime + 3_600_000, protocol.Future},
	} {
		o, err := h.raw(0, c.name, record.Raw{Time: c.time})
		if err != nil || (c.want == protocol.Accepted) != (o.Accepted == 1) || o.Refused() != 1-o.Accepted || (o.Refused() == 1 && o.Rejected[c.want] != 1) {
			t.Errorf("%q at %d: %+v, %v; want %s", c.name, c.time, o, err, c.want)
		}
		h.checkLaw(&s)
	}
}

// TestRawComesAgain: what the log refused is fresh when it comes again.
func TestRawComesAgain(t *testing.T) {
	log := new(memory)
	h := newHarness(t, 1, log, nil)
	away := errors.New("away")
	log.fail(away)
	if _, err := h.raw(0, "up", record.Raw{Time: startTime, Value: 1}); !errors.Is(err, away) {
		t.Fatal(err)
	}
	log.fail(nil)
	o, err := h.raw(0, "up", record.Raw{Time: startTime, Value: 1})
	if err != nil || o.Accepted != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	h.checkLaw(new(settled))
}
