package pressure

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage that may gather beside what is in use. As much garbage as there are
// objects, which is Go's own way, doubles the resident memory of a daemon of a
// million series, and doubles what every cache adds while it fills. A twelfth costs
// more collections, each of which walks what has pointers: least keeps a small
// daemon, whose heap is mostly such, from doing little else.
const (
	leastHeadroom = 32 << 20
	headroomShare = 12
)

// headroomEvery is how often the headroom is looked at: live memory changes with a
// collection, and a collection takes longer than this where live memory is much.
const headroomEvery = 250 * time.Millisecond

// Percent returns the garbage that may gather beside live bytes, as Go's GOGC
// counts it: a pure decision.
func Percent(live uint64) int {
	live = max(live, 1<<20)
	headroom := max(live/headroomShare, leastHeadroom)
	return int(max(headroom*100/live, 1))
}

// KeepHeadroom bounds the garbage until ctx ends, and then sets what was set
// before. Where GOGC is set in the environment it does nothing: whoever set it
// knows better.
func KeepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	set := Percent(sample[0].Value.Uint64())
	defer debug.SetGCPercent(debug.SetGCPercent(set))
	tick := time.NewTicker(headroomEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		// Each change stops the world for a moment: small ones are not worth it.
		if want := Percent(sample[0].Value.Uint64()); want > set+set/10 || want < set-set/10 {
			debug.SetGCPercent(want)
			set = want
		}
	}
}
