package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// figures is what loadgen says at its end.
type figures struct {
	Sent, Missed, Errors int64
	Rate                 float64
	TargetRate           float64 `json:"target_rate"`
	DurationS            float64 `json:"duration_s"`
	Verify               struct {
		OK                                 bool
		Expected, Stored, Lost, Duplicated int64
	}
}

// generate runs `nexusctl loadgen --verify` against the daemon: what was sent must
// be in the daemon's keeping.
func (p *process) generate(args ...string) (f figures) {
	p.t.Helper()
	cmd := exec.Command(binary, append([]string{"loadgen", "--server", p.addr, "-o", "json", "--verify"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if jerr := json.Unmarshal(out, &f); err != nil || jerr != nil || !f.Verify.OK || f.Errors != 0 || f.Sent == 0 {
		p.t.Fatalf("loadgen %v: %v, %v\n%s%s\nthe daemon says:\n%s", args, err, jerr, out, errs.String(), p.logs)
	}
	return f
}

// length is how long a test loads: short in the quick test, as the variable says
// otherwise.
func length(t *testing.T, name string, usual time.Duration) (d time.Duration, long bool) {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return usual, false
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < usual {
		t.Fatalf("%s: %q is no duration from %v on", name, s, usual)
	}
	return d, true
}

// number is length for a count.
func number(t *testing.T, name string, usual int) (n int, long bool) {
	t.Helper()
	if os.Getenv(name) == "" {
		return usual, false
	}
	return int(fromEnv(t, name, uint64(usual))), true
}

// memory is a process's resident memory over time, in seconds and KiB.
type memory struct{ at, kib []float64 }

// watch samples the daemon's memory until the function it returns is called.
func (p *process) watch(every time.Duration) func() memory {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan memory)
	began := time.Now()
	go func() {
		var m memory
		defer func() { done <- m }()
		for ctx.Err() == nil {
			m.at, m.kib = append(m.at, time.Since(began).Seconds()), append(m.kib, residentKiB(p.cmd.Process.Pid))
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}()
	return func() memory { cancel(); return <-done }
}

func residentKiB(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	if err != nil || !ok {
		return 0
	}
	kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib
}

// behind drops what was sampled before a time.
func (m memory) behind(seconds float64) memory {
	i, _ := slices.BinarySearch(m.at, seconds)
	return memory{m.at[i:], m.kib[i:]}
}

// means are the means of what was sampled within each so many seconds, at their ends.
func (m memory) means(seconds float64) (out memory) {
	for len(m.at) > 0 {
		end := (math.Floor(m.at[0]/seconds) + 1) * seconds
		rest := m.behind(end)
		n := len(m.at) - len(rest.at)
		sum := 0.0
		for _, k := range m.kib[:n] {
			sum += k
		}
		out.at, out.kib = append(out.at, end), append(out.kib, sum/float64(n))
		m = rest
	}
	return out
}

// slope is by how many KiB a second memory grows, by least squares.
func (m memory) slope() float64 {
	n := float64(len(m.at))
	var t, k, tt, tk float64
	for i := range m.at {
		t, k, tt, tk = t+m.at[i], k+m.kib[i], tt+m.at[i]*m.at[i], tk+m.at[i]*m.kib[i]
	}
	return (n*tk - t*k) / (n*tt - t*t)
}

// series is the samples in MiB, for the log.
func (m memory) series() (mib []int) {
	for _, k := range m.kib {
		mib = append(mib, int(k)>>10)
	}
	return mib
}

func TestSlope(t *testing.T) {
	if got := (memory{[]float64{0, 1, 2, 3}, []float64{10, 12, 14, 16}}).slope(); got != 2 {
		t.Errorf("%v, want 2", got)
	}
}

func TestMeans(t *testing.T) {
	got := (memory{[]float64{0, 20, 59.9, 60, 61, 200}, []float64{10, 20, 30, 1, 3, 7}}).means(60)
	if !slices.Equal(got.at, []float64{60, 120, 240}) || !slices.Equal(got.kib, []float64{20, 2, 7}) {
		t.Errorf("%v", got)
	}
}

// onOneCore runs f on one processor, and so every process that it starts.
func onOneCore(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &all))
	for cpu := range 1024 {
		if all.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	check(t, unix.SchedSetaffinity(0, &one))
	defer func() { check(t, unix.SchedSetaffinity(0, &all)) }()
	f()
}

// TestSlowStoreOneCore holds the daemon to one core and gives it a store each of
// whose statements takes 20 ms longer, then sends twice what it takes so. Nothing
// is lost or shed, its memory stays, and the senders are slowed. NEXUS_SLOW_STORE
// is for how long.
func TestSlowStoreOneCore(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a daemon for seconds")
	}
	d, long := length(t, "NEXUS_SLOW_STORE", 5*time.Second)
	s := pgtest.Own(t)
	x := newProxy(t, s.Addr())
	var p *process
	onOneCore(t, func() { p = start(t, t.TempDir(), s.DSN(x.addr()), "--set", "aggregate.resolution=2s") })
	x.slow.Store(int64(20 * time.Millisecond))
	load := []string{"--prerendered", "--connections", "8"}
	first := p.generate(append(load, "--rate", "max", "--duration", "1s")...) // its series are new
	capacity := p.generate(append(load, "--rate", "max", "--duration", "3s")...)
	stop := p.watch(time.Second)
	f := p.generate(append(load, "--rate", strconv.Itoa(int(2*capacity.Rate)), "--duration", d.String())...)
	m := stop()
	l := p.ledger()
	if api.Sum(l.Shed)+l.Lost+l.Dead+api.Sum(l.Rejected) != 0 || int64(l.Received) != first.Sent+capacity.Sent+f.Sent {
		t.Errorf("the ledger has %+v, sent were %d, %d and %d", l, first.Sent, capacity.Sent, f.Sent)
	}
	if f.Rate > 0.97*f.TargetRate { // else TCP has slowed them: what was due was sent later, or is missed
		t.Errorf("the senders were not slowed: %.0f of %.0f lines/s", f.Rate, f.TargetRate)
	}
	half := m.behind(m.at[len(m.at)-1] / 2)
	early, late := slices.Max(m.kib[:len(m.kib)-len(half.kib)]), slices.Max(half.kib)
	if late > 1<<20 || long && late > 1.25*early+64<<10 {
		t.Errorf("memory grew from %.0f to %.0f KiB", early, late)
	}
	t.Logf("alone %.0f lines/s; asked for %.0f lines/s it took %.0f for %.0f s: %d of %d kept, %d lost; memory in MiB, each second: %v",
		capacity.Rate, f.TargetRate, f.Rate, f.DurationS, f.Verify.Stored, f.Verify.Expected, f.Verify.Lost, m.series())
}

// TestResidentSlope sends at a steady rate and asks whether memory grows, by least
// squares. NEXUS_SLOPE is for how long, then at a million lines a second: behind the
// sixteen minutes in which the live window fills, and with room for few recent blocks,
// so that these are full by then, as SQLite's pages are.
func TestResidentSlope(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a daemon for seconds")
	}
	d, long := length(t, "NEXUS_SLOPE", 5*time.Second)
	rate, fills := "100k", d/5
	if long {
		rate, fills = "1M", 16*time.Minute
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db", "--set", "storage.head_bytes=2MiB")
	// A flush each ten seconds and rows each minute come and go: samples as far apart as these
	// would follow their beat.
	stop := p.watch(min(d/20, time.Second))
	f := p.generate("--prerendered", "--rate", rate, "--duration", (fills + d).String())
	all := stop()
	m := all.behind(fills.Seconds())
	slope := m.slope() * 60
	// Samples scatter by some MiB, and the slope of ten minutes by a quarter of one. A
	// byte kept of every hundredth line would be 600 KiB a minute.
	if highest := slices.Max(all.kib); highest > 512<<10 || long && slope > 512 {
		t.Errorf("memory grows by %.0f KiB a minute, and was %.0f KiB at the most", slope, highest)
	}
	t.Logf("%.0f lines/s for %.0f s, %d lost: memory grows by %.0f KiB a minute in the last %v; in MiB, means of a minute: %v", f.Rate, f.DurationS, f.Verify.Lost, slope, d, all.means(60).series())
}

// held has the daemon collect its garbage, and returns the bytes that its objects
// and its stacks then take. What the runtime keeps for later is not among them.
func (p *process) held(dataDir string) (heap, stacks float64) {
	p.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dataDir, api.AdminSocket))
	}}}
	for range 4 { // the first retires what pools hold; each halves stacks that are larger than they need to be
		res, err := c.Get("http://admin/debug/pprof/heap?gc=1")
		check(p.t, err)
		check(p.t, res.Body.Close())
	}
	text := p.text("/metrics")
	return metricValue(text, `nexus_memory_usage_bytes{type="heap"} `), metricValue(text, `nexus_memory_usage_bytes{type="stacks"} `)
}

