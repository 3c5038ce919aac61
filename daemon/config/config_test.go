package config_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/config"
)

// env is an environment of its own, so that no test depends on the machine's.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// load reads a file with the given text, an environment and flags.
func load(t *testing.T, text string, e env, flags map[string]string) (config.Config, error) {
	t.Helper()
	return config.Load(config.Source{Path: write(t, t.TempDir(), text), Getenv: e.get, Flags: flags})
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "nexus.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// layered is one setting with a different value in each layer, in rising order.
type layered struct {
	key                  string
	file, env, flag      string
	want                 [4]string // default, file, environment, command line
	read                 func(c *config.Config) string
	fileIsNumberNotAText bool
}

var layers = []layered{
	{
		key: "server.listen", file: "127.0.0.1:1", env: "127.0.0.1:2", flag: "127.0.0.1:3",
		want: [4]string{"127.0.0.1:8080", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		read: func(c *config.Config) string { return c.Server.Listen },
	},
	{
		key: "ingest.max_series", file: "11", env: "12", flag: "13", fileIsNumberNotAText: true,
		want: [4]string{"2000000", "11", "12", "13"},
		read: func(c *config.Config) string { return fmt.Sprint(c.Ingest.MaxSeries) },
	},
	{
		key: "ingest.max_body", file: "1MiB", env: "2MiB", flag: "3MiB",
		want: [4]string{"16MiB", "1MiB", "2MiB", "3MiB"},
		read: func(c *config.Config) string { return c.Ingest.MaxBody.String() },
	},
	{
		key: "aggregate.idle", file: "1h", env: "2h", flag: "3h",
		want: [4]string{"5m0s", "1h0m0s", "2h0m0s", "3h0m0s"},
		read: func(c *config.Config) string { return c.Aggregate.Idle.String() },
	},
}

// TestLayers sets one layer after the other: each beats the one before, and
// leaves every other setting alone.
func TestLayers(t *testing.T) {
	for _, l := range layers {
		t.Run(l.key, func(t *testing.T) {
			text, e, flags := "", env{}, map[string]string{}
			for i, set := range []func(){
				func() {},
				func() { text = l.toml() },
				func() { e[config.EnvName(l.key)] = l.env },
				func() { flags[l.key] = l.flag },
			} {
				set()
				c, err := load(t, text, e, flags)
				if err != nil {
					t.Fatal(err)
				}
				if got := l.read(&c); got != l.want[i] {
					t.Errorf("with %d layers: %s, want %s", i, got, l.want[i])
				}
				if changed := differences(c, config.Default()); i > 0 && !slices.Equal(changed, []string{l.key}) {
					t.Errorf("with %d layers these settings changed: %v", i, changed)
				}
			}
		})
	}
}

func (l layered) toml() string {
	section, key, _ := strings.Cut(l.key, ".")
	value := l.file
	if !l.fileIsNumberNotAText {
		value = `"` + value + `"`
	}
	return fmt.Sprintf("[%s]\n%s = %s\n", section, key, value)
}

// differences names the layered keys in which two configurations differ, and
// "other" where anything else does.
func differences(a, b config.Config) (keys []string) {
	for _, l := range layers {
		if l.read(&a) != l.read(&b) {
			keys = append(keys, l.key)
		}
	}
	a.Server.Listen, a.Ingest.MaxSeries, a.Ingest.MaxBody, a.Aggregate.Idle = b.Server.Listen, b.Ingest.MaxSeries, b.Ingest.MaxBody, b.Aggregate.Idle
	if !reflect.DeepEqual(a, b) {
		keys = append(keys, "other")
	}
	return keys
}

// TestAliases holds the variables that deployments set by other names to their
// place: above the file, below the setting's own variable.
func TestAliases(t *testing.T) {
	url := func(c *config.Config) string { return c.Storage.URL }
	password := func(c *config.Config) string { return c.Storage.Password.Reveal() }
	listen := func(c *config.Config) string { return c.Server.Listen }
	for name, c := range map[string]struct {
		file  string
		env   env
		flags map[string]string
		read  func(*config.Config) string
		want  string
	}{
		"DATABASE_URL":              {"", env{"DATABASE_URL": "postgres://a/b"}, nil, url, "postgres://a/b"},
		"over the file":             {"[storage]\nurl = \"sqlite:x\"\n", env{"DATABASE_URL": "postgres://a/b"}, nil, url, "postgres://a/b"},
		"under its own variable":    {"", env{"DATABASE_URL": "postgres://a/b", "NEXUS_STORAGE_URL": "postgres://c/d"}, nil, url, "postgres://c/d"},
		"under the flag":            {"", env{"DATABASE_URL": "postgres://a/b"}, map[string]string{"storage.url": "sqlite:y"}, url, "sqlite:y"},
		"DATABASE_PASSWORD":         {"", env{"DATABASE_PASSWORD": "geheim"}, nil, password, "geheim"},
		"PORT":                      {"", env{"PORT": "9090"}, nil, listen, "127.0.0.1:9090"},
		"PORT keeps the host":       {"[server]\nlisten = \"[::1]:1\"\n", env{"PORT": "9090"}, nil, listen, "[::1]:9090"},
		"PORT under the variable":   {"", env{"PORT": "9090", "NEXUS_SERVER_LISTEN": "127.0.0.1:7"}, nil, listen, "127.0.0.1:7"},
		"--port over PORT":          {"", env{"PORT": "9090"}, map[string]string{config.PortFlag: "9191"}, listen, "127.0.0.1:9191"},
		"--port over the variable":  {"", env{"NEXUS_SERVER_LISTEN": "[::1]:7"}, map[string]string{config.PortFlag: "9191"}, listen, "[::1]:9191"},
		"--port beside --listen":    {"", nil, map[string]string{config.PortFlag: "9191", "server.listen": "[::1]:7"}, listen, "[::1]:9191"},
		"an empty variable is none": {"[storage]\nurl = \"sqlite:x\"\n", env{"DATABASE_URL": "", "NEXUS_STORAGE_URL": ""}, nil, url, "sqlite:x"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, c.file, c.env, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if v := c.read(&got); v != c.want {
				t.Errorf("got %q, want %q", v, c.want)
			}
		})
	}
}

// TestEveryKeyHasAVariable sets each key by its variable, so that none lacks
// a written form.
func TestEveryKeyHasAVariable(t *testing.T) {
	values := map[string]string{
		"server.listen": "127.0.0.1:1", "server.data_dir": "/x", "server.shutdown_timeout": "7s", "server.max_connections": "7",
		"server.max_per_address": "7", "server.stream_clients": "7", "server.proxy_from": "10.0.0.0/8", "server.hosts": "nexus.example", "server.memory_limit": "7GiB", "server.disk_reserve": "7GiB", "ingest.max_name_series": "7", "ingest.max_tag_values": "7",
		"ingest.first_byte_timeout": "7s", "ingest.line_timeout": "7s", "ingest.min_rate": "7B", "ingest.max_skip": "7MiB", "ingest.keep_events": "7d",
		"ingest.batching": "timed", "ingest.batch_units": "7", "ingest.batch_interval": "7ms", "ingest.batch_bytes": "7KiB",
		"ingest.lanes": "7", "ingest.max_series": "7", "ingest.max_line": "777", "ingest.max_body": "7777", "ingest.receive_buffer": "7777", "ingest.past": "7s",
		"ingest.future": "7s", "ingest.dialect": "dogstatsd", "ingest.names": "unicode", "ingest.unixgram": "/x", "ingest.unix": "/x", "ingest.udp": "127.0.0.1:7",
		"aggregate.resolution": "5s", "aggregate.schema": "7", "aggregate.idle": "7m", "aggregate.window_bytes": "7MiB",
		"wal.record": "acked", "wal.sync": "never", "wal.interval": "7ms", "wal.segment_size": "7MiB",
		"storage.url": "sqlite:x", "storage.password": "x", "storage.max_connections": "7", "storage.timeout": "7s", "storage.head_bytes": "7B",
		"storage.retention_10s": "8d", "storage.retention_10s_histograms": "3d", "storage.retention_1m": "91d", "storage.retention_1h": "1100d",
		"storage.sql_series": "7", "storage.sql_names": "http.*, queue.depth",
		"query.timeout": "7s", "query.max_series": "7", "query.max_samples": "7", "query.max_length": "77B", "query.max_depth": "7", "query.concurrency": "7", "query.max_waiting": "7",
		"log.level": "debug", "log.format": "json",
		"tracing.endpoint": "http://localhost:4317", "tracing.protocol": "http", "tracing.sample": "0.7",
	}
	if got, want := slices.Sorted(maps.Keys(values)), slices.Sorted(slices.Values(config.Keys())); !slices.Equal(got, want) {
		t.Fatalf("the test knows the keys\n%v\nthere are\n%v", got, want)
	}
	for key, value := range values {
		c, err := load(t, "", env{config.EnvName(key): value}, nil)
		if err != nil {
			t.Errorf("%s: %v", config.EnvName(key), err)
		}
		if reflect.DeepEqual(c, config.Default()) {
			t.Errorf("%s = %s changes nothing", config.EnvName(key), value)
		}
	}
	if got := config.EnvName("storage.max_connections"); got != "NEXUS_STORAGE_MAX_CONNECTIONS" {
		t.Error(got)
	}
}

func TestLanes(t *testing.T) {
	c := config.Default()
	if n := c.Lanes(); n < 1 {
		t.Errorf("%d lanes by default", n)
	}
	c.Ingest.Lanes = 7
	if n := c.Lanes(); n != 7 {
		t.Errorf("%d lanes where 7 are set", n)
	}
}

// TestSearch finds the file where none is named: the first of the search order
// that is there, and only that one.
func TestSearch(t *testing.T) {
	here, home := t.TempDir(), t.TempDir()
	t.Chdir(here)
	e := env{"XDG_CONFIG_HOME": home}
	searched := config.Search(e.get)
	want := []string{"nexus.toml", filepath.Join(home, "nexusctl", "nexus.toml"), "/etc/nexusctl/nexus.toml"}
	if !slices.Equal(searched, want) {
		t.Fatalf("searched %v, want %v", searched, want)
	}
	maxSeries := func(e env) int {
		t.Helper()
		c, err := config.Load(config.Source{Getenv: e.get})
		if err != nil {
			t.Fatal(err)
		}
		return c.Ingest.MaxSeries
	}
	if err := os.Mkdir(filepath.Join(home, "nexusctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "nexusctl"), "[ingest]\nmax_series = 2\n")
	if n := maxSeries(e); n != 2 {
		t.Errorf("the file in XDG_CONFIG_HOME was not read: %d", n)
	}
	write(t, here, "[ingest]\nmax_series = 1\nlanes = 1\n")
	if n := maxSeries(e); n != 1 {
		t.Errorf("./nexus.toml does not come first: %d", n)
	}
	e["NEXUS_CONFIG"] = write(t, t.TempDir(), "[ingest]\nmax_series = 3\n")
	if n := maxSeries(e); n != 3 {
		t.Errorf("NEXUS_CONFIG does not beat the search: %d", n)
	}
	named := write(t, t.TempDir(), "[ingest]\nmax_series = 4\n")
	c, err := config.Load(config.Source{Path: named, Getenv: e.get})
	if err != nil || c.Ingest.MaxSeries != 4 || c.Ingest.Lanes != 0 {
		t.Errorf("a named file does not stand alone: %d series, %d lanes, %v", c.Ingest.MaxSeries, c.Ingest.Lanes, err)
	}
}

func TestSearchFallsBackToHome(t *testing.T) {
	t.Setenv("HOME", "/home/x")
	if got := config.Search(env{}.get)[1]; got != "/home/x/.config/nexusctl/nexus.toml" {
		t.Error(got)
	}
}

// TestMissingFile names the path that was asked for, and where else a file
// would have been looked for.
func TestMissingFile(t *testing.T) {
	for name, src := range map[string]config.Source{
		"--config":     {Path: "no/such.toml", Getenv: env{}.get},
		"NEXUS_CONFIG": {Getenv: env{"NEXUS_CONFIG": "no/such.toml"}.get},
	} {
		_, err := config.Load(src)
		var missing *config.NotFoundError
		if !errors.As(err, &missing) || missing.Path != "no/such.toml" || len(missing.Searched) != 3 {
			t.Fatalf("%s: %v", name, err)
		}
		for _, part := range append(missing.Searched, missing.Path) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %s", name, err, part)
			}
		}
	}
}

// TestDefaultDataDir follows the service manager first, then the user's own
// data directory.
func TestDefaultDataDir(t *testing.T) {
	t.Setenv("HOME", "/home/x")
	for _, c := range []struct{ state, data, want string }{
		{"/var/lib/n", "/d", "/var/lib/n"},
		{"", "/d", "/d/nexusctl"},
		{"", "", "/home/x/.local/share/nexusctl"},
	} {
		t.Setenv("STATE_DIRECTORY", c.state)
		t.Setenv("XDG_DATA_HOME", c.data)
		if got := config.Default().Server.DataDir; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := config.Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if time.Duration(c.Aggregate.Resolution) != 10*time.Second {
		t.Error(c.Aggregate.Resolution)
	}
}
