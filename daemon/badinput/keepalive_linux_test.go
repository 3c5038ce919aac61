package badinput_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// keepAlive looks at what the system does about peers that vanish: the daemon's
// end of a connection must ask whether they are there, within two minutes.
func keepAlive(t *testing.T) {
	s := start(t)
	before := s.ledger()
	c := dial(t, s)
	write(t, c, "a.f08:1|c\n")
	s.comes(t, before, verdict{accepted: 1})
	_, port, _ := strings.Cut(s.addr, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	// Ours is where the other end is the test's, and the state is established.
	peer := fmt.Sprintf(":%04X", c.LocalAddr().(*net.TCPAddr).Port)
	local := strings.ToUpper("0100007F:" + strings.TrimPrefix(strconv.FormatUint(0x10000|n, 16), "1"))
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != local || !strings.HasSuffix(f[2], peer) || f[3] != "01" {
			continue
		}
		kind, rest, _ := strings.Cut(f[5], ":")
		ticks, err := strconv.ParseInt(rest, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		// Timer 2 is keepalive; its time is in hundredths of a second.
		if due := time.Duration(ticks) * 10 * time.Millisecond; kind != "02" || due <= 0 || due > 30*time.Second {
			t.Errorf("the timer is %s in %v, want the first question within 30s", kind, due)
		}
		return
	}
	t.Fatalf("%s is not among the system's connections", local)
}
