package storagetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// holding is what a store holds of series: their points in every tier.
func holding(t *testing.T, s *storage.Store, ids []int64) (points int) {
	t.Helper()
	for _, step := range []int64{0, 60_000, millis} {
		sel := must[storage.Selection](t)(s.Read(t.Context(), storage.ReadRequest{IDs: slices.Clone(ids), From: 0, To: 1 << 52, Step: step, BaseBefore: 1 << 52}))
		points += len(sel.Chunks) + len(sel.Rollups) + len(sel.Bases)
		for _, b := range sel.Blocks {
			for _, id := range ids {
				points += len(must[[]block.Point](t)(block.FindSeries(b.Data, id, nil)))
			}
		}
	}
	return points
}

func counters(ids []int64, at int64) (list []block.Point) {
	for _, id := range ids {
		list = append(list, block.Point{Series: id, Time: at, Kind: block.Counter, N: 1, Sum: 2})
	}
	return list
}

func flushOf(writer string, seq uint64, arrival int64, points []block.Point) storage.Flush {
	f := storage.Flush{Writer: writer, From: seq - 1, To: seq, Seq: seq, Hour: arrival, Counts: storage.Counts{Stored: uint64(len(points))}}
	if len(points) > 0 {
		f.Blocks = []storage.Block{{Shard: 0, Data: block.AppendBlock(nil, 0, arrival*millis, points)}}
	}
	return f
}

// testDelete: what is deleted is found by nobody and comes back as another
// series; its points leave every tier, those of its neighbours stay, and the
// ledger does not change.
func testDelete(t *testing.T, open Open) {
	s, again := open(t)
	ctx, other := t.Context(), again()
	for _, one := range []*storage.Store{s, other} {
		if err := one.BuildIndex(ctx); err != nil {
			t.Fatal(err)
		}
	}
	all := keys(20, "doomed")
	ids := must[[]int64](t)(s.Resolve(ctx, append(slices.Clone(all), keys(5, "kept")...)))
	doomed, kept := slices.Clone(ids[:20]), slices.Clone(ids[20:])
	if err := s.SetMeta(ctx, "doomed", "about it", "s"); err != nil {
		t.Fatal(err)
	}
	for i, at := range []int64{hour - 30, hour - 1, hour} { // rolled by the day, compacted, a block
		must[bool](t)(s.Commit(ctx, flushOf("w", uint64(i+1), at, counters(slices.Sorted(slices.Values(ids)), at*millis))))
	}
	must[storage.CompactStats](t)(s.Compact(ctx, hour))
	must[storage.DayStats](t)(s.RollDays(ctx, hour/24))
	must[int](t)(s.RollMinutes(ctx, (hour-1)*millis, storage.Chosen{Max: 100}))
	if holding(t, s, doomed) == 0 {
		t.Fatal("nothing was stored")
	}
	before, ledger := holding(t, s, kept), must[storage.Writer](t)(s.Writer(ctx, "w")).Counts.Stored
	since := must[storage.Goings](t)(other.GoneSince(ctx, -1)).Changes

	usage := must[storage.Usage](t)(s.Usage(ctx, 3))
	if len(usage.Metrics) != 2 || usage.Metrics[0].Name != "doomed" || usage.Metrics[0].Series != 20 || len(usage.Series) != 3 || usage.Deleted.Total() != 0 {
		t.Errorf("the space is taken by %+v", usage)
	}
	for i, n := range usage.Metrics[0].Bytes { // of histograms there are none
		if (n > 0) != (storage.TierNames()[i] != "sketch_10s") {
			t.Errorf("%s takes %d bytes", storage.TierNames()[i], n)
		}
	}
	if one := usage.Series[0]; one.Key.Name != "doomed" && one.Key.Name != "kept" || one.Bytes.Total() == 0 || one.Bytes.Total() < usage.Series[2].Bytes.Total() {
		t.Errorf("the largest series are %+v", usage.Series)
	}

	deleted := must[[]int64](t)(s.DeleteSeries(ctx, append(slices.Clone(doomed), 1<<40), 1000))
	if slices.Sort(deleted); !slices.Equal(deleted, slices.Sorted(slices.Values(doomed))) {
		t.Errorf("deleted %v", deleted)
	}
	for _, one := range []*storage.Store{s, other} {
		for _, op := range []series.Matcher{matcher(t, series.NameTag, series.Equal, "doomed"), matcher(t, "i", series.Regexp, "1.")} {
			if list := must[[]storage.Series](t)(one.FindSeries(ctx, []series.Matcher{op}, 0, 100)); len(list) != 0 {
				t.Errorf("found %v", list)
			}
		}
	}
	if list := must[[]storage.Meta](t)(s.Metas(ctx, "doomed")); len(list) != 0 {
		t.Errorf("a description outlived its metric: %v", list)
	}
	if g := must[storage.Goings](t)(other.GoneSince(ctx, since)); !g.Complete || len(g.List) != 20 || g.List[0].At != 1000 {
		t.Errorf("another daemon learns of %+v", g)
	}
	back := must[[]int64](t)(s.Resolve(ctx, all))
	for _, id := range back {
		if slices.Contains(ids, id) {
			t.Fatalf("id %d is given again", id)
		}
	}
	if n := holding(t, s, back); n != 0 {
		t.Errorf("series that came again have %d old points", n)
	}

	if usage := must[storage.Usage](t)(s.Usage(ctx, 3)); usage.Deleted.Total() == 0 {
		t.Error("nothing is to be removed")
	}
	now := time.UnixMilli(2000)
	if n := must[storage.PurgeStats](t)(s.Purge(ctx, now)); n.Series != 20 || n.Rows == 0 {
		t.Errorf("purged %+v", n)
	}
	must[storage.CompactStats](t)(s.Compact(ctx, hour+1)) // of the block that holds both
	if n := holding(t, s, doomed); n != 0 {
		t.Errorf("%d of the deleted points are there", n)
	}
	if n := holding(t, s, kept); n < before {
		t.Errorf("of %d points of others %d are left", before, n)
	}
	if n := must[storage.Writer](t)(s.Writer(ctx, "w")).Counts.Stored; n != ledger {
		t.Errorf("the ledger says %d, not %d", n, ledger)
	}
	must[bool](t)(s.Commit(ctx, flushOf("late", 1, hour+1, counters(doomed[:1], (hour+1)*millis)))) // a daemon that has not heard
	must[storage.CompactStats](t)(s.Compact(ctx, hour+2))
	if n := must[storage.PurgeStats](t)(s.Purge(ctx, now.Add(49*time.Hour))); n.Series != 20 {
		t.Errorf("purged %+v the second time", n)
	}
	if n := holding(t, s, doomed); n != 0 {
		t.Errorf("%d late points of a deleted series are there", n)
	}
	if g := must[storage.Goings](t)(other.GoneSince(ctx, since)); g.Complete || len(g.List) != 0 {
		t.Errorf("what was forgotten is told as %+v", g)
	}
}

