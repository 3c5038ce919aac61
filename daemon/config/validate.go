package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
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
	return errors.Join(
		c.Server.validate(), c.Ingest.validate(), c.Aggregate.validate(), c.WAL.validate(), c.Storage.validate(), c.Log.validate(),
	)
}

func (s *Server) validate() error {
	return errors.Join(
		validateListen("server.listen", s.Listen),
		check(s.DataDir != "", "server.data_dir is empty: name a directory the daemon may write"),
		within("server.shutdown_timeout", time.Duration(s.ShutdownTimeout), time.Second, time.Hour),
		between("server.max_connections", int64(s.MaxConnections), 1, 1<<20),
	)
}

func (i *Ingest) validate() error {
	var udp error
	if i.UDP != "" {
		udp = validateListen("ingest.udp", i.UDP)
	}
	return errors.Join(udp,
		between("ingest.lanes", int64(i.Lanes), 0, 64),
		between("ingest.max_series", int64(i.MaxSeries), 1, 1<<30),
		between("ingest.max_line", int64(i.MaxLine), 64, 64<<10),
		between("ingest.max_body", int64(i.MaxBody), 1<<10, 1<<30),
		within("ingest.past", time.Duration(i.Past), 0, 100*365*24*time.Hour),
		within("ingest.future", time.Duration(i.Future), 0, 365*24*time.Hour),
		oneOf("ingest.dialect", i.Dialect, "nexus", "dogstatsd"),
	)
}

func (a *Aggregate) validate() error {
	r := time.Duration(a.Resolution)
	return errors.Join(
		within("aggregate.resolution", r, time.Second, time.Minute),
		check(r <= 0 || time.Minute%r == 0, "aggregate.resolution must divide a minute: 1s, 2s, 5s, 10s, 15s, 20s, 30s or 1m"),
		between("aggregate.schema", int64(a.Schema), 3, 8),
		within("aggregate.idle", time.Duration(a.Idle), time.Minute, 24*time.Hour),
	)
}

func (w *WAL) validate() error {
	return errors.Join(
		oneOf("wal.sync", w.Sync, "always", "interval", "never"),
		within("wal.interval", time.Duration(w.Interval), time.Millisecond, time.Minute),
		between("wal.segment_size", int64(w.SegmentSize), 1<<20, 1<<32),
	)
}

func (s *Storage) validate() error {
	known := strings.HasPrefix(s.URL, "sqlite:") || strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://")
	return errors.Join(
		check(known, "storage.url must begin with sqlite: or postgres://"),
		between("storage.max_connections", int64(s.MaxConnections), 2, 1000),
		within("storage.timeout", time.Duration(s.Timeout), 100*time.Millisecond, time.Hour),
		between("storage.head_bytes", int64(s.HeadBytes), 0, 1<<40),
	)
}

func (l *Log) validate() error {
	return errors.Join(
		oneOf("log.level", l.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", l.Format, "auto", "text", "json"),
	)
}

// validateListen takes loopback addresses alone. Nothing authenticates a peer
// yet, so any other address would open the data to the network.
func validateListen(key, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%s: %q is no address: write host:port, such as 127.0.0.1:8080", key, listen)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s: %q is no port: write a number from 1 to 65535", key, port)
	}
	if host == "localhost" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
		return fmt.Errorf("%s: %s is not a loopback address: this version has no authentication and listens on 127.0.0.1, ::1 or localhost alone", key, listen)
	}
	return nil
}

func check(ok bool, fault string) error {
	if ok {
		return nil
	}
	return errors.New(fault)
}

func between(key string, v, low, high int64) error {
	return check(v >= low && v <= high, fmt.Sprintf("%s is %d: it must lie between %d and %d", key, v, low, high))
}

func within(key string, v, low, high time.Duration) error {
	return check(v >= low && v <= high, fmt.Sprintf("%s is %s: it must lie between %s and %s", key, v, low, high))
}

func oneOf(key, v string, valid ...string) error {
	for _, s := range valid {
		if v == s {
			return nil
		}
	}
	return fmt.Errorf("%s is %q: it must be one of %s", key, v, strings.Join(valid, ", "))
}
