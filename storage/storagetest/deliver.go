package storagetest

import (
	"errors"
	"slices"
	"testing"

	"example.com/nexusctl/storage"
)

func testProbe(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	f := storage.Flush{Writer: "w", To: 10, Seq: 1, Hour: hour, Blocks: []storage.Block{{Shard: 0, Data: []byte("a")}}, Counts: storage.Counts{Stored: 3}}
	for range 2 {
		if err := s.Probe(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	if w := must[storage.Writer](t)(s.Writer(ctx, "w")); w.Position != 0 || w.Counts.Stored != 0 {
		t.Errorf("a probe left %+v", w)
	}
	if b := must[[]storage.StoredBlock](t)(s.Blocks(ctx, 0, 1<<40)); len(b) != 0 {
		t.Errorf("a probe left %d blocks", len(b))
	}
	twice := f
	twice.Blocks = append(twice.Blocks, f.Blocks[0])
	probed := s.Probe(ctx, twice)
	if _, err := s.Commit(ctx, twice); !errors.Is(err, storage.ErrRefused) || !errors.Is(probed, storage.ErrRefused) {
		t.Errorf("one key twice: the probe says %v, the commit %v", probed, err)
	}
	if applied, err := s.Commit(ctx, f); err != nil || !applied {
		t.Fatal(applied, err)
	}
	var at *storage.PositionError
	f.From, f.To = 5, 20
	if err := s.Probe(ctx, f); !errors.As(err, &at) || at.Have != 10 {
		t.Errorf("from elsewhere: %v", err)
	}
}

func testRenamed(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	list := keys(700, "a")
	ids := must[[]int64](t)(s.Resolve(ctx, list))
	f := storage.Flush{Writer: "w", To: 10, Seq: 1, Hour: hour}
	var named []storage.Named
	for i, id := range ids {
		named = append(named, storage.Named{ID: id, Key: list[i]})
	}
	wrong, altered := f, slices.Clone(named)
	f.Named, wrong.Named = slices.Values(named), slices.Values(altered)
	for what, n := range map[string]storage.Named{"an id that nobody has": {ID: 1 << 30, Key: list[600]}, "the id of another series": {ID: ids[0], Key: list[600]}} {
		altered[600] = n
		if applied, err := s.Commit(ctx, wrong); applied || !errors.Is(err, storage.ErrRenamed) {
			t.Errorf("%s: %v, %v", what, applied, err)
		}
	}
	if applied, err := s.Commit(ctx, f); !applied || err != nil {
		t.Error(applied, err)
	}
}

func testRevived(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	for i, c := range []storage.Counts{{Stored: 5, Dead: 7}, {Stored: 3, Dead: 1, Revived: 3}, {Shed: map[string]uint64{"dropped": 5}, Revived: 5}} {
		must[bool](t)(s.Commit(ctx, storage.Flush{Writer: "w", From: uint64(i), To: uint64(i + 1), Seq: uint64(i + 1), Hour: hour, Counts: c}))
	}
	if w := must[storage.Writer](t)(s.Writer(ctx, "w")); w.Counts.Stored != 8 || w.Counts.Dead != 0 || w.Counts.Shed["dropped"] != 5 || w.Counts.Revived != 0 {
		t.Errorf("%+v", w.Counts)
	}
}
