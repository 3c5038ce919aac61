package replay_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

const (
	benchLanes       = 2
	benchLines       = 16_000_000
	benchBatch       = 960 // lines of a 64 KiB chunk
	benchGenerations = 8
)

// benchLog writes what two lanes log of lines of 100,000 series, which come as
// often as Zipf's law says: 60 % counters, 20 % gauges, 20 % histograms.
func benchLog(b *testing.B, seriesCount int) *wal.Log {
	b.Helper()
	log, err := wal.Open(b.TempDir(), wal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	add := func(payload []byte) {
		if _, err := log.Append(func(wal.Position) []byte { return payload }); err != nil {
			b.Fatal(err)
		}
	}
	mark := record.Mark{Generation: 1, Bucket: start, At: start, Restart: true}
	add(record.AppendMark(nil, mark))
	var buf []byte
	for l := range benchLanes {
		buf = record.AppendBatch(buf[:0], &record.Batch{Lane: uint32(l), At: start, Defs: benchDefs(seriesCount)})
		add(buf)
	}
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 1, uint64(seriesCount-1))
	batch := record.Batch{At: start}
	for line := 0; line < benchLines; line += benchBatch {
		batch.Lane, batch.Samples = uint32(line/benchBatch%benchLanes), batch.Samples[:0]
		for range benchBatch {
			ref := uint32(zipf.Uint64())
			batch.Samples = append(batch.Samples, record.Sample{Ref: ref, Value: benchValue(r, ref)})
		}
		buf = record.AppendBatch(buf[:0], &batch)
		add(buf)
		if line/(benchLines/benchGenerations) != (line+benchBatch)/(benchLines/benchGenerations) {
			mark = record.Mark{Generation: mark.Generation + 1, Bucket: mark.Bucket + 10_000, At: mark.At + 10_000}
			add(record.AppendMark(nil, mark))
		}
	}
	if err := log.Sync(); err != nil {
		b.Fatal(err)
	}
	return log
}

func benchDefs(n int) (defs []record.Def) {
	types := []protocol.Type{protocol.Counter, protocol.Counter, protocol.Counter, protocol.Gauge, protocol.Timer}
	for i := range n {
		k := series.Key{Name: fmt.Sprintf("service.requests.%d", i%1000), Type: types[i%5], Tags: []series.Tag{
			{Key: "env", Value: "prod"}, {Key: "host", Value: fmt.Sprintf("web%05d", i)}, {Key: "region", Value: "eu-west"},
		}}
		defs = append(defs, record.Def{Rate: 1, Key: k.Append(nil)})
	}
	return defs
}

func benchValue(r *rand.Rand, ref uint32) float64 {
	switch ref % 5 {
	case 3:
		return float64(r.IntN(1000)) / 10
	case 4:
		return math.Round(r.ExpFloat64()*1000) / 100
	}
	return 1
}

// BenchmarkReplay folds a log from disk as recovery does, without storing it.
func BenchmarkReplay(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) {
			log := benchLog(b, n)
			files, err := replay.OpenCheckpoints(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(log.End()))
			lines := uint64(0)
			for b.Loop() {
				source := &replay.Source{Log: log, Checkpoints: files, Catalog: admit.NewCatalog(1 << 20), Options: foldOptions}
				_, err := source.Generations(context.Background(), 0, log.End(), func(g *aggregate.Generation, _ *aggregate.State) error {
					lines += g.Values()
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)/1e6/b.Elapsed().Seconds(), "Mlines/s")
			b.ReportMetric(float64(log.End())/benchLines, "B/line")
		})
	}
}
