// Package config reads the daemon's settings in layers: built-in defaults, the
// file nexus.toml, the environment, the command line; each beats the one
// before.
//
// It knows the shape of the file and nothing of what the settings do: each
// owner gets its own section as an argument. An unknown key is refused, with
// the nearest valid one: a misspelled setting must never be a silent default.
// Where a setting came from is kept with it.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"example.com/nexusctl/slo"
)

// Config is every setting, with the section of the file it stands in. The tag
// live marks what a reload changes in a running daemon.
type Config struct {
	Server    Server    `toml:"server"`
	Ingest    Ingest    `toml:"ingest"`
	Aggregate Aggregate `toml:"aggregate"`
	WAL       WAL       `toml:"wal"`
	Storage   Storage   `toml:"storage"`
	Query     Query     `toml:"query"`
	Log       Log       `toml:"log"`
	Tracing   Tracing   `toml:"tracing"`

	// SLO are the user's objectives, sections [[slo]]. They stand in the file
	// alone.
	SLO []slo.Definition `toml:"slo"`
}

// Server is where the daemon listens and lives.
type Server struct {
	Listen          string   `toml:"listen"`
	DataDir         string   `toml:"data_dir"`
	ShutdownTimeout Duration `toml:"shutdown_timeout" live:"yes"`
	MaxConnections  int      `toml:"max_connections" live:"yes"`
	MaxPerAddress   int      `toml:"max_per_address" live:"yes"` // 0: no limit of its own
	StreamClients   int      `toml:"stream_clients" live:"yes"`  // 0: no streams
	ProxyFrom       string   `toml:"proxy_from"`                 // networks, separated by commas
	Hosts           string   `toml:"hosts" live:"yes"`           // names, separated by commas
	MemoryLimit     Size     `toml:"memory_limit" live:"yes"`    // 0: what the runtime or the container says
	DiskReserve     Size     `toml:"disk_reserve" live:"yes"`    // 0: none
}

