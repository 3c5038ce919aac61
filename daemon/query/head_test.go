package query

import (
	"fmt"
	"sync"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

func flushed(hour int64, seq uint64, shards ...string) storage.Flush {
	f := storage.Flush{Writer: "w", Hour: hour, Seq: seq}
	for i, data := range shards {
		f.Blocks = append(f.Blocks, storage.Block{Shard: int64(i), Data: []byte(data)})
	}
	return f
}

func keyOf(hour int64, seq uint64, shard int64) storage.BlockKey {
	return storage.BlockKey{Hour: hour, Writer: "w", Seq: seq, Shard: shard}
}

func TestHead(t *testing.T) {
	h := NewHead(10)
	expect := func(what string, bytes int64, held ...storage.BlockKey) {
		t.Helper()
		if h.Bytes() != bytes {
			t.Errorf("%s: it holds %d bytes, want %d", what, h.Bytes(), bytes)
		}
		for _, k := range held {
			if h.Get(k) == nil {
				t.Errorf("%s: it has lost %+v", what, k)
			}
		}
		if len(h.data) != len(held) || len(h.order) != len(held) {
			t.Errorf("%s: it holds %d blocks in %d places, want %d", what, len(h.data), len(h.order), len(held))
		}
	}
	expect("empty", 0)
	h.Add(flushed(1, 1, "aaaa", "bb"))
	expect("one flush", 6, keyOf(1, 1, 0), keyOf(1, 1, 1))
	if got := string(h.Get(keyOf(1, 1, 1))); got != "bb" {
		t.Errorf("shard 1 is %q", got)
	}
	h.Add(flushed(1, 1, "aaaa", "bb"))
	expect("the same again", 6, keyOf(1, 1, 0), keyOf(1, 1, 1))
	h.Add(flushed(2, 2, "cccc"))
	expect("just full", 10, keyOf(1, 1, 0), keyOf(1, 1, 1), keyOf(2, 2, 0))
	h.Add(flushed(2, 3, "d"))
	expect("the oldest goes", 7, keyOf(1, 1, 1), keyOf(2, 2, 0), keyOf(2, 3, 0))
	h.DropBefore(2)
	expect("an hour goes", 5, keyOf(2, 2, 0), keyOf(2, 3, 0))
	h.DropBefore(2)
	expect("and is gone", 5, keyOf(2, 2, 0), keyOf(2, 3, 0))
	h.SetBudget(4)
	expect("a smaller budget", 1, keyOf(2, 3, 0))
	h.Add(flushed(3, 4, "too large for it"))
	expect("a block beyond the budget", 0)
	h.SetBudget(100)
	h.Add(flushed(3, 5, "again"))
	expect("a larger budget", 5, keyOf(3, 5, 0))
}

// TestHeadSideBySide has readers beside flushes and compaction.
func TestHeadSideBySide(t *testing.T) {
	h := NewHead(1000)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range uint64(500) {
				switch g {
				case 0:
					h.Add(flushed(int64(i/100), i, fmt.Sprintf("block %d", i)))
				case 1:
					h.DropBefore(int64(i / 120))
				default:
					k := keyOf(int64(i/100), i, 0)
					if b := h.Get(k); b != nil && string(b) != fmt.Sprintf("block %d", i) {
						t.Errorf("%+v holds %q", k, b)
					}
				}
			}
		})
	}
	wg.Wait()
	if h.Bytes() > 1000 {
		t.Errorf("it holds %d bytes", h.Bytes())
	}
}

// TestHeadFollows: what another daemon stored is told behind what the head lacks of it,
// and once the store went back nothing is.
func TestHeadFollows(t *testing.T) {
	h := NewHead(10_000)
	expect := func(what string, behind, upTo uint64, want string) {
		t.Helper()
		blocks, ok := h.Since("b", 0, behind, upTo)
		names := []string{}
		for _, b := range blocks {
			names = append(names, nameOf(t, b))
		}
		if got := fmt.Sprintf("%s %v", names, ok); got != want {
			t.Errorf("%s: behind %d up to %d: %s, want %s", what, behind, upTo, got, want)
		}
	}
	stored := func(hour int64, seqs ...uint64) (list []storage.StoredBlock) {
		for _, seq := range seqs {
			for shard := range int64(2) {
				k := storage.BlockKey{Hour: hour, Writer: "b", Seq: seq, Shard: shard}
				list = append(list, storage.StoredBlock{BlockKey: k, Data: named(seq)})
			}
		}
		return list
	}
	h.Lack("b", 10)
	expect("at first sight", 9, 10, "[] false")
	expect("nothing since", 10, 10, "[] true")
	h.Add(storage.Flush{Writer: "own", Seq: 5})
	h.Follow("b", stored(1, 11, 12))
	h.Follow("b", stored(1, 11, 12)) // a look that failed is made again
	h.Follow("b", stored(2, 14))
	expect("followed", 10, 14, "[f11 f12 f14] true")
	expect("up to one of them", 11, 13, "[f12] true")
	expect("what was before", 9, 14, "[] false")
	h.Lack("b", 12)
	expect("some were compacted first", 11, 14, "[] false")
	expect("behind these", 12, 14, "[f14] true")
	h.DropBefore(2)
	expect("an hour was compacted", 12, 14, "[f14] true")
	h.DropBefore(3)
	expect("and the next", 13, 14, "[] false")
	h.Follow("b", stored(3, 15))
	again := h.Again()
	h.Void()
	if h.Again() != again+1 || h.Bytes() != 0 {
		t.Errorf("void it holds %d bytes, and what was learnt is void %d times", h.Bytes(), h.Again()-again)
	}
	expect("void", 14, 15, "[] false")
	h.Follow("b", stored(3, 16))
	damaged := stored(3, 17)
	damaged[0].Data[9] ^= 1
	h.Follow("b", damaged)
	expect("a block is damaged", 16, 17, "[] false")
	h.Follow("b", stored(3, 18))
	expect("behind the damage", 17, 18, "[f18] true")
	h.Load(damaged[:1])
	if h.Get(damaged[0].BlockKey) != nil || h.Get(damaged[1].BlockKey) == nil {
		t.Error("a damaged block is held, or a whole one is not")
	}
}

// named returns a block that nameOf knows by its number.
func named(seq uint64) []byte {
	return block.AppendBlock(nil, 0, 0, []block.Point{{Kind: block.Counter, N: seq, Sum: 1}})
}

func nameOf(t *testing.T, b []byte) string {
	t.Helper()
	info, err := block.Header(b)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("f", info.TotalN)
}
