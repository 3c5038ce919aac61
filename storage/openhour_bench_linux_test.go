package storage

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"

	"example.com/nexusctl/storage/block"
)

// BenchmarkReadOpenHour reads one series of an hour that is not compacted, 120 flushes
// of 100 shards, each read behind another flush: the pages that a connection holds are
// out of date then. Processor time is of the reads alone, and of all threads.
func BenchmarkReadOpenHour(b *testing.B) {
	const hour, shards, flushes = 500_000, 100, 120
	s := sqliteStore(b)
	random := rand.NewChaCha8([32]byte{})
	seq := uint64(0)
	flush := func(shards int64) {
		f := Flush{Writer: "w", From: seq, To: seq + 1, Seq: seq + 1, Hour: hour}
		for shard := range shards {
			data := make([]byte, 10<<10) // what a thousand series take
			random.Read(data)
			f.Blocks = append(f.Blocks, Block{Shard: shard, Data: data})
		}
		seq++
		if _, err := s.Commit(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	for range flushes {
		flush(shards)
	}
	read := func(shard int64) {
		sel, err := s.Read(b.Context(), ReadRequest{IDs: []int64{shard * block.ShardSize}, From: hour * hourMillis, To: (hour+1)*hourMillis - 1})
		if err != nil || len(sel.Blocks) != flushes || bytes.Equal(sel.Blocks[0].Data, sel.Blocks[1].Data) {
			b.Fatal(len(sel.Blocks), err)
		}
		sel.Release()
	}
	var spent int64
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		b.StopTimer()
		flush(0)
		b.StartTimer()
		before := cpu(b)
		read(i * 37 % shards)
		spent += cpu(b) - before
	}
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-µs/op")
}

// cpu returns the processor time that this process has used, microseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Usec + u.Stime.Usec + 1_000_000*(u.Utime.Sec+u.Stime.Sec)
}
