package pressure

import (
	"context"
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

// TestKeepHeadroom: with much in use the runtime is told to let little gather, and
// what was set before is set again at the end.
func TestKeepHeadroom(t *testing.T) {
	t.Setenv("GOGC", "")
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
	cancel()
	<-done
	if set := percent(); set != 73 {
		t.Errorf("left behind: %d", set)
	}
	runtime.KeepAlive(held)
}
