package storage

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// BenchmarkResolve names a million new series in an empty store, as a flush does:
// in the order of their keys, 20,000 at once. It reports the processor time of
// this process, which on SQLite is all there is.
func BenchmarkResolve(b *testing.B) {
	const total, batch = 1_000_000, 20_000
	var keys [][]byte
	for i := range total {
		k := series.Key{Name: fmt.Sprintf("load.metric.%d", i%10_000), Type: []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Timer}[i%10_000%3], Tags: []series.Tag{
			{Key: "env", Value: "prod"}, {Key: "host", Value: fmt.Sprint("web-", i/10_000)}, {Key: "region", Value: fmt.Sprint("eu-west-", i%13)},
		}}
		keys = append(keys, k.Append(nil))
	}
	slices.SortFunc(keys, bytes.Compare)
	for name, url := range map[string]func() string{"sqlite": func() string { return "sqlite:nexus.db" }, "postgres": func() string { return pgtest.DSN(b) }} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := migrated(b, url())
				began, cpu := time.Now(), processorTime(b)
				for part := range slices.Chunk(keys, batch) {
					if _, err := s.Resolve(b.Context(), part); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(time.Since(began).Seconds(), "s/1M")
				b.ReportMetric((processorTime(b) - cpu).Seconds(), "CPU-s/1M")
			}
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
