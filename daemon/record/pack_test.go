package record

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/decimals"
	"example.com/nexusctl/protocol/scan"
)

func numbers() (list []protocol.Decimal) {
	random := rand.New(rand.NewPCG(1, 2))
	list = []protocol.Decimal{{Mantissa: 0}, {Mantissa: 1}, {Mantissa: -1}, {Mantissa: 15, Scale: 1}, {Mantissa: 1, Scale: 6}}
	for range 20_000 {
		d := protocol.Decimal{Mantissa: random.Int64N(1 << random.IntN(27)), Scale: uint8(random.IntN(protocol.MaxScale + 1))}
		for d.Scale > 0 && d.Mantissa%10 == 0 {
			d.Scale, d.Mantissa = d.Scale-1, d.Mantissa/10
		}
		if random.IntN(3) == 0 {
			d.Mantissa = -d.Mantissa
		}
		list = append(list, d)
	}
	return list
}

// TestPackedIsEncoded holds the bytes that are made sample by sample to those that
// are made of the whole batch, with all ways of adding mixed.
func TestPackedIsEncoded(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var b Batch
	for i, d := range numbers() {
		ref := random.Uint32N(1 << random.IntN(32))
		if i%5 == 0 {
			b.Add(ref, float64(i)/7)
		}
		b.AddDecimal(ref, d)
	}
	whole := Batch{Samples: b.Samples}
	if got, want := AppendBatch(nil, &b), AppendBatch(nil, &whole); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes packed, %d encoded", len(got), len(want))
	}
	if b.packed.n != len(b.Samples) {
		t.Errorf("%d of %d samples are packed", b.packed.n, len(b.Samples))
	}
}

// TestPackedGroups holds the bytes and samples of groups to those of single
// numbers, from any place of a group, with references of every size.
func TestPackedGroups(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	list := numbers()
	for range 3000 {
		var d decimals.Group
		var refs [scan.GroupSize]uint32
		bits := random.IntN(32)
		for i := range refs {
			one := list[random.IntN(len(list))]
			one.Mantissa = max(one.Mantissa, -one.Mantissa) % 100_000_000
			for one.Scale > 0 && one.Mantissa%10 == 0 {
				one.Scale, one.Mantissa = one.Scale-1, one.Mantissa/10
			}
			d.Mantissa[i], d.Scale[i], d.Value[i] = uint64(one.Mantissa), uint64(one.Scale), one.Float64()
			refs[i] = random.Uint32() >> bits
			if random.IntN(50) == 0 {
				refs[i] = random.Uint32()
			}
		}
		var got, want Batch
		for range 3 {
			from := random.IntN(scan.GroupSize)
			n := 1 + random.IntN(scan.GroupSize-from)
			got.AddDecimals(refs[from:from+n], &d, from)
			want.addEach(refs[from:from+n], &d, from)
		}
		if !slices.Equal(got.Samples, want.Samples) || got.packed.n != len(got.Samples) {
			t.Fatalf("%d samples, %d packed, want %d", len(got.Samples), got.packed.n, len(want.Samples))
		}
		if got, want := AppendBatch(nil, &got), AppendBatch(nil, &want); !bytes.Equal(got, want) {
			t.Fatalf("packed %x, want %x", got, want)
		}
	}
}

// TestPackedIsVoid takes samples away behind the packed bytes' back.
func TestPackedIsVoid(t *testing.T) {
	var b Batch
	for i := range uint32(5) {
		b.AddDecimal(i, protocol.Decimal{Mantissa: int64(i)})
	}
	b.Samples = b.Samples[:3]
	b.AddDecimals(nil, new(decimals.Group), 0)
	b.AddDecimal(9, protocol.Decimal{Mantissa: 9})
	b.Add(10, 0.1)
	if got, want := AppendBatch(nil, &b), AppendBatch(nil, &Batch{Samples: b.Samples}); !bytes.Equal(got, want) || len(b.Samples) != 5 {
		t.Errorf("%x, want %x", got, want)
	}
	b.Reset()
	b.AddDecimal(1, protocol.Decimal{Mantissa: 7})
	if got, want := AppendBatch(nil, &b), AppendBatch(nil, &Batch{Samples: []Sample{{1, 7}}}); !bytes.Equal(got, want) || b.packed.n != 1 {
		t.Errorf("after Reset %x, want %x", got, want)
	}
}

func TestPutShort(t *testing.T) {
	for shift := range 29 {
		for _, x := range []uint32{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			if x >= shortVarint {
				continue
			}
			var got [maxPacked]byte
			n, want := putShort(&got, 3, x), binary.AppendUvarint(nil, uint64(x))
			if n != 3+len(want) || !bytes.Equal(got[3:n], want) {
				t.Errorf("%d: %x, want %x", x, got[3:n], want)
			}
		}
	}
}

func BenchmarkAddDecimals(bench *testing.B) {
	list := numbers()[5:]
	var d decimals.Group
	var refs [scan.GroupSize]uint32
	for i := range refs {
		one := list[i]
		d.Mantissa[i], d.Scale[i], d.Value[i] = uint64(max(one.Mantissa, -one.Mantissa)), uint64(one.Scale), one.Float64()
		refs[i] = uint32(i * 31)
	}
	var b Batch
	bench.ReportAllocs()
	for i := 0; i < bench.N; i += len(refs) {
		if i%4096 == 0 {
			b.Reset()
		}
		b.AddDecimals(refs[:], &d, 0)
	}
}

func BenchmarkAddDecimal(bench *testing.B) {
	list := numbers()[:4096]
	var b Batch
	bench.ReportAllocs()
	for i := range bench.N {
		if i%4096 == 0 {
			b.Reset()
		}
		b.AddDecimal(uint32(i%4096), list[i%4096])
	}
}