// ProxyNetworks returns the networks whose PROXY headers are believed.
func (s *Server) ProxyNetworks() (list []netip.Prefix, err error) {
	for _, text := range strings.Split(s.ProxyFrom, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, perr := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); perr != nil && aerr == nil {
			p, perr = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if perr != nil {
			return nil, fmt.Errorf("%q is no network: write 10.0.0.0/8, or an address", text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// HostNames returns the names under which HTTP may be asked beside localhost and
// addresses, in lower case: those of hosts, and the one that is listened on.
func (s *Server) HostNames() (list []string, err error) {
	if host, _, err := net.SplitHostPort(s.Listen); err == nil && host != "" {
		list = append(list, strings.ToLower(host))
	}
	for _, text := range strings.Split(s.Hosts, ",") {
		name := strings.ToLower(strings.TrimSpace(text))
		if name == "" {
			continue
		}
		if name != "*" && (!hostName.MatchString(name) || len(name) > 253) {
			return nil, fmt.Errorf("%q is no name of a host: write nexus.example.com without a port, .example.com for every name that ends so, or * for any", text)
		}
		list = append(list, name)
	}
	return list, nil
}

var hostName = regexp.MustCompile(`^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// Ingest is what is taken, and through which further doors.
type Ingest struct {
	Lanes     int `toml:"lanes"` // 0: one for each processor
	MaxSeries int `toml:"max_series" live:"yes"`

	MaxNameSeries int `toml:"max_name_series" live:"yes"` // 0: no limit of its own
	MaxTagValues  int `toml:"max_tag_values" live:"yes"`  // 0: no limit of its own

	MaxLine Size `toml:"max_line" live:"yes"`
	MaxBody Size `toml:"max_body" live:"yes"`

	ReceiveBuffer Size `toml:"receive_buffer"` // 0: the system's own

	Past    Duration `toml:"past" live:"yes"`
	Future  Duration `toml:"future" live:"yes"`
	Dialect string   `toml:"dialect" live:"yes"`
	Names   string   `toml:"names" live:"yes"`

	Unixgram string `toml:"unixgram"`
	Unix     string `toml:"unix"`
	UDP      string `toml:"udp"`

	FirstByteTimeout Duration `toml:"first_byte_timeout" live:"yes"` // 0: none
	LineTimeout      Duration `toml:"line_timeout" live:"yes"`       // 0: none
	MinRate          Size     `toml:"min_rate" live:"yes"`           // a second
	MaxSkip          Size     `toml:"max_skip" live:"yes"`           // 0: none
	KeepEvents       Duration `toml:"keep_events" live:"yes"`

	Batching      string   `toml:"batching"`
	BatchUnits    int      `toml:"batch_units"`
	BatchInterval Duration `toml:"batch_interval"`
	BatchBytes    Size     `toml:"batch_bytes"`
}

// Aggregate is how samples become points.
type Aggregate struct {
	Resolution Duration `toml:"resolution"`
	Schema     int      `toml:"schema"`
	Idle       Duration `toml:"idle" live:"yes"`

	WindowBytes Size `toml:"window_bytes" live:"yes"` // 0: no live window
}

// WAL is how the log is kept.
type WAL struct {
	Record      string   `toml:"record"`
	Sync        string   `toml:"sync"`
	Interval    Duration `toml:"interval"`
	SegmentSize Size     `toml:"segment_size"`
}

// Storage is where points go.
type Storage struct {
	URL            string   `toml:"url"` // may hold a password
	Password       Secret   `toml:"password"`
	MaxConnections int      `toml:"max_connections"`
	Timeout        Duration `toml:"timeout"`
	HeadBytes      Size     `toml:"head_bytes" live:"yes"`

	Retention10s           Duration `toml:"retention_10s" live:"yes"`
	Retention10sHistograms Duration `toml:"retention_10s_histograms" live:"yes"`
	Retention1m            Duration `toml:"retention_1m" live:"yes"`
	Retention1h            Duration `toml:"retention_1h" live:"yes"`
	SQLSeries              int      `toml:"sql_series" live:"yes"`
	SQLNames               string   `toml:"sql_names" live:"yes"` // behind commas; empty: any
}

// Query bounds what one PromQL query may cost.
type Query struct {
	Timeout    Duration `toml:"timeout"`
	MaxSeries  int      `toml:"max_series"`
	MaxSamples int      `toml:"max_samples"`
	MaxLength  Size     `toml:"max_length"`
	MaxDepth   int      `toml:"max_depth"`

	Concurrency int `toml:"concurrency"` // 0: by the processors
	MaxWaiting  int `toml:"max_waiting"`
}

// Log is what the daemon says.
type Log struct {
	Level  string `toml:"level" live:"yes"`
	Format string `toml:"format"`
}

// Tracing is where spans go; without an endpoint none are made.
type Tracing struct {
	Endpoint string `toml:"endpoint"`
	Protocol string `toml:"protocol"`
	Sample   Ratio  `toml:"sample" live:"yes"`
}

const day = 24 * time.Hour

// Default returns the settings with which the daemon runs without any file.
func Default() Config {
	return Config{
		Server: Server{
			Listen: "127.0.0.1:8080", DataDir: defaultDataDir(),
			ShutdownTimeout: Duration(30 * time.Second), MaxConnections: 16_384, StreamClients: 1000,
		},
		Ingest: Ingest{
			MaxSeries: 2_000_000, MaxNameSeries: 1_000_000, MaxTagValues: 1_000_000, MaxLine: 64 << 10, MaxBody: 16 << 20, ReceiveBuffer: 128 << 10,
			Past: Duration(24 * time.Hour), Future: Duration(10 * time.Minute), Dialect: "nexus", Names: "ascii",
			FirstByteTimeout: Duration(10 * time.Second), LineTimeout: Duration(10 * time.Second), MinRate: 64, MaxSkip: 64 << 20,
			KeepEvents: Duration(90 * 24 * time.Hour),
			Batching:   "adaptive", BatchUnits: 1000, BatchInterval: Duration(time.Millisecond), BatchBytes: 64 << 10,
		},
		Aggregate: Aggregate{Resolution: Duration(10 * time.Second), Schema: 5, Idle: Duration(5 * time.Minute), WindowBytes: 256 << 20},
		WAL:       WAL{Record: "all", Sync: "interval", Interval: Duration(100 * time.Millisecond), SegmentSize: 64 << 20},
		Storage: Storage{
			URL: "sqlite:nexus.db", MaxConnections: 8, Timeout: Duration(30 * time.Second), HeadBytes: 32 << 20,
			Retention10s: Duration(7 * day), Retention10sHistograms: Duration(2 * day), Retention1m: Duration(90 * day), Retention1h: Duration(3 * 365 * day),
			SQLSeries: 1000,
		},
		Query: Query{
			Timeout: Duration(30 * time.Second), MaxSeries: 100_000, MaxSamples: 50_000_000, MaxLength: 16 << 10, MaxDepth: 100, MaxWaiting: 256,
		},
		Log:     Log{Level: "info", Format: "auto"},
		Tracing: Tracing{Protocol: "grpc", Sample: 0.01},
	}
}

// Lanes returns the number of lanes that the settings ask for.
func (c *Config) Lanes() int {
	if c.Ingest.Lanes > 0 {
		return c.Ingest.Lanes
	}
	return runtime.GOMAXPROCS(0)
}

// Questions returns the number of questions that are worked on at once. Each takes
// one processor at most: more at once would end no sooner, and take the lanes' time.
func (c *Config) Questions() int {
	if c.Query.Concurrency > 0 {
		return c.Query.Concurrency
	}
	return max(2, runtime.GOMAXPROCS(0))
}

func defaultDataDir() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "nexusctl")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("nexusctl-%d", os.Getuid()))
	}
	return filepath.Join(home, ".local", "share", "nexusctl")
}
