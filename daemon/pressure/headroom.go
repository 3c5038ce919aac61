package pressure

import (
	"context"
	"math"
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
	leastLive     = 1 << 20 // before the first collection nothing is known of it
)

// What the runtime may hold beyond its goal and what lies beside the heap, for the heap's
// next growth: that share, or leastHeldBack where that is more. A twentieth below that it
// gives back, by its own rule. Without it a tenth of the goal stays for good, some 50 MiB
// of a daemon of a million series. With less it would give back, after each collection,
// what it needs again before the next one. Whatever a small daemon may hold back it comes
// to hold within half an hour, as its objects come to lie further apart.
const (
	heldBackPercent = 8
	leastHeldBack   = 8 << 20
)

// headroomEvery is how often the headroom is looked at: live memory changes with a
// collection, and a collection takes longer than this where live memory is much.
const headroomEvery = 250 * time.Millisecond

// Percent returns the garbage that may gather beside live bytes, as Go's GOGC
// counts it: a pure decision.
func Percent(live uint64) int {
	live = max(live, leastLive)
	headroom := max(live/headroomShare, leastHeadroom)
	return int(max(headroom*100/live, 1))
}

// HeldBack returns the limit that the runtime is told, where the heap has live bytes,
// percent of that may gather beside them, and other bytes lie beside the heap: a pure
// decision.
func HeldBack(live, other uint64, percent int) int64 {
	live = max(live, leastLive)
	used := live + live/100*uint64(percent) + other
	return int64(used + max(used/100*heldBackPercent, leastHeldBack))
}

// KeepHeadroom bounds the garbage, and the memory that the runtime keeps for later,
// until ctx ends, and then sets what was set before. Where GOGC is set in the
// environment it does nothing: whoever set it knows better.
func KeepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	h := readHeap()
	set, limit := Percent(h.live), int64(0)
	defer debug.SetGCPercent(debug.SetGCPercent(set))
	defer tellHeadroom(math.MaxInt64)
	tick := time.NewTicker(headroomEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h = readHeap()
		// Each change stops the world for a moment: small ones are not worth it.
		if want := Percent(h.live); want > set+set/10 || want < set-set/10 {
			debug.SetGCPercent(want)
			set = want
		}
		if want := HeldBack(h.live, h.other, set); want > limit+limit/50 || want < limit-limit/33 {
			tellHeadroom(want)
			limit = want
		}
	}
}

// heap is what the runtime tells of its memory, bytes.
type heap struct {
	live  uint64 // after the last collection
	other uint64 // mapped and neither objects nor free: stacks, metadata, what is lost between objects
}

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	at := func(i int) uint64 { return s[i].Value.Uint64() }
	mapped := at(1) - at(2)
	return heap{live: at(0), other: mapped - min(mapped, at(3)+at(4))}
}
