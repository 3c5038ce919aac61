package query

import (
	"context"
	"fmt"
	"testing"
	"time"

	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

func TestFirstPart(t *testing.T) {
	list := func(ids ...int64) (list []Series) {
		for _, id := range ids {
			list = append(list, Series{ID: id})
		}
		return list
	}
	const next = block.ShardSize
	for _, c := range []struct {
		list []Series
		want int
	}{
		{nil, 0},
		{list(1), 1},
		{list(1, 2, next), 2},
		{list(1, 2, 3, next), 3}, // a shard is not cut
		{list(1, next, next+1, next+2), 4},
		{list(1, next, 2*next), 2},
		{list(0, 0, 0, 0), 2}, // the store knows none of them
		{list(7, 7, 0, 0), 2},
	} {
		if got := firstPart(c.list, 2); got != c.want {
			t.Errorf("of %v %d are read at once, want %d", c.list, got, c.want)
		}
	}
}

// TestQuestionsPause holds that each way to ask comes to a place where it can pause: a
// work that is over its free time has to.
func TestQuestionsPause(t *testing.T) {
	r := newRig(t, Options{})
	for i := range 5 {
		s := r.series(true, "load", protocol.Counter, "host", fmt.Sprint(i))
		r.take(of(s, block.Point{Kind: block.Counter, Time: r.now - 20_000, N: 1, Sum: 1})...)
	}
	r.flush()
	at := time.UnixMilli(r.now)
	name := matchers(t, "load")
	for what, ask := range map[string]func(context.Context) error{
		"find":   func(ctx context.Context) error { _, err := r.reader.find(ctx, name); return err },
		"points": func(ctx context.Context) error { _, err := r.reader.Points(ctx, name, r.now-60_000, r.now); return err },
		"instant": func(ctx context.Context) error {
			_, done, err := r.engine.Instant(ctx, "sum(load_total)", at)
			if err == nil {
				done()
			}
			return err
		},
	} {
		pacer := pace.New(1)
		ctx, work := pacer.Begin(t.Context())
		time.Sleep(pace.Free)
		if err := ask(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if pacer.Stats().Pauses.Load() == 0 || !work.Long() {
			t.Errorf("%s never pauses", what)
		}
		work.End()
	}
}
