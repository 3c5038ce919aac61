package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/daemon/objective"
)

// WithPort replaces the port of a listen address.
func WithPort(listen, port string) (string, error) {
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q is no port: write a number from 1 to 65535", port)
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// Validate returns every fault of the settings at once.
func (c *Config) Validate() error {
	var errs []error
	for _, v := range c.violations() {
		errs = append(errs, errors.New(v.rule))
	}
	return errors.Join(errs...)
}

// violation is a rule that a setting breaks.
type violation struct{ key, rule string }

// describe names the rule, and where the value came from.
func (v violation) describe(o Origin) error {
	if o.Layer == FromDefault {
		return errors.New(v.rule)
	}
	return fmt.Errorf("%s (%s)", v.rule, o.Where)
}

// checks gathers violations.
type checks struct{ list []violation }

func (c *checks) check(key string, ok bool, rule string) {
	if !ok {
		c.list = append(c.list, violation{key, rule})
	}
}

func (c *checks) between(key string, v, low, high int64) {
	c.check(key, v >= low && v <= high, fmt.Sprintf("%s is %d: it must lie between %d and %d", key, v, low, high))
}

func (c *checks) within(key string, v Duration, low, high time.Duration) {
	d := time.Duration(v)
	c.check(key, d >= low && d <= high, fmt.Sprintf("%s is %s: it must lie between %s and %s", key, d, low, high))
}

func (c *checks) oneOf(key, v string, valid ...string) {
	c.check(key, slices.Contains(valid, v), fmt.Sprintf("%s is %q: it must be one of %s", key, v, strings.Join(valid, ", ")))
}

func (c *checks) err(key string, err error) {
	if err != nil {
		c.check(key, false, fmt.Sprintf("%s: %v", key, err))
	}
}

func (c *Config) violations() []violation {
	var v checks
	c.Server.check(&v)
	c.Ingest.check(&v)
	c.Aggregate.check(&v)
	c.WAL.check(&v)
	c.Storage.check(&v)
	c.Query.check(&v)
	c.Log.check(&v)
	c.Tracing.check(&v)
	_, err := objective.Compile(c.SLO)
	v.err(sloSection, err)
	return v.list
}

func (s *Server) check(c *checks) {
	c.listen("server.listen", s.Listen)
	c.check("server.data_dir", s.DataDir != "", "server.data_dir is empty: name a directory the daemon may write")
	c.within("server.shutdown_timeout", s.ShutdownTimeout, time.Second, time.Hour)
	c.between("server.max_connections", int64(s.MaxConnections), 1, 1<<20)
	c.between("server.max_per_address", int64(s.MaxPerAddress), 0, 1<<20)
	c.between("server.stream_clients", int64(s.StreamClients), 0, 1<<16)
	c.between("server.memory_limit", int64(s.MemoryLimit), 0, 1<<50)
	c.between("server.disk_reserve", int64(s.DiskReserve), 0, 1<<50)
	_, err := s.ProxyNetworks()
	c.err("server.proxy_from", err)
	_, err = s.HostNames()
	c.err("server.hosts", err)
}

func (i *Ingest) check(c *checks) {
	if i.UDP != "" {
		c.listen("ingest.udp", i.UDP)
	}
	c.between("ingest.lanes", int64(i.Lanes), 0, 64)
	c.between("ingest.max_series", int64(i.MaxSeries), 1, 1<<30)
	c.between("ingest.max_name_series", int64(i.MaxNameSeries), 0, 1<<30)
	c.between("ingest.max_tag_values", int64(i.MaxTagValues), 0, 1<<30)
	c.between("ingest.max_line", int64(i.MaxLine), 64, 64<<10)
	c.between("ingest.max_body", int64(i.MaxBody), 1<<10, 1<<30)
	c.between("ingest.receive_buffer", int64(i.ReceiveBuffer), 0, 1<<30)
	c.within("ingest.past", i.Past, 0, 100*365*24*time.Hour)
	c.within("ingest.future", i.Future, 0, 365*24*time.Hour)
	c.oneOf("ingest.dialect", i.Dialect, "nexus", "dogstatsd")
	c.oneOf("ingest.names", i.Names, "ascii", "unicode")
	c.within("ingest.first_byte_timeout", i.FirstByteTimeout, 0, time.Hour)
	c.within("ingest.line_timeout", i.LineTimeout, 0, time.Hour)
	c.between("ingest.min_rate", int64(i.MinRate), 1, 1<<20)
	c.between("ingest.max_skip", int64(i.MaxSkip), 0, 1<<40)
	c.within("ingest.keep_events", i.KeepEvents, time.Hour, 100*365*24*time.Hour)
	c.oneOf("ingest.batching", i.Batching, "adaptive", "fixed", "timed", "memory")
	c.between("ingest.batch_units", int64(i.BatchUnits), 1, 64<<10)
	c.within("ingest.batch_interval", i.BatchInterval, 100*time.Microsecond, time.Second)
	c.between("ingest.batch_bytes", int64(i.BatchBytes), 1<<10, 4<<20)
}

func (a *Aggregate) check(c *checks) {
	r := time.Duration(a.Resolution)
	c.within("aggregate.resolution", a.Resolution, time.Second, time.Minute)
	c.check("aggregate.resolution", r <= 0 || time.Minute%r == 0, "aggregate.resolution must divide a minute: 1s, 2s, 5s, 10s, 15s, 20s, 30s or 1m")
	c.between("aggregate.schema", int64(a.Schema), 3, 8)
	c.within("aggregate.idle", a.Idle, time.Minute, 24*time.Hour)
	c.between("aggregate.window_bytes", int64(a.WindowBytes), 0, 1<<40)
}

func (w *WAL) check(c *checks) {
	c.oneOf("wal.record", w.Record, "all", "acked")
	c.oneOf("wal.sync", w.Sync, "always", "interval", "never")
	c.within("wal.interval", w.Interval, time.Millisecond, time.Minute)
	c.between("wal.segment_size", int64(w.SegmentSize), 1<<20, 1<<32)
}

// longest is how long anything may be kept: longer than time goes back.
const longest = 36_500 * day

func (s *Storage) check(c *checks) {
	known := strings.HasPrefix(s.URL, "sqlite:") || strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://")
	c.check("storage.url", known, "storage.url must begin with sqlite: or postgres://")
	c.between("storage.max_connections", int64(s.MaxConnections), 2, 1000)
	c.within("storage.timeout", s.Timeout, 100*time.Millisecond, time.Hour)
	c.between("storage.head_bytes", int64(s.HeadBytes), 0, 1<<40)
	c.within("storage.retention_10s", s.Retention10s, day, longest)
	c.within("storage.retention_10s_histograms", s.Retention10sHistograms, day, longest)
	c.within("storage.retention_1m", s.Retention1m, day, longest)
	c.within("storage.retention_1h", s.Retention1h, day, longest)
	c.check("storage.retention_1m", s.Retention1m >= s.Retention10s, "storage.retention_1m is shorter than storage.retention_10s: the time between would be empty")
	c.check("storage.retention_1m", s.Retention1m >= s.Retention10sHistograms, "storage.retention_1m is shorter than storage.retention_10s_histograms: the time between would be empty")
	c.check("storage.retention_1h", s.Retention1h >= s.Retention1m, "storage.retention_1h is shorter than storage.retention_1m: the time between would be empty")
	c.between("storage.sql_series", int64(s.SQLSeries), 0, 100_000)
}

func (q *Query) check(c *checks) {
	c.within("query.timeout", q.Timeout, 100*time.Millisecond, time.Hour)
	c.between("query.max_series", int64(q.MaxSeries), 1, 10_000_000)
	c.between("query.max_samples", int64(q.MaxSamples), 1, 1_000_000_000)
	c.between("query.max_length", int64(q.MaxLength), 64, 1<<20)
	c.between("query.max_depth", int64(q.MaxDepth), 1, 1000)
	c.between("query.concurrency", int64(q.Concurrency), 0, 1024)
	c.between("query.max_waiting", int64(q.MaxWaiting), 1, 64<<10)
}

func (l *Log) check(c *checks) {
	_, err := logs.ParseLevels(l.Level)
	c.err("log.level", err)
	c.oneOf("log.format", l.Format, "auto", "text", "json")
}

func (t *Tracing) check(c *checks) {
	c.check("tracing.sample", t.Sample >= 0 && t.Sample <= 1, fmt.Sprintf("tracing.sample is %s: it must lie between 0 and 1", t.Sample))
	c.oneOf("tracing.protocol", t.Protocol, "grpc", "http")
	if t.Endpoint == "" {
		return
	}
	u, err := url.Parse(t.Endpoint)
	c.check("tracing.endpoint", err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"),
		"tracing.endpoint is no URL: write http://localhost:4317, or https:// for TLS")
}

// listen takes loopback addresses alone. Nothing authenticates a peer yet, so
// any other address would open the data to the network.
func (c *checks) listen(key, listen string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		c.check(key, false, fmt.Sprintf("%s: %q is no address: write host:port, such as 127.0.0.1:8080", key, listen))
		return
	}
	n, err := strconv.Atoi(port)
	c.check(key, err == nil && n >= 0 && n <= 65535, fmt.Sprintf("%s: %q is no port: write a number from 1 to 65535", key, port))
	if host == "localhost" {
		return
	}
	a, err := netip.ParseAddr(host)
	c.check(key, err == nil && a.IsLoopback(),
		fmt.Sprintf("%s: %s is not a loopback address: this version has no authentication and listens on 127.0.0.1, ::1 or localhost alone", key, listen))
}