// givenBack is after how long the runtime has returned what it does not need.
const givenBack = 3 * time.Minute

// TestIdleConnections opens connections that have sent a line and are silent, and
// divides what they add to the daemon's memory by their number. NEXUS_IDLE is how
// many; then their resident memory is told too, beside a daemon of the same age that
// has none.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many connections")
	}
	n, long := number(t, "NEXUS_IDLE", 1000)
	dir := t.TempDir()
	p := start(t, dir, "sqlite:nexus.db")
	var none *process
	if long {
		none = start(t, t.TempDir(), "sqlite:nexus.db")
	}
	heap, stacks := p.held(dir)
	conns := make([]net.Conn, n)
	// Clients that asked whether the daemon is there would all ask at one moment, and
	// over loopback the system has no room for so many questions: some would give up.
	dialer := net.Dialer{KeepAlive: -1}
	for i := range conns {
		c, err := dialer.Dial("tcp", p.addr)
		check(t, err)
		defer c.Close()
		conns[i] = c
		_, err = c.Write([]byte("idle.connection:1|c\n"))
		check(t, err)
	}
	p.within(20*time.Second, "every line has come", func() bool { return p.ledger().Received == uint64(n) })
	p.within(30*time.Second, "every connection is parked", func() bool { return p.metric("nexus_connections_parked") >= float64(n) })
	heapNow, stacksNow := p.held(dir)
	heap, stacks = (heapNow-heap)/float64(n), (stacksNow-stacks)/float64(n)
	resident := 0.0
	if long {
		time.Sleep(givenBack)
		resident = (residentKiB(p.cmd.Process.Pid) - residentKiB(none.cmd.Process.Pid)) * 1024 / float64(n)
	}
	p.within(20*time.Second, "every connection is there", func() bool { return p.metric("nexus_connections_active") >= float64(n) })
	// A buffer kept would be 64 KiB; of few connections the daemon's own coming and
	// going is a larger part.
	if heap+stacks > 4096 || long && max(heap+stacks, resident) > 2048 {
		t.Errorf("%.0f bytes of objects and %.0f of stacks a connection, %.0f of resident memory", heap, stacks, resident)
	}
	t.Logf("%d idle connections hold %.0f bytes of objects and %.0f of stacks each, %.0f bytes of resident memory (0: not looked at)", n, heap, stacks, resident)
}

// TestManySenders compares the rate of many sending connections with that of 8, in
// turn, the best of each. NEXUS_SENDERS is how many; then they must reach 60 % of
// it.
func TestManySenders(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a daemon for seconds")
	}
	n, long := number(t, "NEXUS_SENDERS", 200)
	d, rounds := "1s", 1
	if long {
		d, rounds = "3s", 3
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	best := map[int]float64{}
	for range rounds {
		for _, conns := range []int{8, n} {
			f := p.generate("--rate", "max", "--prerendered", "--duration", d, "--connections", strconv.Itoa(conns))
			best[conns] = max(best[conns], f.Rate)
		}
	}
	ratio := best[n] / best[8]
	if least := 0.6; long && ratio < least || ratio < 0.1 {
		t.Errorf("%d connections reach %.2f of the rate of 8, want %.2f", n, ratio, least)
	}
	t.Logf("8 connections: %.2f M lines/s; %d: %.2f M lines/s, %.2f of it; nothing lost", best[8]/1e6, n, best[n]/1e6, ratio)
}
