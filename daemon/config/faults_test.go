package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/config"
)

// TestFileFaults gives every fault of a file its line, and an unknown key the
// nearest valid one.
func TestFileFaults(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // parts of the error, each its own line's
	}{
		"misspelled key":       {"[server]\nlisen = \"x\"\n", []string{":2: unknown key server.lisen, did you mean server.listen?"}},
		"after comments":       {"# a\n\n[wal]\n# sink = 1\nsink = 1\n", []string{":5: unknown key wal.sink, did you mean wal.sync?"}},
		"of another section":   {"[wal]\nsync = \"never\"\n[storage]\nsync = 1\n", []string{":4: unknown key storage.sync"}},
		"dotted key":           {"\nserver.lisen = \"x\"\n", []string{":2: unknown key server.lisen, did you mean server.listen?"}},
		"unknown section":      {"[serverr]\nlisten = \"x\"\n", []string{":1: unknown key serverr;", ":2: unknown key serverr.listen, did you mean server.listen?"}},
		"nothing is near":      {"[server]\nfoobarbaz = 1\n", []string{":2: unknown key server.foobarbaz; `nexusctl config show`"}},
		"several at once":      {"[log]\nlevl = \"info\"\n[ingest]\nmaxline = 7\n", []string{":2: unknown key log.levl, did you mean log.level?", ":4: unknown key ingest.maxline, did you mean ingest.max_line?"}},
		"not TOML":             {"[server]\nlisten = \"x\n", []string{":2:"}},
		"a key twice":          {"[log]\nlevel = \"info\"\nlevel = \"info\"\n", []string{":3:", "log.level"}},
		"a text for a number":  {"[server]\nmax_connections = \"x\"\n", []string{":2: server.max_connections", `"x" is a text: write a number, without quotes`}},
		"a bare duration":      {"[wal]\n\ninterval = 10\n", []string{":3:", `"10" is no duration`}},
		"a size without sense": {"[wal]\nsegment_size = \"large\"\n", []string{":2:", `"large" is no size`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, c.text, nil, nil)
			if err == nil {
				t.Fatal("the file is taken")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q\nlacks %q", err, part)
				}
			}
		})
	}
}

