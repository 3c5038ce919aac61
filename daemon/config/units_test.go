package config_test

import (
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/config"
)

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"100ms": 100 * time.Millisecond, "10s": 10 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
		"24h": day, "1d": day, "7d": 7 * day, "0.5d": 12 * time.Hour, "36500d": 36_500 * day, "0s": 0, "0d": 0, "0": 0,
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{
		"", "10", "s", "d", "-1s", "-1d", "1x", "1h1d", "36501d", "1e9d", "NaNd", "infd", "1 s", "१s", "99999999999h",
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "no duration") {
			t.Errorf("%q is taken as %v, %v", text, d, err)
		}
	}
	if ms := config.Duration(1500 * time.Microsecond).Milliseconds(); ms != 1 {
		t.Error(ms)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "65536": 65536, "64KiB": 65536, "64 KiB": 65536, "1MiB": 1 << 20, "1GiB": 1 << 30, "1kB": 1000, "1KB": 1000,
		"1MB": 1e6, "1GB": 1e9, "1.5KiB": 1536, "7B": 7, "1e3": 1000, "1048576GiB": 1 << 50,
	} {
		var z config.Size
		if err := z.UnmarshalText([]byte(text)); err != nil || int64(z) != want {
			t.Errorf("%s: %d, %v", text, int64(z), err)
		}
	}
	for _, text := range []string{"", "B", "-1", "-1KiB", "1TB", "1 K", "KiB", "one", "inf", "1e300", "1048577GiB", "१"} {
		var z config.Size
		if err := z.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "no size") {
			t.Errorf("%q is taken as %d, %v", text, int64(z), err)
		}
	}
	for z, want := range map[config.Size]string{0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 1536: "1536", 3 << 20: "3MiB", 1 << 30: "1GiB", 1e6: "1000000"} {
		if got := z.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(z), got, want)
		}
	}
}

// FuzzDuration holds every reading to its range, and what is written to what
// it was read from.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"100ms", "7d", "1h30m", "0.5d", "-1s", "", "9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, back config.Duration
		if d.UnmarshalText([]byte(s)) != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is read as %v", s, d)
		}
		text, err := d.MarshalText()
		if err == nil {
			err = back.UnmarshalText(text)
		}
		if err != nil || back != d {
			t.Fatalf("%q is read as %v, written as %s, read back as %v, %v", s, d, text, back, err)
		}
	})
}

// FuzzSize does the same for sizes.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"64KiB", "1GB", "1.5MiB", "7B", "0", "-1", "", "1e15"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var z, back config.Size
		if z.UnmarshalText([]byte(s)) != nil {
			return
		}
		if z < 0 || z > 1<<50 {
			t.Fatalf("%q is read as %d", s, int64(z))
		}
		text, err := z.MarshalText()
		if err == nil {
			err = back.UnmarshalText(text)
		}
		if err != nil || back != z {
			t.Fatalf("%q is read as %d, written as %s, read back as %d, %v", s, int64(z), text, int64(back), err)
		}
	})
}
