package query

import (
	"context"
	"fmt"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Others tells how far the other daemons of the store are followed: follow.Follower.
type Others interface {
	// Followed returns up to which generation the head was told of the flushes of each
	// other writer, and how often the store's series had changed then. ok is false where
	// that is too old to go by.
	Followed() (reach *storage.Reach, changes int64, ok bool)
}

// followed is Others where this process alone writes: there are none. ok is false where
// nobody follows them.
func (r *Reader) followed() (reach *storage.Reach, changes int64, ok bool) {
	if r.opts.Alone {
		return nil, 0, true
	}
	if r.opts.Others == nil {
		return nil, 0, false
	}
	return r.opts.Others.Followed()
}

// moment is of when a read is: what is not stored yet, and up to where each writer's
// flushes are known.
type moment struct {
	win   lane.Window    // with this daemon's last flush
	again uint64         // Head.Again, as it was before the window was read
	reach *storage.Reach // of the others
	known bool           // reach holds: without it the store has to be asked
	now   int64          // Unix milliseconds
}

// moment reads the window of some series.
func (r *Reader) moment(ctx context.Context, list []Series, d aggregate.Detail) (m moment, err error) {
	m.again = r.head.Again() // before the window: what is stored again behind it is no part of a tail
	m.reach, _, m.known = r.followed()
	if m.win, err = r.window.Window(ctx, locals(list), d); err != nil {
		return m, fmt.Errorf("read live window: %w", err)
	}
	ids(list)
	m.now = r.opts.Now().UnixMilli()
	return m, nil
}

// since takes a series' points out of the flushes of all writers that lie behind those
// which somebody has, up to the moment. ok is false where the head has not all of them.
func (r *Reader) since(id int64, flushed uint64, reach *storage.Reach, m *moment) (points map[string][]block.Point, ok bool, err error) {
	points = map[string][]block.Point{}
	take := func(writer string, behind, upTo uint64) error {
		var blocks [][]byte
		if blocks, ok = r.head.Since(writer, id/block.ShardSize, behind, upTo); !ok {
			return nil
		}
		if len(blocks) == 0 {
			return nil
		}
		list, err := block.NewFinder(id).FindAll(blocks, make([]block.Point, 0, len(blocks)))
		if err != nil {
			return fmt.Errorf("a block in memory, of shard %d: %w", id/block.ShardSize, err)
		}
		if len(list) > 0 {
			points[writer] = list
		}
		return nil
	}
	if err := take(r.writer, flushed, m.win.Flushed); err != nil || !ok {
		return nil, false, err
	}
	if reach.Covers(m.reach) {
		return points, true, nil
	}
	for writer, upTo := range m.reach.All() {
		if behind := reach.At(writer); behind < upTo {
			if err := take(writer, behind, upTo); err != nil || !ok {
				return nil, false, err
			}
		}
	}
	return points, true, nil
}
