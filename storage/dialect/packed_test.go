package dialect

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func TestShiftArgs(t *testing.T) {
	for text, want := range map[string]string{
		"a = $1 AND b IN (SELECT value FROM json_each($12))": "a = $4 AND b IN (SELECT value FROM json_each($15))",
		"nothing": "nothing",
		"$2":      "$5",
	} {
		if got := shiftArgs(text, 3); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// FuzzPacked holds that no bytes make a row of what is not there.
func FuzzPacked(f *testing.F) {
	row := binary.BigEndian.AppendUint32(nil, 0)
	row = binary.BigEndian.AppendUint32(row, 2)
	row = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(row, typeInt), 8)
	row = binary.BigEndian.AppendUint64(row, 4711)
	row = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(row, typeBytes), 3)
	row = append(row, "abc"...)
	f.Add(row)
	f.Add(append(bytes.Clone(row), row...))
	f.Add(row[:len(row)-1])
	f.Add(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0), math.MaxUint32))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		p := packedRows{rest: b}
		err := p.each([]Query{{Take: func(r Row) error {
			var n int64
			var data []byte
			if r.Scan(&n, &data) == nil {
				total += 8 + 8 + 8 + 8 + len(data)
			}
			return nil
		}}})
		if total > len(b) {
			t.Fatalf("%d bytes of rows in %d", total, len(b))
		}
		if err != nil && err != errPacked {
			t.Fatal(err)
		}
	})
}

// TestRoom: bytes hold until Release, in chunks and apart, and none is behind another's
// end.
func TestRoom(t *testing.T) {
	var r Room
	var list [][]byte
	for i := range 300 {
		list = append(list, r.copy(bytes.Repeat([]byte{byte(i)}, i*i)))
	}
	list = append(list, (*Room)(nil).copy([]byte("held")))
	for i, b := range list[:300] {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, i*i)) || cap(b) != len(b) && i*i <= roomChunk/4 {
			t.Fatalf("copy %d: %d bytes, room for %d", i, len(b), cap(b))
		}
	}
	if r.copy(nil) != nil || r.copy([]byte{}) == nil || string(list[300]) != "held" {
		t.Error("NULL and no bytes are not the same")
	}
	r.Release()
	r.Release()
	(*Room)(nil).Release()
	if len(r.chunks) != 0 {
		t.Errorf("%d chunks are held", len(r.chunks))
	}
}
