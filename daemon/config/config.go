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
	"os"
	"path/filepath"
	"runtime"
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
}

// Ingest is what is taken, and through which further doors.
type Ingest struct {
	Lanes     int      `toml:"lanes"` // 0: one for each processor
	MaxSeries int      `toml:"max_series" live:"yes"`
	MaxLine   Size     `toml:"max_line" live:"yes"`
	MaxBody   Size     `toml:"max_body" live:"yes"`
	Past      Duration `toml:"past" live:"yes"`
	Future    Duration `toml:"future" live:"yes"`
	Dialect   string   `toml:"dialect" live:"yes"`
	Unixgram  string   `toml:"unixgram"`
	Unix      string   `toml:"unix"`
	UDP       string   `toml:"udp"`
}

// Aggregate is how samples become points.
type Aggregate struct {
	Resolution Duration `toml:"resolution"`
	Schema     int      `toml:"schema"`
	Idle       Duration `toml:"idle" live:"yes"`
}

// WAL is how the log is kept.
type WAL struct {
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
}

// Query bounds what one PromQL query may cost.
type Query struct {
	Timeout    Duration `toml:"timeout"`
	MaxSeries  int      `toml:"max_series"`
	MaxSamples int      `toml:"max_samples"`
	MaxLength  Size     `toml:"max_length"`
	MaxDepth   int      `toml:"max_depth"`
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

// Default returns the settings with which the daemon runs without any file.
func Default() Config {
	return Config{
		Server: Server{
			Listen: "127.0.0.1:8080", DataDir: defaultDataDir(),
			ShutdownTimeout: Duration(30 * time.Second), MaxConnections: 16_384,
		},
		Ingest: Ingest{
			MaxSeries: 2_000_000, MaxLine: 64 << 10, MaxBody: 16 << 20,
			Past: Duration(24 * time.Hour), Future: Duration(10 * time.Minute), Dialect: "nexus",
		},
		Aggregate: Aggregate{Resolution: Duration(10 * time.Second), Schema: 5, Idle: Duration(5 * time.Minute)},
		WAL:       WAL{Sync: "interval", Interval: Duration(100 * time.Millisecond), SegmentSize: 64 << 20},
		Storage: Storage{
			URL: "sqlite:nexus.db", MaxConnections: 8, Timeout: Duration(30 * time.Second), HeadBytes: 256 << 20,
		},
		Query: Query{
			Timeout: Duration(30 * time.Second), MaxSeries: 100_000, MaxSamples: 50_000_000, MaxLength: 16 << 10, MaxDepth: 100,
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
