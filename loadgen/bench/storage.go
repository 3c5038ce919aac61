package bench

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/follow"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// The settings of a daemon by default: storage.head_bytes, aggregate.idle and
// aggregate.resolution, milliseconds.
const (
	headBytes  = 256 << 20
	idle       = 5 * 60 * 1000
	resolution = 10_000
)

// Memory reads a store as a daemon does that wrote it: through the package that
// answers its queries, with the blocks of its flushes in memory. There are no lanes
// behind it, so nothing waits to be flushed and none is asked.
type Memory struct {
	reader  *query.Reader
	older   *query.Reader // to which every name is one that the store had before
	head    *query.Head
	others  *follow.Follower // of other daemons; nil where there are none
	flushed atomic.Uint64
	now     atomic.Int64 // Unix milliseconds
}

// NewMemory returns the memory of a daemon whose log is named writer. Alone says that
// no other daemon may write to the store: else they are followed.
func NewMemory(s *storage.Store, writer string, alone bool) *Memory {
	m := &Memory{head: query.NewHead(headBytes)}
	o := query.Options{
		Resolution: resolution, Idle: idle, MaxSeries: 1, Alone: alone,
		Now: func() time.Time { return time.UnixMilli(m.now.Load()) },
	}
	if !alone {
		m.others = follow.New(s, m.head, writer, slog.New(slog.DiscardHandler), time.Now)
		o.Others = m.others
	}
	m.reader = query.NewReader(m, s, admit.NewCatalog(1), m.head, writer, o)
	m.older = query.NewReader(m, s, admit.NewCatalog(1), m.head, writer, o)
	return m
}

// Start learns what a daemon does at its start: which names the store has.
func (m *Memory) Start(ctx context.Context) error {
	if m.others != nil {
		if err := m.others.Look(ctx); err != nil {
			return fmt.Errorf("follow other daemons: %w", err)
		}
	}
	return m.reader.Learn(ctx)
}

// Run follows other daemons, as each does, until ctx ends.
func (m *Memory) Run(ctx context.Context) {
	if m.others != nil {
		m.others.Run(ctx)
	}
}

// Window is what lanes hold that was not flushed: nothing.
func (m *Memory) Window(context.Context, []*admit.Series, aggregate.Detail) (lane.Window, error) {
	return lane.Window{Flushed: m.flushed.Load()}, nil
}

// Stored takes a flush that the store has.
func (m *Memory) Stored(f storage.Flush) {
	m.head.Add(f)
	m.flushed.Store(f.Seq)
}

// LastHour returns how many points a counter or gauge has in the hour before now,
// Unix milliseconds, and in the time before that over which values hold. older says that
// the daemon, at its start, found the series' name in the store.
func (m *Memory) LastHour(ctx context.Context, id, now int64, older bool) (points int, err error) {
	m.now.Store(now)
	reader := m.reader
	if older {
		reader = m.older
	}
	list := []query.Series{{ID: id, Key: series.Key{Type: protocol.Gauge}}}
	if err := reader.Fill(ctx, list, now-time.Hour.Milliseconds(), now-1); err != nil {
		return 0, fmt.Errorf("read as a daemon does: %w", err)
	}
	return len(list[0].Points), nil
}
