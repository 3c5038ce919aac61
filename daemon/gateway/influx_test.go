package gateway

import (
	"fmt"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
)

// render shows an intake: its samples, then its refusals.
func render(in *intake) string {
	var parts []string
	for _, s := range in.series {
		for _, p := range s.samples {
			v := fmt.Sprintf("%g", p.Value)
			if len(p.Hist) > 0 {
				v = "histogram"
			}
			parts = append(parts, fmt.Sprintf("%s %s@%d", s.key, v, p.Time))
		}
	}
	for _, i := range in.increments {
		parts = append(parts, fmt.Sprintf("%s %s +%g@%d", i.key, i.key.Type, i.value.Number, i.time))
	}
	for _, r := range in.refused {
		parts = append(parts, fmt.Sprintf("!%s %d", r.reason, r.units))
	}
	return strings.Join(parts, "; ")
}

func TestInflux(t *testing.T) {
	for _, c := range []struct {
		in, want string
		perMilli float64
	}{
		{"cpu value=1.5 1000000", "cpu 1.5@1", 1e6},
		{"cpu,host=a,dc=b idle=3i,busy=4u 1999999\n", `cpu_idle{dc="b",host="a"} 3@1; cpu_busy{dc="b",host="a"} 4@1`, 1e6},
		{"cpu up=true,down=F 5", "cpu_up 1@5000; cpu_down 0@5000", 1e-3},
		{"cpu value=1", "cpu 1@77", 1e6},
		{"cpu value=1 -1", "cpu 1@-1", 1e6},
		{`a\ b\,c,k\=1=v\ w value=2 3`, `a b,c{k=1="v w"} 2@3`, 1},
		{"# comment\n\n\r\ncpu value=1 2\r\n", "cpu 1@2", 1},
		{"cpu s=\"a, b=1 \\\" x\ny\",n=2 3\ncpu value=1 4", "cpu_n 2@3; cpu 1@4; !number 1", 1},
		{"cpu s=\"open\nok value=1 2\nok value=2 3", "ok 1@2; ok 2@3; !number 1", 1},
		{"cpu value=1 x\nok value=1 2", "ok 1@2; !timestamp 1", 1},
		{"cpu", "!empty_value 1", 1}, {"cpu,k value=1", "!syntax 1", 1}, {",k=v value=1", "!empty_name 1", 1}, {"cpu value=", "!empty_value 1", 1},
		{"cpu value=NaN", "!non_finite 1", 1}, {"cpu value=1.5i", "!number 1", 1}, {"cpu =1", "!syntax 1", 1},
		{strings.Repeat("x", 101) + " value=1", "!line_too_long 1", 1},
	} {
		if got := render(decodeInflux([]byte(c.in), c.perMilli, 77, 100)); got != c.want {
			t.Errorf("%q:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func FuzzInflux(f *testing.F) {
	f.Add([]byte("cpu,host=a value=1.5,s=\"x\" 1000\nmem used=3i"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := decodeInflux(data, 1e6, 1, 1000)
		for _, s := range in.series {
			if s.key.Name == "" || len(s.samples) != 1 {
				t.Errorf("%+v", s)
			}
		}
		for _, r := range in.refused {
			if r.reason == protocol.Accepted || r.units != 1 {
				t.Errorf("%+v", r)
			}
		}
	})
}
