package e2e_test

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

// TestDatadogClient lets the field's own client send through each of its
// transports and compares the sums exactly.
func TestDatadogClient(t *testing.T) {
	dir := t.TempDir()
	datagram, stream := filepath.Join(dir, "dgram.sock"), filepath.Join(dir, "stream.sock")
	p := start(t, t.TempDir(), "sqlite:nexus.db", "--set", "ingest.unixgram="+datagram, "--set", "ingest.unix="+stream, "--set", "aggregate.resolution=1m")
	// What is sent has to lie in one bucket: sets and means are the last one's.
	if left := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)); left < 15*time.Second {
		time.Sleep(left)
	}
	quiet := []statsd.Option{statsd.WithoutTelemetry(), statsd.WithoutClientSideAggregation(), statsd.WithoutOriginDetection()}
	open := map[string]func() (*statsd.Client, error){
		"tcp": func() (*statsd.Client, error) {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				return nil, err
			}
			return statsd.NewWithWriter(&lineWriter{c}, quiet...)
		},
		"unixgram": func() (*statsd.Client, error) { return statsd.New("unixgram://"+datagram, quiet...) },
		"unix":     func() (*statsd.Client, error) { return statsd.New("unixstream://"+stream, quiet...) },
	}
	for via, dial := range open {
		t.Run(via, func(t *testing.T) {
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			const n = 2000
			sum := int64(0)
			for i := range n {
				tags := []string{"via:" + via, "shard:" + string(rune('a'+i%3))}
				check(t, c.Count("dd.count", int64(i), tags, 1))
				check(t, c.Gauge("dd.gauge", float64(i)/4, tags[:1], 1))
				check(t, c.Histogram("dd.histogram", float64(i), tags[:1], 1))
				check(t, c.Distribution("dd.distribution", float64(i), tags[:1], 1))
				check(t, c.Timing("dd.timing", time.Duration(i)*time.Millisecond, tags[:1], 1))
				check(t, c.Set("dd.set", string(rune('a'+i%26)), tags[:1], 1))
				sum += int64(i)
				if i%20 == 0 {
					check(t, c.Flush()) // datagrams are dropped by the client when it gets ahead
				}
			}
			check(t, c.Close())
			p.settled()
			if got := p.sumOf("dd.count", "via")[via]; got != float64(sum) {
				t.Errorf("the counters add up to %v, sent %d", got, sum)
			}
			if got := p.lasts("dd.gauge", "via")[via]; got != float64(n-1)/4 {
				t.Errorf("the gauge is %v, sent last %v", got, float64(n-1)/4)
			}
			if got := p.lasts("dd.set", "via")[via]; got != 26 {
				t.Errorf("the set has %v members, sent 26", got)
			}
			for _, name := range []string{"dd.histogram", "dd.distribution", "dd.timing"} {
				if got := p.lasts(name, "via")[via]; got < 900 || got > 1100 {
					t.Errorf("%s has mean %v, sent %v", name, got, float64(n-1)/2)
				}
			}
		})
	}
	if l := p.ledger(); l.Received != 3*6*2000 || len(l.Rejected) > 0 {
		t.Errorf("sent %d values, the ledger: %+v", 3*6*2000, l)
	}
	p.stop()
}

// lineWriter ends each packet with a newline: a stream has no packets.
type lineWriter struct{ net.Conn }

func (w *lineWriter) Write(b []byte) (int, error) {
	if len(b) > 0 && b[len(b)-1] != '\n' {
		if _, err := w.Conn.Write(append(b[:len(b):len(b)], '\n')); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return w.Conn.Write(b)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPythonStatsd lets Debian's python3-statsd send over TCP.
func TestPythonStatsd(t *testing.T) {
	if out, err := exec.Command("/usr/bin/python3", "-c", "import statsd").CombinedOutput(); err != nil {
		t.Skipf("python3-statsd is not installed (apt-get install python3-statsd): %s", out)
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	host, port, err := net.SplitHostPort(p.addr)
	check(t, err)
	script := strings.NewReplacer("HOST", host, "PORT", port).Replace(`
import statsd
c = statsd.TCPStatsClient(host="HOST", port=PORT, prefix="py")
for i in range(3000):
    c.incr("count", i)
    c.gauge("level", i)
    c.timing("took", i)
c.gauge("level", 5, delta=True)
c.gauge("level", -2, delta=True)
with c.pipeline() as pipe:
    for i in range(100):
        pipe.incr("piped")
c.close()
`)
	if out, err := exec.Command("/usr/bin/python3", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.settled()
	for name, want := range map[string]float64{"py.count": 2999 * 3000 / 2, "py.level": 2999 + 5 - 2, "py.piped": 100, "py.took": 2999.0 / 2} {
		if got := p.lasts(name, "")[""]; got != want {
			t.Errorf("%s is %v, sent %v", name, got, want)
		}
	}
	if l := p.ledger(); l.Received != 3*3000+2+100 || len(l.Rejected) > 0 {
		t.Errorf("the ledger differs from what was sent: %+v", l)
	}
	p.stop()
}
