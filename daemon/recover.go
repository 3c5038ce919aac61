package daemon

import (
	"context"
	"fmt"
	"math"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage"
)

// recover brings the store up to the log's end, closes what the last process
// left open with a restart mark, settles what it had received and not logged,
// and starts the lanes in a fresh generation.
func (d *Daemon) recover(ctx context.Context) error {
	began := time.Now()
	row, err := d.store.Writer(ctx, d.log.ID())
	if err != nil {
		return fmt.Errorf("read the log's position from the store: %w", err)
	}
	if err := d.checkReach(row.Position); err != nil {
		return err
	}
	d.book.Open(statement(row.Counts))
	if err := d.refreshOthers(ctx); err != nil {
		return err
	}
	if err := d.warnOfLostLog(ctx); err != nil {
		return err
	}
	dir, err := replay.OpenCheckpoints(d.logDir())
	if err != nil {
		return err
	}
	letters, err := deadletter.Open(d.config.Server.DataDir, d.log.ID())
	if err != nil {
		return err
	}
	source := &replay.Source{Log: d.log, Checkpoints: dir, Catalog: d.catalog, Options: d.foldOptions(), Progress: d.progress()}
	d.loop = &flush.Loop{
		Flusher: flush.New(d.store, d.catalog, d.log.ID(), row.Position, letters, d.component("flush")),
		Source:  source, Catalog: d.catalog, Book: d.book, Stored: d.stored, Logger: d.component("flush"),
		Moved:       d.storeMoved,
		Checkpoints: flush.NewCheckpointer(dir, d.log, d.catalog, letters, d.component("flush"), d.now),
	}
	if err := d.loadHead(ctx); err != nil {
		return err
	}
	start, flushed, err := d.replay(ctx, source, wal.Position(row.Position))
	if err != nil {
		return err
	}
	d.catalog.Rest()
	d.startLanes(start, d.settleReceived())
	source.Progress = nil
	d.logger.Info("recovered", "log_end", d.log.End(), "store_was_at", row.Position,
		"generations_stored", flushed, "torn_bytes_cut", d.log.Recovery().Torn, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// storeMoved voids what is held of a store that went back, or is another one.
func (d *Daemon) storeMoved() {
	d.head.DropBefore(math.MaxInt64)
	if d.reader != nil { // else it is still to be opened, and holds nothing
		d.reader.Moved()
	}
}

// replay stores what the log holds and the store does not, and opens a fresh
// generation.
func (d *Daemon) replay(ctx context.Context, source *replay.Source, after wal.Position) (start lane.Start, flushed int, err error) {
	emit := func(g *aggregate.Generation, state *aggregate.State) error {
		c, err := d.loop.Flusher.Flush(ctx, g, state)
		if err != nil {
			return err
		}
		if len(c.Flush.Blocks) > 0 {
			d.head.Add(c.Flush)
		}
		d.book.Settle(flush.Settled(c.Flush))
		flushed++
		return nil
	}
	folder, err := source.Generations(ctx, after, wal.Position(^uint64(0)), emit)
	if err != nil {
		return start, flushed, fmt.Errorf("recovery: %w", err)
	}
	if err := d.settleCut(folder); err != nil {
		return start, flushed, fmt.Errorf("recovery: %w", err)
	}
	d.clock.start(d.wall(), d.passed(), folder.Mark().At)
	m := lane.NextMark(folder.Mark(), d.now().UnixMilli(), d.foldOptions().Resolution)
	m.Restart = true
	payload := record.AppendMark(nil, m)
	span, err := d.log.Append(func(wal.Position) []byte { return payload })
	if err != nil {
		return start, flushed, fmt.Errorf("mark the restart: %w", err)
	}
	// A store ahead of its log could never be brought together with it again.
	if err := d.log.WaitSynced(ctx, span.To); err != nil {
		return start, flushed, fmt.Errorf("mark the restart: %w", err)
	}
	last, err := folder.Record(payload, span)
	if err != nil {
		return start, flushed, fmt.Errorf("recovery: %w", err)
	}
	state := folder.State()
	if last != nil {
		if err := emit(last, state); err != nil {
			return start, flushed, fmt.Errorf("recovery: %w", err)
		}
		last.Advance(state)
		if err := d.loop.Checkpoints.Write(last, state); err != nil {
			return start, flushed, err
		}
		last.Release()
	}
	return lane.Start{Mark: m, Position: uint64(span.To), Flushed: m.Generation - 1, State: state, Recent: folder.Recent()}, flushed, nil
}

// settleReceived compares what earlier processes received with what reached
// the log, and returns the units that a kill cost. After a power cut the
// counters say nothing, and nothing is claimed.
func (d *Daemon) settleReceived() (crash uint64) {
	accounted := d.book.Own().Accounted()
	received, trusted := d.page.Carried()
	switch {
	case !trusted:
		d.logger.Warn("the received counters do not survive a power cut: what was received last and not yet logged is unknown",
			"accounted_for", accounted)
	case received > accounted:
		crash = received - accounted
		d.logger.Warn("units were received and not yet logged when the last process was killed; the ledger counts them as shed",
			"reason", protocol.ShedCrash.String(), "units", crash)
	}
	d.page.Start(accounted)
	return crash
}

func (d *Daemon) startLanes(start lane.Start, crash uint64) {
	d.deliveries = delivery.NewRegistry(delivery.DefaultLimits(), start.State.Producers(), start.State.Keys())
	d.lanes = lane.New(lane.Options{
		Lanes: d.config.Lanes(), Log: d.log, Catalog: d.catalog, Page: d.page, Limits: limits(&d.config), Fold: d.foldOptions(),
		MaxAliases: 2 * d.config.Ingest.MaxSeries, Logger: d.component("lane"), Now: d.now, Tracer: d.tracer,
		Deliveries: d.deliveries, AckedOnly: d.config.WAL.Record == "acked", Batching: batching(&d.config.Ingest),
	}, start)
	d.loop.Queue = d.lanes.Collector()
	if crash > 0 {
		done := make(chan struct{})
		d.lanes.Submit(0, &shedJob{units: crash, done: done})
		<-done
	}
}

// batching returns how the lanes gather jobs into records.
func batching(c *config.Ingest) lane.Batching {
	return lane.Batching{
		Mode: lane.Mode(c.Batching), Units: c.BatchUnits, Bytes: int(c.BatchBytes), Interval: time.Duration(c.BatchInterval),
	}
}

// shedJob logs what a kill cost, so that the ledger of every later start knows.
type shedJob struct {
	units uint64
	done  chan struct{}
}

func (j *shedJob) Take(t *lane.Taker)       { t.Shed(protocol.ShedCrash, j.units) }
func (j *shedJob) Done(wal.Position, error) { close(j.done) }

// loadHead reads the blocks that are not compacted yet into memory.
func (d *Daemon) loadHead(ctx context.Context) error {
	blocks, err := d.store.Blocks(ctx, 0, 1<<40)
	if err != nil {
		return fmt.Errorf("load recent blocks: %w", err)
	}
	d.head.Load(blocks)
	return nil
}

// progress says how far a long recovery has come, every few seconds.
func (d *Daemon) progress() func(wal.Position) {
	last := time.Now()
	return func(at wal.Position) {
		if time.Since(last) < 3*time.Second {
			return
		}
		last = time.Now()
		d.logger.Info("recovering", "at", at, "of", d.log.End(), "percent", int(100*float64(at)/float64(d.log.End())))
	}
}

func statement(c storage.Counts) ledger.Statement {
	return ledger.Statement{
		Stored: c.Stored, Rejected: c.Rejected, Shed: c.Shed, Dead: c.Dead, Lost: c.Lost, Duplicates: c.Duplicates,
	}
}

// warnOfLostLog says when a new log meets a file of SQLite that another log has
// filled: nobody else writes to that file, so the log is gone, and with it whatever
// was not stored.
func (d *Daemon) warnOfLostLog(ctx context.Context) error {
	if d.log.End() > 0 || d.store.Backend() != "sqlite" {
		return nil
	}
	writers, err := d.store.Writers(ctx)
	if err != nil {
		return fmt.Errorf("read the store's writers: %w", err)
	}
	for _, w := range writers {
		d.logger.Warn("the store was filled from a log that is not in the data directory; what stood in it alone is lost: "+
			"put the directory back and start again, if there is one", "log", w.ID, "stored_up_to", w.Position, "looked_in", d.logDir())
	}
	return nil
}

// refreshOthers reads what the other writers to the store have settled.
func (d *Daemon) refreshOthers(ctx context.Context) error {
	writers, err := d.store.Writers(ctx)
	if err != nil {
		return fmt.Errorf("read the other writers' ledgers: %w", err)
	}
	var others ledger.Statement
	for _, w := range writers {
		if w.ID != d.log.ID() {
			others.Add(statement(w.Counts))
		}
	}
	d.book.SetOthers(others)
	return nil
}

const refreshEvery = 10 * time.Second

// watchBooks keeps the other writers' terms fresh, and holds the ledger to the
// law. A store that is away leaves the others' as they were; the flush loop says
// so.
func (d *Daemon) watchBooks(ctx context.Context) {
	d.background.Go(func() { d.auditor.Run(ctx) })
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.refreshOthers(ctx); err != nil && ctx.Err() == nil {
				d.logger.Debug("other writers' ledgers not refreshed", "error", err)
			}
		}
	}
}

// Ledger answers with the whole accounting law, as of one moment.
func (d *Daemon) Ledger(ctx context.Context) (ledger.Statement, error) {
	var s ledger.Statement
	var terms lane.Terms
	terms, err := d.lanes.Terms(ctx, func() { s = d.book.Settled() })
	if err != nil {
		return s, err
	}
	s.Add(ledger.Statement{
		Received: terms.Received, Pending: terms.Pending,
		Rejected: terms.Counts.RejectedByName(), Shed: terms.Counts.ShedByName(), Duplicates: terms.Counts.Duplicates,
	})
	return s, nil
}
