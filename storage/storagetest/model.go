package storagetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// model is what the store must agree with: sums by series and bucket.
type model map[int64]map[int64]float64

// testModel commits, compacts, repeats commits and reads at random, from two
// writers, with data that arrives hours late.
func testModel(t *testing.T, open Open) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s, again := open(t)
			r := rand.New(rand.NewPCG(seed, 1))
			run := modelRun{t: t, rand: r, stores: []*storage.Store{s, again()}, model: model{}, now: hour}
			run.ids = must[[]int64](t)(s.Resolve(t.Context(), keys(40, "m")))
			slices.Sort(run.ids)
			for range 60 {
				switch k := r.IntN(10); {
				case k < 6:
					run.commit()
				case k < 7:
					run.now += int64(r.IntN(3))
				case k < 8:
					must[storage.CompactStats](t)(run.store().Compact(t.Context(), run.now))
				default:
					run.check()
				}
			}
			run.now += 40
			must[storage.CompactStats](t)(s.Compact(t.Context(), run.now))
			run.check()
		})
	}
}

type modelRun struct {
	t      *testing.T
	rand   *rand.Rand
	stores []*storage.Store
	model  model
	ids    []int64
	now    int64 // hour
	at     [2]uint64
	seq    [2]uint64
}

func (m *modelRun) store() *storage.Store { return m.stores[m.rand.IntN(2)] }

func (m *modelRun) commit() {
	m.t.Helper()
	w := m.rand.IntN(2)
	var points []block.Point
	for _, id := range m.ids {
		if m.rand.IntN(3) > 0 {
			continue
		}
		at := m.now*millis + int64(m.rand.IntN(360))*10_000
		if m.rand.IntN(5) == 0 {
			at -= int64(m.rand.IntN(30)) * millis
		}
		v := float64(m.rand.IntN(100))
		points = append(points, block.Point{Series: id, Time: at, Kind: block.Counter, N: 1, Sum: v})
		if m.model[id] == nil {
			m.model[id] = map[int64]float64{}
		}
		m.model[id][at] += v
	}
	f := storage.Flush{Writer: fmt.Sprint("w", w), From: m.at[w], To: m.at[w] + 7, Seq: m.seq[w] + 1, Hour: m.now}
	f.Blocks = []storage.Block{{Shard: m.ids[0] / block.ShardSize, Data: block.AppendBlock(nil, m.ids[0]/block.ShardSize, m.now*millis, points)}}
	for range 1 + m.rand.IntN(2) { // an answer that was lost is asked for again
		must[bool](m.t)(m.store().Commit(m.t.Context(), f))
	}
	m.at[w], m.seq[w] = f.To, f.Seq
}

func (m *modelRun) check() {
	m.t.Helper()
	from := (m.now - int64(m.rand.IntN(40))) * millis
	to := from + int64(m.rand.IntN(30))*millis
	got := sums(m.t, m.stores[0], m.ids, from, to)
	for _, id := range m.ids {
		want := 0.0
		for at, v := range m.model[id] {
			if at >= from && at <= to {
				want += v
			}
		}
		if got[id] != want {
			m.t.Fatalf("series %d in [%d, %d]: %v, want %v", id, from, to, got[id], want)
		}
	}
}
