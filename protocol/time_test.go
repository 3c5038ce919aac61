package protocol

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseRFC3339(t *testing.T) {
	cases := []struct {
		in string
		ms int64
	}{
		{"1970-01-01T00:00:00Z", 0},
		{"2023-11-14T22:13:20Z", 1_700_000_000_000},
		{"2023-11-14t22:13:20z", 1_700_000_000_000},
		{"2023-11-14T23:13:20+01:00", 1_700_000_000_000},
		{"2023-11-14T16:43:20-05:30", 1_700_000_000_000},
		{"2023-11-14T22:13:20.1234Z", 1_700_000_000_123},
		{"2023-11-14T22:13:20.1235Z", 1_700_000_000_124},
		{"2023-11-14T22:13:20.9996Z", 1_700_000_001_000},
		{"2023-11-14T22:13:20.5+00:00", 1_700_000_000_500},
		{"2016-12-31T23:59:60Z", 1_483_228_799_999},
		{"2016-12-31T23:59:60.7Z", 1_483_228_799_999},
		{"2017-01-01T00:59:60+01:00", 1_483_228_799_999},
		{"2024-02-29T00:00:00Z", 1_709_164_800_000},
		{"0000-01-01T00:00:00Z", -62_167_219_200_000},
		{"9999-12-31T23:59:59Z", 253_402_300_799_000},
	}
	for _, c := range cases {
		if ms, ok := parseRFC3339([]byte(c.in)); !ok || ms != c.ms {
			t.Errorf("%s: %d, %v, want %d", c.in, ms, ok, c.ms)
		}
	}
}

func TestParseRFC3339Refuses(t *testing.T) {
	for _, in := range []string{
		"", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14 22:13:20Z", "10000-01-01T00:00:00Z", "2023-11-14T22:13Z",
		"2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2023-04-31T00:00:00Z",
		"2023-11-00T00:00:00Z", "2023-11-14T24:00:00Z", "2023-11-14T22:60:00Z", "2023-11-14T22:13:61Z", "2023-11-14T22:13:60Z",
		"2023-11-14T22:13:20.Z", "2023-11-14T22:13:20,5Z", "2023-11-14T22:13:20+24:00", "2023-11-14T22:13:20+01:60",
		"2023-11-14T22:13:20+0100", "2023-11-14T22:13:20ZZ", "2023-11-14T22:13:20Z ", "-023-11-14T22:13:20Z", "2023-11-14T2a:13:20Z",
		"2023/11/14T22:13:20Z", "20x3-11-14T22:13:20Z", "2023-11-14T22:13:20+1:000",
	} {
		if ms, ok := parseRFC3339([]byte(in)); ok {
			t.Errorf("%q: %d", in, ms)
		}
	}
}

func TestParseRFC3339AgreesWithTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const from, to = -62_167_219_200_000, 253_402_300_799_999 // years 0 to 9999
		want := time.UnixMilli(rapid.Int64Range(from, to).Draw(t, "ms"))
		offset := rapid.IntRange(-23*60, 23*60).Draw(t, "minutes east")
		in := want.In(time.FixedZone("", offset*60))
		if in.Year() < 0 || in.Year() > 9999 {
			t.Skip("no such year in RFC 3339")
		}
		text := in.Format("2006-01-02T15:04:05.999Z07:00")
		if ms, ok := parseRFC3339([]byte(text)); !ok || ms != want.UnixMilli() {
			t.Fatalf("%s: %d, %v, want %d", text, ms, ok, want.UnixMilli())
		}
	})
}

func FuzzRFC3339(f *testing.F) {
	f.Add("2023-11-14T22:13:20.9996+01:00")
	f.Add("2016-12-31T23:59:60Z")
	f.Fuzz(func(t *testing.T, in string) {
		ms, ok := parseRFC3339([]byte(in))
		want, err := time.Parse(time.RFC3339, in)
		if err != nil || len(in) > 0 && in[0] == '-' {
			return
		}
		if delta := ms - want.UnixMilli(); ok && (delta < 0 || delta > 1) {
			t.Fatalf("%s: %d, want %d", in, ms, want.UnixMilli())
		}
	})
}
