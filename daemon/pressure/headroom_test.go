package pressure

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 3200}, {1 << 20, 3200}, {8 << 20, 400}, {32 << 20, 100}, {128 << 20, 25}, {256 << 20, 12}, {384 << 20, 8}, {1 << 30, 8}, {1 << 40, 8},
	} {
		if got := Percent(c.live); got != c.want {
			t.Errorf("%d bytes live: %d %%, want %d", c.live, got, c.want)
		}
	}
}

func TestHeldBack(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live, other uint64
		percent     int
		want        int64 // MiB
	}{
		{0, 0, 3200, 41}, {10 * mib, 10 * mib, 320, 60}, {100 * mib, 20 * mib, 32, 164}, {500 * mib, 60 * mib, 8, 648}, {1000 * mib, 0, 8, 1166},
	} {
		if got := HeldBack(c.live, c.other, c.percent) / mib; got < c.want-1 || got > c.want+1 {
			t.Errorf("%d MiB live, %d beside, %d %%: %d MiB, want %d", c.live/mib, c.other/mib, c.percent, got, c.want)
		}
	}
}

// TestRuntimeLimit: the runtime has the lesser of two limits, and only the daemon's is
// told to others.
func TestRuntimeLimit(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for _, c := range []struct {
		told           uint64
		headroom, want int64
	}{
		{0, math.MaxInt64, math.MaxInt64}, {0, 1 << 30, 1 << 30}, {1 << 31, 1 << 30, 1 << 30}, {1 << 29, 1 << 30, 1 << 29}, {1 << 29, math.MaxInt64, 1 << 29},
		{0, math.MaxInt64, math.MaxInt64},
	} {
		TellRuntime(c.told)
		tellHeadroom(c.headroom)
		if got := debug.SetMemoryLimit(-1); got != c.want {
			t.Errorf("told %d and %d the runtime has %d, want %d", c.told, c.headroom, got, c.want)
		}
		if got := RuntimeLimit(); c.told > 0 && got != int64(c.told) || c.told == 0 && got != math.MaxInt64 {
			t.Errorf("told %d, it is told that it was %d", c.told, got)
		}
	}
}

// TestKeepHeadroom: with much in use the runtime is told to let little gather and to hold
// little back, and what was set before is set again at the end.
func TestKeepHeadroom(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(73)
	defer debug.SetGCPercent(before)
	held := make([]byte, 256<<20)
	runtime.GC() // live bytes are those of the last collection
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { KeepHeadroom(ctx); close(done) }()
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	for end := time.Now().Add(20 * time.Second); percent() != 12; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d %% of garbage beside 256 MiB, want 12", percent())
		}
	}
	for end := time.Now().Add(20 * time.Second); debug.SetMemoryLimit(-1) > 400<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("beside 256 MiB the limit is %d bytes", debug.SetMemoryLimit(-1))
		}
	}
	cancel()
	<-done
	if set, limit := percent(), debug.SetMemoryLimit(-1); set != 73 || limit != math.MaxInt64 {
		t.Errorf("left behind: %d %%, %d bytes", set, limit)
	}
	runtime.KeepAlive(held)
}
