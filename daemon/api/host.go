package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"example.com/nexusctl/protocol/api"
)

// anyHost, as the name of a host, permits every one.
const anyHost = "*"

// SetHosts changes the names under which the server may be asked, beside
// localhost and addresses: host names in lower case; one that begins with a dot
// permits every name that ends in it.
func (s *Server) SetHosts(names []string) { s.hosts.Store(&names) }

// misdirected reports a request for a host that is not this server: a page whose
// name its owner has pointed at this machine. The browser takes such a page for a
// page of this server, so that neither Origin nor Sec-Fetch-Site tells; the name
// in the address does, for no page can choose it.
//
// Probes are answered under every name: they say nothing but that the daemon
// lives. So is what comes over a Unix socket, which no browser opens, and a request
// without a host, which none sends.
func (s *Server) misdirected(r *http.Request) bool {
	switch r.URL.Path {
	case "/health", "/ready", "/api/v1/health", "/api/v1/ready", "/-/healthy", "/-/ready", "/prometheus/-/healthy", "/prometheus/-/ready":
		return false
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && a.Network() == "unix" {
		return false
	}
	return r.Host != "" && !permittedHost(r.Host, *s.hosts.Load())
}

// permittedHost decides whether a Host, with its port or without, names this
// server. An address does always: it is no name that somebody could point here.
func permittedHost(host string, names []string) bool {
	host = strings.ToLower(withoutPort(host))
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6()
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(names, func(n string) bool {
		return n == anyHost || n == host || strings.HasPrefix(n, ".") && (strings.HasSuffix(host, n) || host == n[1:])
	})
}

// withoutPort cuts a port off, which is digits or nothing.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		return host[:i]
	}
	return host
}

var problemMisdirected = api.Problem{
	Status: http.StatusMisdirectedRequest, Title: "Another host", Detail: "This server is not known by that name.",
	Field: "Host", Rule: "is an address, localhost or one of server.hosts", Fix: "Ask by address, or add the name to server.hosts.",
}
