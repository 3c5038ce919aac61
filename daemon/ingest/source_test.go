package ingest

import (
	"net"
	"testing"
)

// TestNetworkOf: whoever walks through a network of IPv6 is one client.
func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.2": "10.0.0.2", "::ffff:10.0.0.1": "10.0.0.1",
		"2001:db8::1": "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff": "2001:db8::", "2001:db8:0:1::1": "2001:db8:0:1::", "::1": "::",
	} {
		if got := networkOf(&net.TCPAddr{IP: net.ParseIP(address), Port: 7}); got.String() != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
	if got := networkOf(&net.UnixAddr{Name: "x", Net: "unix"}); got.IsValid() {
		t.Errorf("a Unix socket counts as %s", got)
	}
}
