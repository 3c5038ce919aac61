package daemon

import (
	"fmt"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

// checkReach refuses a log that ends before the position the store has of it,
// as one does that was cut or put back from an old copy: what it would take next
// would stand in places that the store counts as done.
func (d *Daemon) checkReach(stored uint64) error {
	if end := d.log.End(); wal.Position(stored) > end {
		return fmt.Errorf("the log ends at position %d, and the store has it up to %d: what stood between them is gone; `nexusctl log repair` lets the log go on behind it", end, stored)
	}
	return nil
}

// settleCut counts what a repair has cut out of the log, at the first start
// behind it. The record stands before the restart mark, so it is logged once,
// however often that start is killed. Where the received counters can be
// relied on they tell the loss to the unit, with what a kill cost at the same
// time; else the repair's own count is all that is known.
func (d *Daemon) settleCut(folder *replay.Folder) error {
	cut, counted := folder.Cut()
	if cut == nil {
		return nil
	}
	accounted := d.book.Own().Accounted() + counted
	received, exact := d.page.Carried()
	lost := max(cut.Units, counted) - counted
	if exact {
		lost = max(received, accounted) - accounted
	}
	d.logger.Warn("a repair has cut the log; the ledger counts what went with it as lost", "cut_from", cut.From, "units", lost, "exact", exact)
	if lost == 0 {
		return nil
	}
	payload := record.AppendBatch(nil, &record.Batch{At: d.now().UnixMilli(), Lost: lost})
	span, err := d.log.Append(func(wal.Position) []byte { return payload })
	if err != nil {
		return fmt.Errorf("log what a repair has cut: %w", err)
	}
	_, err = folder.Record(payload, span)
	return err
}
