package query

import (
	"fmt"
	"sync"
	"testing"

	"example.com/nexusctl/storage"
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
	h.Load([]storage.StoredBlock{{BlockKey: keyOf(2, 2, 0), Data: []byte("cccc")}})
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