// testDeleteBesideWriters: series are named, flushed, found, deleted and purged
// side by side, and each that was not deleted is there at the end.
func testDeleteBesideWriters(t *testing.T, open Open) {
	s, again := open(t)
	stores := []*storage.Store{s, again()}
	ctx, stop := context.WithCancel(t.Context())
	var keepers, workers sync.WaitGroup
	for _, one := range stores {
		keepers.Go(func() { one.KeepIndex(ctx) })
	}
	for w := range 2 {
		workers.Go(func() {
			for i := range 10 {
				list := keys(30, string(rune('a'+i))+string(rune('a'+w)))
				ids, err := stores[w].Resolve(ctx, list)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := stores[w].Commit(ctx, flushOf(string(rune('a'+w)), uint64(i+1), hour, nil)); err != nil {
					t.Error(err)
				}
				gone, err := stores[1-w].DeleteSeries(ctx, ids[:10], 1)
				if err != nil || len(gone) != 10 {
					t.Errorf("deleted %v, %v", gone, err)
				}
				if _, err := stores[w].Purge(ctx, time.UnixMilli(2)); err != nil {
					t.Error(err)
				}
				found, err := stores[w].FindSeries(ctx, []series.Matcher{matcher(t, series.NameTag, series.Equal, string(rune('a'+i))+string(rune('a'+w)))}, 0, 100)
				if err != nil || len(found) != 20 {
					t.Errorf("%d series are left, %v", len(found), err)
				}
			}
		})
	}
	workers.Wait()
	stop()
	keepers.Wait()
	for _, one := range stores {
		if list := must[[]storage.Series](t)(one.FindSeries(t.Context(), nil, 0, 1000)); len(list) != 400 {
			t.Errorf("%d series at the end", len(list))
		}
	}
}

func matcher(t *testing.T, tag string, op series.MatchOp, value string) series.Matcher {
	t.Helper()
	return must[series.Matcher](t)(series.NewMatcher(tag, op, value))
}
