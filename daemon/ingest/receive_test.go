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

// TestNext holds what all connections take together to what is said of it.
func TestNext(t *testing.T) {
	b := ReceiveBuffers{Each: 128 << 10, All: 281 << 20}
	sum, last, changes := 0, b.Each, 0
	for n := range int64(10_000) {
		next := b.next(last, n)
		if next != last {
			changes++
		}
		sum, last = sum+next, next
		if n == 5_000 && sum > b.All*11/10 {
			t.Errorf("5,000 connections take %d bytes, want %d at most", sum, b.All*11/10)
		}
	}
	if sum > b.All*17/10 || last != leastReceive {
		t.Errorf("10,000 connections take %d bytes, the last one %d; want %d at most, and %d", sum, last, b.All*17/10, leastReceive)
	}
	if changes > 3 {
		t.Errorf("the listener was changed %d times", changes)
	}
	for n := int64(10_000); n >= 0; n-- {
		last = b.next(last, n)
	}
	if last != b.Each {
		t.Errorf("when all are gone the next one gets %d bytes, want %d", last, b.Each)
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
