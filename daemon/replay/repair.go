package replay

import (
	"fmt"
	"time"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
)

// Stored is what the store knows of a log; Known is false where the store was
// not asked.
type Stored struct {
	Known    bool
	Log      string // the log's UUID
	Position uint64
}

// Repair is what has to be done so that a daemon can start on a damaged log
// again, and what that costs.
type Repair struct {
	*wal.Repair
	// Units are those of the cut that can still be read and that the store does
	// not have. They are all that is lost where Exact is set.
	Units uint64
	Exact bool
	// Unreadable are bytes of the cut in which no frame was found.
	Unreadable int64
	// Checkpoints are the positions of those that are set aside, because they
	// are damaged or of a place that is cut.
	Checkpoints []uint64

	files *Checkpoints
}

// Needed says that there is something to do.
func (r *Repair) Needed() bool { return r.Repair.Needed() || len(r.Checkpoints) > 0 }

// PlanRepair looks at the log in dir, which nobody may use meanwhile, and
// changes nothing.
func PlanRepair(fsys wal.FS, dir string, stored Stored) (*Repair, error) {
	files := LookAtCheckpoints(fsys, dir)
	sound, damaged, err := files.sort(stored)
	if err != nil {
		return nil, err
	}
	survey, err := wal.Look(dir, fsys)
	if err != nil {
		return nil, err
	}
	if stored.Known && stored.Log != "" {
		if err := survey.Identify(stored.Log); err != nil {
			return nil, fmt.Errorf("the store's name for the log: %w", err)
		}
	}
	r := &Repair{files: files, Checkpoints: damaged, Exact: true}
	if r.Repair, err = survey.Repair(sound, wal.Position(stored.Position)); err != nil {
		return nil, err
	}
	if !r.Cut() {
		return r, nil
	}
	return r, r.count(newestOf(sound), stored)
}

// sort reads every checkpoint. Those that the store has not come to yet cannot
// be used and are no fault.
func (c *Checkpoints) sort(stored Stored) (sound []wal.Position, damaged []uint64, err error) {
	positions, err := c.Positions()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range positions {
		switch _, err := c.Read(p); {
		case err != nil:
			damaged = append(damaged, p)
		case !stored.Known || p <= stored.Position:
			sound = append(sound, wal.Position(p))
		}
	}
	return sound, damaged, nil
}

// Damaged returns the positions of checkpoints that cannot be read.
func (c *Checkpoints) Damaged() ([]uint64, error) {
	_, damaged, err := c.sort(Stored{})
	return damaged, err
}

func newestOf(sound []wal.Position) uint64 {
	if len(sound) == 0 {
		return 0
	}
	return uint64(sound[len(sound)-1])
}

// count reads what is cut. Who is a sender and who the daemon itself is known
// from the definitions before, so those are read too.
func (r *Repair) count(checkpoint uint64, stored Stored) error {
	known := NewCensus()
	if checkpoint > 0 {
		c, err := r.files.Read(checkpoint)
		if err == nil {
			err = known.Know(c)
		}
		if err != nil {
			return err
		}
	}
	err := r.Kept(func(payload []byte, at wal.Span) error {
		if uint64(at.From) < checkpoint {
			return nil
		}
		return known.Record(payload, at)
	})
	if err != nil {
		return fmt.Errorf("count what is kept: %w", err)
	}
	// Lanes stay known; what was counted so far is kept and no loss.
	lost := NewCensus()
	lost.catalog, lost.lanes = known.catalog, known.lanes
	r.Unreadable, err = r.Lost(func(payload []byte, at wal.Span) error {
		if at.From < r.From {
			return nil
		}
		before := lost.Units()
		if err := lost.Record(payload, at); err != nil {
			r.Exact = false
			return nil
		}
		if uint64(at.To) > stored.Position {
			r.Units += lost.Units() - before
		}
		return nil
	})
	// What the high-water mark promised and no file holds has no number.
	r.Exact = r.Exact && r.Unreadable == 0 && lost.Unknown == 0 && r.Bytes >= int64(r.Reached-r.From)
	if err != nil {
		return fmt.Errorf("count what is cut: %w", err)
	}
	r.Checkpoints = append(r.Checkpoints, r.inCut()...)
	return nil
}

// inCut returns the checkpoints of places that are cut and no damage by
// themselves.
func (r *Repair) inCut() (list []uint64) {
	positions, err := r.files.Positions()
	if err != nil {
		return nil
	}
	for _, p := range positions {
		if _, err := r.files.Read(p); err == nil && p > uint64(r.From) {
			list = append(list, p)
		}
	}
	return list
}

// smallestFrame bounds how many marks a stretch of the log can hold: a frame's
// own head is that long.
const smallestFrame = 8

// Apply does what was planned. Killed at any point it may be planned and
// applied again.
func (r *Repair) Apply(now time.Time) error {
	for _, p := range r.Checkpoints {
		if err := r.files.setAside(p); err != nil {
			return fmt.Errorf("set a checkpoint aside: %w", err)
		}
	}
	return r.Repair.Apply(func(at wal.Position) []byte {
		return record.AppendCut(nil, record.Cut{
			// Positions begin at 0 and generations at 1, so no mark before
			// this place can have as high a number.
			Generation: uint64(at)/smallestFrame + 2,
			At:         now.UnixMilli(), From: uint64(r.From), Units: r.Units,
		})
	})
}
