package badinput_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// otherHosts: what asks for another server is told so, whatever way it says it;
// whoever asks by address is answered.
func otherHosts(t *testing.T) {
	s := start(t, "server.hosts", "nexus.example, .inner.example")
	before, counted := s.ledger(), s.counter(t, "nexus_http_misdirected_total")
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	one := func(request string) int {
		got := raw(t, s, request+"Connection: close\r\n\r\n")
		if len(got) != 1 {
			return 0
		}
		return got[0]
	}
	refused := 0
	for _, host := range []string{"evil.example", "evil.example:" + port, "localhost.evil.example", "127.0.0.1.evil.example", "evilnexus.example", "2130706433"} {
		for _, start := range []string{"GET /api/v1/ledger", "GET /console/", "GET /", "GET /docs", "GET /metrics", "GET /prometheus/api/v1/query?query=up", "GET /unknown", "PUT /api/v1/metrics/a", "DELETE /api/v1/metrics/a"} {
			// As a rebound page has it: the browser takes us for the page's own server.
			if status := one(start + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host + "\r\nSec-Fetch-Site: same-origin\r\n"); status != http.StatusMisdirectedRequest {
				t.Errorf("%s of %s: %d", start, host, status)
			}
			refused++
		}
		if status := one(fmt.Sprintf("POST /api/v1/metrics HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n", host, host)); status != http.StatusMisdirectedRequest {
			t.Errorf("a POST of %s: %d", host, status)
		}
		refused++
	}
	// An absolute address counts, and not the header beside it.
	for start, want := range map[string]int{
		"GET http://evil.example/api/v1/ledger HTTP/1.1\r\nHost: " + s.addr: http.StatusMisdirectedRequest,
		"GET http://" + s.addr + "/health HTTP/1.1\r\nHost: evil.example":   http.StatusOK,
		"GET http://" + s.addr + "/docs HTTP/1.1\r\nHost: evil.example":     http.StatusOK,
	} {
		if status := one(start + "\r\n"); status != want {
			t.Errorf("%q: %d, want %d", start, status, want)
		}
	}
	refused++
	for _, host := range []string{s.addr, "127.0.0.1", "10.9.8.7:8080", "[::1]:" + port, "[2001:db8::1]", "localhost:" + port, "LOCALHOST.", "a.localhost", "nexus.example:80", "a.b.inner.example"} {
		if status := one("GET /docs HTTP/1.1\r\nHost: " + host + "\r\n"); status != http.StatusOK {
			t.Errorf("%s: %d", host, status)
		}
	}
	for _, probe := range []string{"/health", "/ready", "/api/v1/health", "/api/v1/ready"} {
		if status := one("GET " + probe + " HTTP/1.1\r\nHost: nexus.monitoring.svc:8080\r\n"); status != http.StatusOK && status != http.StatusServiceUnavailable { // our half is closed

			t.Errorf("a probe of %s by a name: %d", probe, status)
		}
	}
	if status := one("GET /docs HTTP/1.0\r\n"); status != http.StatusOK {
		t.Errorf("no host: %d", status)
	}
	overSocket(t, s)
	if n := s.counter(t, "nexus_http_misdirected_total") - counted; n != float64(refused) {
		t.Errorf("%v are counted, want %d", n, refused)
	}
	s.comes(t, before, verdict{})
}

// overSocket asks over a Unix socket, where the host is whatever the client makes
// up.
func overSocket(t *testing.T, s *system) {
	c := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(s.dir, "stream"))
	}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "http://whatever/docs", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("over a Unix socket: %d", res.StatusCode)
	}
}