// TestFileIsBounded refuses what is no settings file before reading it.
func TestFileIsBounded(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.toml")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, t.TempDir()} {
		if _, err := config.Load(config.Source{Path: path, Getenv: env{}.get}); err == nil || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestWrittenFaults names the variable or the flag that cannot be read, all of
// them at once.
func TestWrittenFaults(t *testing.T) {
	_, err := load(t, "", env{
		"NEXUS_SERVER_MAX_CONNECTIONS": "many", "NEXUS_WAL_INTERVAL": "10", "PORT": "http", "NEXUS_INGEST_MAX_LINE": "-1",
	}, map[string]string{
		"log.lvel": "info", "ingest.lanes": "two", config.PortFlag: "0",
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{
		`NEXUS_SERVER_MAX_CONNECTIONS: "many" is no whole number`, `NEXUS_WAL_INTERVAL: "10" is no duration`,
		`PORT: "http" is no port`, `NEXUS_INGEST_MAX_LINE: "-1" is no size`,
		"command line: unknown setting log.lvel, did you mean log.level?", `ingest.lanes: "two" is no whole number`, `--port: "0" is no port`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q\nlacks %q", err, part)
		}
	}
}

// bounds are one setting's values at the edge: those inside are taken, those
// outside refused with a fault that names the key.
var bounds = []struct {
	key          string
	good, faulty []string
}{
	{"server.listen", []string{"127.0.0.1:0", "127.9.9.9:65535", "[::1]:8080", "localhost:8080"},
		[]string{"0.0.0.0:8080", ":8080", "[::]:8080", "10.0.0.1:8080", "example.com:80", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:http", "localhost.example.com:80"}},
	{"server.data_dir", []string{"x"}, nil},
	{"server.shutdown_timeout", []string{"1s", "1h"}, []string{"999ms", "61m"}},
	{"server.max_connections", []string{"1", "1048576"}, []string{"0", "1048577", "-1"}},
	{"server.max_per_address", []string{"0", "1048576"}, []string{"-1", "1048577"}},
	{"server.stream_clients", []string{"0", "65536"}, []string{"-1", "65537"}},
	{"server.proxy_from", []string{"10.0.0.0/8", "127.0.0.1, ::1", "fd00::/8,10.1.2.3"}, []string{"10.0.0.0/33", "proxy.example.com", "10.0.0.0/8;::1"}},
	{"server.hosts", []string{"", "nexus.example.com", "a, .b.example, *", "A_b-1.x"}, []string{"nexus:8080", "http://nexus", "a b", "*.example.com", "a..b", "nexus."}},
	{"ingest.lanes", []string{"0", "64"}, []string{"-1", "65"}},
	{"ingest.max_series", []string{"1", "1073741824"}, []string{"0", "1073741825"}},
	{"ingest.max_name_series", []string{"0", "1073741824"}, []string{"-1", "1073741825"}},
	{"ingest.max_tag_values", []string{"0", "1073741824"}, []string{"-1", "1073741825"}},
	{"ingest.first_byte_timeout", []string{"0s", "1h"}, []string{"61m"}},
	{"ingest.line_timeout", []string{"0s", "1h"}, []string{"61m"}},
	{"ingest.min_rate", []string{"1", "1MiB"}, []string{"0", "2MiB"}},
	{"ingest.batching", []string{"adaptive", "fixed", "timed", "memory"}, []string{"", "Fixed", "none"}},
	{"ingest.batch_units", []string{"1", "65536"}, []string{"0", "65537"}},
	{"ingest.batch_interval", []string{"100us", "1s"}, []string{"99us", "2s"}},
	{"ingest.batch_bytes", []string{"1KiB", "4MiB"}, []string{"1023", "5MiB"}},
	{"ingest.max_skip", []string{"0B", "1024GiB"}, nil},
	{"ingest.keep_events", []string{"1h", "36500d"}, []string{"59m"}},
	{"ingest.receive_buffer", []string{"0B", "1GiB"}, []string{"1073741825"}},
	{"ingest.max_line", []string{"64", "64KiB"}, []string{"63", "65537"}},
	{"ingest.max_body", []string{"1KiB", "1GiB"}, []string{"1023", "1.1GB"}},
	{"ingest.past", []string{"0s", "36500d"}, nil},
	{"ingest.future", []string{"0s", "365d"}, []string{"366d"}},
	{"ingest.dialect", []string{"nexus", "dogstatsd"}, []string{"statsd", "Nexus"}},
	{"ingest.names", []string{"ascii", "unicode"}, []string{"utf8", "ASCII"}},
	{"ingest.udp", []string{"127.0.0.1:8125", "[::1]:0"}, []string{"0.0.0.0:8125", "8125"}},
	{"aggregate.resolution", []string{"1s", "15s", "1m"}, []string{"500ms", "7s", "2m"}},
	{"aggregate.schema", []string{"3", "8"}, []string{"2", "9"}},
	{"aggregate.idle", []string{"1m", "24h"}, []string{"59s", "25h"}},
	{"server.memory_limit", []string{"0B", "1048576GiB"}, nil},
	{"server.disk_reserve", []string{"0B", "1048576GiB"}, nil},
	{"aggregate.window_bytes", []string{"0B", "1024GiB"}, []string{"1025GiB"}},
	{"wal.record", []string{"all", "acked"}, []string{"none"}},
	{"wal.sync", []string{"always", "interval", "never"}, []string{"sometimes"}},
	{"wal.interval", []string{"1ms", "1m"}, []string{"999us", "61s"}},
	{"wal.segment_size", []string{"1MiB", "4GiB"}, []string{"1023KiB", "5GiB"}},
	{"storage.url", []string{"sqlite:x", "postgres://h/d", "postgresql://h/d"}, []string{"mysql://h/d", "nexus.db"}},
	{"storage.max_connections", []string{"2", "1000"}, []string{"1", "1001"}},
	{"storage.timeout", []string{"100ms", "1h"}, []string{"99ms", "2h"}},
	{"query.timeout", []string{"100ms", "1h"}, []string{"99ms", "2h"}},
	{"query.max_series", []string{"1", "10000000"}, []string{"0", "10000001"}},
	{"query.max_samples", []string{"1", "1000000000"}, []string{"0", "1000000001"}},
	{"query.max_length", []string{"64B", "1MiB"}, []string{"63B", "2MiB"}},
	{"query.max_depth", []string{"1", "1000"}, []string{"0", "1001"}},
	{"query.concurrency", []string{"0", "1024"}, []string{"-1", "1025"}},
	{"query.max_waiting", []string{"1", "65536"}, []string{"0", "65537"}},
	{"storage.head_bytes", []string{"0B", "1024GiB"}, nil},
	{"storage.retention_10s", []string{"24h", "90d"}, []string{"23h", "91d"}},
	{"storage.retention_10s_histograms", []string{"1d", "90d"}, []string{"23h", "91d"}},
	{"storage.retention_1m", []string{"7d", "1095d"}, []string{"876001h", "6d", "1096d"}},
	{"storage.retention_1h", []string{"90d", "36500d"}, []string{"876001h", "89d"}},
	{"storage.sql_series", []string{"0", "100000"}, []string{"-1", "100001"}},
	{"storage.sql_names", []string{"", "http.*", "a,b"}, nil},
	{"log.level", []string{"debug", "info", "warn", "error", "INFO", "info,storage=debug"}, []string{"trace", "info,storag=debug"}},
	{"log.format", []string{"auto", "text", "json"}, []string{"logfmt"}},
	{"tracing.endpoint", []string{"http://localhost:4317", "https://collector:4318"}, []string{"localhost:4317", "unix:///x"}},
	{"tracing.protocol", []string{"grpc", "http"}, []string{"thrift"}},
	{"tracing.sample", []string{"0", "1", "0.5"}, []string{"1.1", "-0.1", "half"}},
}

func TestBounds(t *testing.T) {
	for _, b := range bounds {
		for _, v := range b.good {
			if _, err := load(t, "", nil, map[string]string{b.key: v}); err != nil {
				t.Errorf("%s = %s: %v", b.key, v, err)
			}
		}
		for _, v := range b.faulty {
			_, err := load(t, "", nil, map[string]string{b.key: v})
			if err == nil || !strings.Contains(err.Error(), b.key) {
				t.Errorf("%s = %s: %v", b.key, v, err)
			}
		}
	}
}

// TestEveryFaultAtOnce breaks every setting that can be broken and expects
// each of them in one answer, a line each.
func TestEveryFaultAtOnce(t *testing.T) {
	flags := map[string]string{}
	for _, b := range bounds {
		if len(b.faulty) > 0 {
			flags[b.key] = b.faulty[0]
		}
	}
	flags["server.data_dir"] = ""
	_, err := load(t, "", nil, flags)
	if err == nil {
		t.Fatal("taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for key := range flags {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(line, key+" ") || strings.HasPrefix(line, key+":") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d faults in\n%v", key, n, err)
		}
	}
	if len(lines) != len(flags) {
		t.Errorf("%d lines for %d faults:\n%v", len(lines), len(flags), err)
	}
}

// TestNonLoopbackSaysWhy holds the one refusal that users will meet first.
func TestNonLoopbackSaysWhy(t *testing.T) {
	_, err := load(t, "", env{"NEXUS_SERVER_LISTEN": "0.0.0.0:8080"}, nil)
	if err == nil || !strings.Contains(err.Error(), "no authentication") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Error(err)
	}
}

func TestWithPort(t *testing.T) {
	for _, c := range []struct{ listen, port, want string }{
		{"127.0.0.1:8080", "9", "127.0.0.1:9"},
		{"[::1]:8080", "65535", "[::1]:65535"},
		{"127.0.0.1:8080", "0", ""},
		{"127.0.0.1:8080", "65536", ""},
		{"127.0.0.1:8080", "", ""},
		{"127.0.0.1", "80", ""},
	} {
		got, err := config.WithPort(c.listen, c.port)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// TestSourceDefaultsToTheProcess reads the real environment where none is
// given.
func TestSourceDefaultsToTheProcess(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("NEXUS_WAL_INTERVAL", "42ms")
	c, err := config.Load(config.Source{})
	if err != nil || time.Duration(c.WAL.Interval) != 42*time.Millisecond {
		t.Errorf("%v, %v", c.WAL.Interval, err)
	}
}
