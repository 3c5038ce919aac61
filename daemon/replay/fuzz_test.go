package replay_test

import (
	"encoding/binary"
	"math"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// sequence joins records, each behind its length.
func sequence(records ...[]byte) (b []byte) {
	for _, r := range records {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
	}
	return b
}

func keyOf(name string, t protocol.Type) []byte { return series.Key{Name: name, Type: t}.Append(nil) }

// FuzzFolder folds records whose frames hold and whose content nobody wrote:
// each is folded or refused, and what was folded can be flushed.
func FuzzFolder(f *testing.F) {
	open := record.AppendMark(nil, record.Mark{Generation: 1, Bucket: start, At: start, Restart: true})
	next := record.AppendMark(nil, record.Mark{Generation: 2, Bucket: start + 10_000, At: start})
	batch := record.AppendBatch(nil, &record.Batch{
		Defs: []record.Def{
			{Rate: 1, Key: keyOf("c", protocol.Counter)}, {Rate: 0.5, Key: keyOf("g", protocol.Gauge)},
			{Rate: 0.25, Key: keyOf("h", protocol.Histogram)}, {Rate: 1, Key: keyOf("s", protocol.Set)},
		},
		Samples: []record.Sample{{Ref: 0, Value: 1}, {Ref: 1, Value: 0.1}, {Ref: 2, Value: -3}, {Ref: 3, Value: 7}},
		Timed:   []record.Timed{{Ref: 0, Time: start - 1, Rate: 0.1, Value: 3}, {Ref: 1, Time: math.MinInt64, Value: 3}},
		Ordered: []record.Ordered{{Ref: 1, Delta: true, Value: 2}, {Ref: 1, Value: 5}},
	})
	odd := record.AppendBatch(nil, &record.Batch{
		Defs:    []record.Def{{Rate: 1e-300, Key: keyOf("h", protocol.Timer)}, {Rate: 1, Key: keyOf("g", protocol.Gauge)}},
		Samples: []record.Sample{{Ref: 0, Value: math.Inf(1)}, {Ref: 0, Value: math.NaN()}, {Ref: 0, Value: -math.MaxFloat64}, {Ref: 0, Value: 5e-324}, {Ref: 1, Value: math.NaN()}},
		Timed:   []record.Timed{{Ref: 0, Rate: math.NaN(), Value: 1}, {Ref: 0, Rate: -1, Value: 1}, {Ref: 0, Rate: 5e-324, Value: 1}},
		Ordered: []record.Ordered{{Ref: 1, Delta: true, Value: math.Inf(-1)}, {Ref: 1, Delta: true, Value: math.Inf(1)}},
	})
	f.Add(sequence(open, batch, next, next))
	var events record.Events
	events.Append(&record.Event{Kind: protocol.EventNotice, Title: []byte("t"), Time: math.MinInt64})
	events.Append(&record.Event{Kind: protocol.CheckNotice, Title: []byte("t"), Tags: []protocol.Tag{{Key: []byte("k")}}})
	f.Add(sequence(open, record.AppendBatch(nil, &record.Batch{Events: events}), next))
	f.Add(sequence(open, odd, next))
	cut := record.AppendCut(nil, record.Cut{Generation: 90, At: start, Units: 5})
	f.Add(sequence(cut, record.AppendBatch(nil, &record.Batch{Lost: 5}), record.AppendMark(nil, record.Mark{Generation: 91, Bucket: start, Restart: true})))
	f.Add(sequence(open, batch, cut, record.AppendMark(nil, record.Mark{Generation: 91, Bucket: start, Restart: true})))
	f.Add(sequence(batch, open, record.AppendBatch(nil, &record.Batch{Lane: 3, Samples: []record.Sample{{Ref: 1 << 31, Value: 1}}}), next))
	f.Fuzz(func(t *testing.T, b []byte) {
		catalog := admit.NewCatalog(1000)
		folder, err := replay.NewFolder(nil, catalog, foldOptions)
		if err != nil {
			t.Fatal(err)
		}
		at := wal.Position(0)
		for len(b) > 0 {
			n, w := binary.Uvarint(b)
			if w <= 0 || n == 0 || n > uint64(len(b)-w) {
				return
			}
			payload := b[w : uint64(w)+n]
			b = b[uint64(w)+n:]
			span := wal.Span{From: at, To: at + wal.Position(n)}
			at = span.To
			g, err := folder.Record(payload, span)
			if err != nil {
				return // recovery ends here, with the place named
			}
			if g != nil {
				flushed(t, g, folder.State())
			}
		}
	})
}

// flushed does with a generation what a flush does.
func flushed(t *testing.T, g *aggregate.Generation, state *aggregate.State) {
	stored := uint64(len(g.Events()))
	for _, e := range g.Events() {
		if _, err := record.DecodeEvent(e.Body); err != nil {
			t.Fatal(err)
		}
	}
	g.Series(func(uint32) {})
	g.Points(func(i uint32) int64 { return int64(i) + 1 }, state, func(shard int64, points []block.Point) {
		b := block.AppendBlock(nil, shard, g.Bucket, points)
		if back, err := block.DecodeBlock(b, nil); err != nil || len(back) != len(points) {
			t.Fatalf("%d points of %+v come back as %d: %v", len(points), points, len(back), err)
		}
		for _, p := range points {
			stored += p.N
		}
	})
	if stored < g.Values() { // own signals are beside the count
		t.Fatalf("%d values were folded, %d are in the points", g.Values(), stored)
	}
	g.Advance(state)
	g.Release()
}
