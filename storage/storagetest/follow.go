package storagetest

import (
	"fmt"
	"testing"

	"example.com/nexusctl/storage"
)

// testFollow: a writer's blocks come by generation, up to the one that is asked for, and
// its row counts them; a read tells how far the other writers are in it.
func testFollow(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	ids := []int64{1, 1500, 2500} // of three shards
	commit := func(writer string, seq uint64) {
		t.Helper()
		must[bool](t)(s.Commit(ctx, flush(writer, seq*10, seq*10+10, seq+1, hour*millis+int64(seq)*10_000, 1, ids...)))
	}
	for seq := range uint64(5) {
		commit("a", seq)
		if seq < 3 {
			commit("b", seq)
		}
	}
	counted := func(what string, want string) {
		t.Helper()
		got := ""
		for _, w := range must[[]storage.Writer](t)(s.Writers(ctx)) {
			got += fmt.Sprintf("%s %d/%d ", w.ID, w.Seq, w.Blocks)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	counted("stored", "a 5/15 b 3/9 ")
	must[bool](t)(s.Commit(ctx, flush("a", 40, 50, 5, hour*millis, 1, ids...)))
	counted("and one of them again", "a 5/15 b 3/9 ")

	follow := func(behind, upTo uint64, want string) {
		t.Helper()
		list, last, err := s.Follow(ctx, "a", behind, upTo)
		got := ""
		for _, b := range list {
			got += fmt.Sprintf("%d/%d ", b.Seq, b.Shard)
		}
		if err != nil || last != upTo || got != want {
			t.Errorf("behind %d up to %d: %s up to %d, %v, want %s", behind, upTo, got, last, err, want)
		}
	}
	follow(2, 4, "3/0 3/1 3/2 4/0 4/1 4/2 ")
	follow(5, 7, "")
	reach := func(what string) {
		t.Helper()
		r := storage.ReadRequest{IDs: ids[:1], To: 1 << 60, Except: "b"}
		sel := must[storage.Selection](t)(s.Read(ctx, r))
		if sel.Reach.At("a") != 5 || sel.Reach.At("b") != 0 || sel.Reach.At("c") != 0 {
			t.Errorf("%s: a read reaches a %d, b %d, c %d; want 5, and none of b or c", what, sel.Reach.At("a"), sel.Reach.At("b"), sel.Reach.At("c"))
		}
		r.Except = ""
		if sel := must[storage.Selection](t)(s.Read(ctx, r)); sel.Reach != nil {
			t.Errorf("%s: nobody asked for a reach", what)
		}
	}
	reach("blocks")
	must[storage.CompactStats](t)(s.Compact(ctx, hour+1))
	counted("compacted", "a 5/15 b 3/9 ")
	follow(2, 4, "")
	reach("chunks")
}
