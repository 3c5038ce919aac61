package daemon

import (
	"context"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/maint"
	"example.com/nexusctl/protocol/series"
)

// deletePart is how many series are deleted between two flushes: the flush that
// waits meanwhile is late by half a second.
const deletePart = 10_000

func (d *Daemon) openDeleter() {
	d.purger = maint.NewPurger(d.store, d.component("maint"), d.now)
	d.deleter = &flush.Deleter{Mark: d.lanes.MarkAfter, Delete: d.store.DeleteSeries, Forget: d.forgetSeries, Now: d.now}
	d.loop.SetDeleter(d.deleter)
}

// CountSeries returns how many series match.
func (d *Daemon) CountSeries(ctx context.Context, ms []series.Matcher) (int, error) {
	fresh := d.reader.Unnamed(ms) // first: what gets its id meanwhile counts twice rather than not at all
	ids, err := d.store.SeriesIDs(ctx, ms)
	return len(ids) + fresh, err
}

const (
	// deletePatience is how long a part may wait for what was sent before to be
	// stored.
	deletePatience = 30 * time.Second
	// deleteFor is after how long no further part is begun: an answer has to come
	// within the server's own time.
	deleteFor = 20 * time.Second
)

// DeleteSeries deletes the series that match, in parts, with everything that was
// taken of them before each part, and returns how many it deleted. more says
// that it stopped before the end.
func (d *Daemon) DeleteSeries(ctx context.Context, ms []series.Matcher) (deleted int, more bool, err error) {
	find := func(ctx context.Context) ([]int64, error) { return d.store.SeriesIDs(ctx, ms) }
	defer d.purger.Wake()
	began := time.Now()
	for {
		n, left, err := d.deletePart(ctx, find)
		deleted += n
		more = len(left) > 0
		if err != nil || !more || time.Since(began) > deleteFor {
			d.logger.Info("series were deleted", "name", ms[0].Value, "series", deleted, "left", len(left))
			return deleted, more, err
		}
		find = func(context.Context) ([]int64, error) { return left, nil }
	}
}

func (d *Daemon) deletePart(ctx context.Context, find func(context.Context) ([]int64, error)) (int, []int64, error) {
	defer d.reader.Forget()
	defer d.said.forgetAll() // what was said of a name goes with the last series of it
	ctx, cancel := context.WithTimeout(ctx, deletePatience)
	defer cancel()
	return d.deleter.Series(ctx, deletePart, find)
}

// forgetSeries makes deleted series unknown to this process. What came of them
// since, and waits to be stored, is of new series.
func (d *Daemon) forgetSeries(ctx context.Context, list []*admit.Series) (gauges int, err error) {
	indexes := make([]uint32, len(list))
	for i, s := range list {
		indexes[i] = s.Index
	}
	d.lanes.Collector().Change(func(state *aggregate.State) { gauges = state.Forget(indexes) })
	d.catalog.Delete(list)
	// From here on the lanes tell the catalog what comes again; what came before
	// is in the window.
	if err := d.lanes.Forget(ctx, list); err != nil {
		return gauges, err
	}
	win, err := d.lanes.Window(ctx, list, aggregate.Totals)
	if err != nil { // those are listed again with the next flush
		d.component("lane").Warn("series that came again after their deletion are listed late", "error", err)
		return gauges, nil
	}
	for _, s := range list {
		if len(win.Points[s.Index]) > 0 {
			d.catalog.Return(s)
		}
	}
	return gauges, nil
}
