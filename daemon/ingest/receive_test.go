package ingest

import "testing"

func TestShare(t *testing.T) {
	b := ReceiveBuffers{Each: 128 << 10, All: 64 << 20}
	for _, c := range []struct {
		n    int64
		want int
	}{{-1, 128 << 10}, {0, 128 << 10}, {1, 128 << 10}, {128, 128 << 10}, {256, 64 << 10}, {1024, 16 << 10}, {1 << 40, 16 << 10}} {
		if got := b.share(c.n); got != c.want {
			t.Errorf("%d connections share %d, want %d", c.n, got, c.want)
		}
	}
	if got := (ReceiveBuffers{Each: 4 << 10, All: 64 << 20}).share(1 << 20); got != 4<<10 {
		t.Errorf("a buffer of 4 KiB grew to %d", got)
	}
}

func TestReceiveOf(t *testing.T) {
	for text, want := range map[string]int{
		"287898\t383865\t575796\n": 287898 * 1024, "1 2 3": 1024,
		"": unknownTCPMemory, "0 0 0": unknownTCPMemory, "-5 1 1": unknownTCPMemory, "many": unknownTCPMemory, "99999999999 1 1": unknownTCPMemory,
	} {
		if got := receiveOf(text, 4096); got != want {
			t.Errorf("%q allows %d, want %d", text, got, want)
		}
	}
}
