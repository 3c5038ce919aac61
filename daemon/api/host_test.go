package api

import "testing"

func TestPermittedHost(t *testing.T) {
	for _, c := range []struct {
		names     []string
		good, bad []string
	}{
		{nil,
			[]string{"127.0.0.1", "127.0.0.1:8080", "10.1.2.3", "[::1]", "[::1]:8080", "[fe80::1%eth0]:80", "localhost", "LOCALHOST:1", "localhost.", "a.b.localhost:80"},
			[]string{"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "2130706433", "127.1", "0x7f.1", "", ":80", "[::1", "localhost..", "::1.evil"}},
		{[]string{"nexus", "Only.Lower"}, []string{"nexus", "NEXUS:80", "nexus."}, []string{"a.nexus", "nexus.example", "only.lower"}},
		{[]string{".example.com"}, []string{"example.com", "a.example.com", "a.b.EXAMPLE.com:1"}, []string{"badexample.com", "com", "example.com.evil"}},
		{[]string{"*"}, []string{"evil.example", "x"}, nil},
	} {
		for _, host := range c.good {
			if !permittedHost(host, c.names) {
				t.Errorf("%q is refused under %q", host, c.names)
			}
		}
		for _, host := range c.bad {
			if permittedHost(host, c.names) {
				t.Errorf("%q is permitted under %q", host, c.names)
			}
		}
	}
}

func FuzzPermittedHost(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:8080", "localhost.", "evil.example:1", "[", "a]:["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if permittedHost(host+".evil.example", nil) {
			t.Errorf("%q is permitted", host+".evil.example")
		}
		if permittedHost(host, nil) && !permittedHost(host, []string{"*"}) {
			t.Errorf("%q is permitted only where less is", host)
		}
	})
}
