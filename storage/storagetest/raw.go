package storagetest

import (
	"math"
	"testing"

	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// testRaw keeps numbers and histograms of one raw series over a compaction; of
// two at one time, the first.
func testRaw(t *testing.T, open Open) {
	s, _ := open(t)
	id := must[[]int64](t)(s.Resolve(t.Context(), keys(1, "raw")))[0]
	at := hour * millis
	native := (&histogram.Native{Count: 3, Sum: 5}).AppendBinary(nil)
	points := []block.Point{
		{Series: id, Time: at + 1, Kind: block.Raw, N: 1, Last: math.NaN()},
		{Series: id, Time: at + 2, Kind: block.Raw, N: 1, Sketch: native, LastAt: at - 7},
		{Series: id, Time: at + 3, Kind: block.Raw, N: 1, Last: 3},
	}
	again := []block.Point{{Series: id, Time: at + 3, Kind: block.Raw, N: 1, Last: 4}}
	for seq, list := range [][]block.Point{points, again} {
		f := storage.Flush{Writer: "w", From: uint64(seq), To: uint64(seq) + 1, Seq: uint64(seq) + 1, Hour: hour,
			Blocks: []storage.Block{{Shard: id / block.ShardSize, Data: block.AppendBlock(nil, id/block.ShardSize, at, list)}}}
		if _, err := s.Commit(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Compact(t.Context(), hour+1); err != nil {
		t.Fatal(err)
	}
	sel := must[storage.Selection](t)(s.Read(t.Context(), storage.ReadRequest{IDs: []int64{id}, From: at, To: at + millis}))
	if len(sel.Chunks) != 1 || len(sel.Blocks) != 0 {
		t.Fatalf("%d chunks and %d blocks", len(sel.Chunks), len(sel.Blocks))
	}
	got, err := block.DecodeChunk(sel.Chunks[0].Data, sel.Chunks[0].Start, nil)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if !math.IsNaN(got[0].Last) || string(got[1].Sketch) != string(native) || got[1].LastAt != at-7 || got[2].Last != 3 || got[2].Kind != block.Raw {
		t.Errorf("%+v", got)
	}
}
