package badinput_test

import (
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// row is one kind of bad, or only odd, text: lines, in which $ makes names of
// their own, and what they come to.
type row struct {
	lines string
	verdict
	check func(t *testing.T, s *system, suffix string)
}

func long(s string, n int) string { return strings.Repeat(s, n) }

// tagged is n tags.
func tagged(n int) string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprint("k", i))
	}
	return strings.Join(tags, ",")
}

func rejected(pairs ...any) map[string]uint64 {
	m := map[string]uint64{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = uint64(pairs[i+1].(int))
	}
	return m
}

// lasts checks the last value of names.
func lasts(want map[string]float64) func(*testing.T, *system, string) {
	return func(t *testing.T, s *system, suffix string) {
		t.Helper()
		for name, v := range want {
			if got := s.last(t, name+suffix); got != v {
				t.Errorf("%s stands at %v, want %v", name, got, v)
			}
		}
	}
}

// series expects a number of series under a name.
func series(name string, n int) func(*testing.T, *system, string) {
	return func(t *testing.T, s *system, suffix string) {
		t.Helper()
		if d := get[api.MetricDetail](t, s, "/api/v1/metrics/"+url.PathEscape(name+suffix)); len(d.Series) != n {
			t.Errorf("%d series of %s, want %d: %+v", len(d.Series), name, n, d.Series)
		}
	}
}

func textRows() map[string]row {
	now := time.Now().Unix()
	return map[string]row{
		"T02": {"a$:1|c\r\n", verdict{accepted: 1}, lasts(map[string]float64{"a": 1})},
		"T05": {"a\na:\n:1|c\na:1\na:1|\n", verdict{0, rejected("syntax", 1, "empty_value", 1, "empty_name", 1, "missing_type", 2)}, nil},
		"T07": {"a:1|C\na:1|MS\na:1|mS\na:1|G\n", verdict{0, rejected("unknown_type", 4)}, nil},
		"T08": {"a:NaN|g\na:+Inf|g\na:-inf|c\na:nan|ms\na:Infinity|d\n", verdict{0, rejected("non_finite", 5)}, nil},
		"T10": {"a$:1e-400|g\n", verdict{accepted: 1}, lasts(map[string]float64{"a": 0})},
		"T11": {"a:0x1p4|c\na:1_000|c\na:0b1|c\na:１|c\na: 1|c\na:1 |c\n", verdict{0, rejected("number", 6)}, nil},
		"T13": {"a$:9223372036854775808|c\na$:1|c\na$:-9223372036854775808|c\n", verdict{accepted: 3}, lasts(map[string]float64{"a": 1})}, // compensated; flagged: see TestTextConnections
		"T14": {"a$:9007199254740992|c\na$:1|c\na$:1|c\n", verdict{accepted: 3}, lasts(map[string]float64{"a": 9007199254740994})},
		"T16": {"a:-5|ms\nh$:-1|h\nd$:-1|d\n", verdict{2, rejected("negative_duration", 1)}, nil},
		"T17": {"g$:+5|g\nh$:-5|g\nh$:+2|g\n", verdict{accepted: 3}, lasts(map[string]float64{"g": 5, "h": -3})},
		"T19": {"a:1|c|@0.1|@0.5\na:1|c|#a|#b\na:1|c|T1|T1\n", verdict{0, rejected("duplicate_section", 2, "too_old", 1)}, nil},
		"T20": {"a$:1|g|@0.1\n", verdict{accepted: 1}, lasts(map[string]float64{"a": 1})},
		"T22": {"a$" + long(":1", 10_000) + "|c\na" + long(":1", 10_001) + "|c\n", verdict{10_000, rejected("too_many_values", 1)}, lasts(map[string]float64{"a": 10_000})},
		"T23": {"a$:1|c|#\na$:1|c|#,\nb$:1|c|#a:\nb$:1|c|#a\na:1|c|#:b\na:1|c|#:\n", verdict{4, rejected("syntax", 2)}, series("b", 1)},
		"T25": {"a$:1|c|#b:1,a:2\na$:1|c|#a:2,b:1\na$,b=1,a=2:1|c\n", verdict{accepted: 3}, series("a", 1)},
		"T26": {"a:1|c|#" + tagged(101) + "\na:1|c|#" + long("k", 1025) + "\na:1|c|#k:" + long("v", 2049) + "\na$:1|c|#" + tagged(100) + "\n",
			verdict{1, rejected("too_many_tags", 1, "tag_too_long", 2)}, nil},
		"T29": {"a\x00:1|c\na\x1b[2J:1|c\na\x07:1|c\na\x9b:1|c\na\x7f:1|c\na:1|c|#k:\u0085\n", verdict{0, rejected("control_char", 6)}, nil},
		"T31": {"\u00e9:1|c\ne\u0301:1|c\n\u0430:1|c\na\u202e:1|c\na\u200d:1|c\n\ufeffa:1|c\n", verdict{0, rejected("name_charset", 6)}, nil},
		"T32": {"../../etc/passwd:1|c\na/b$:1|c\ncon$:1|c\n.:1|c\n", verdict{2, rejected("name_charset", 2)}, nil},
		"T34": {"__proto__$:1|c\nconstructor$:2|c|#__proto__:x,toString:y\n", verdict{accepted: 2}, lasts(map[string]float64{"__proto__": 1, "constructor": 2})},
		"T35": {"nexus.up:1|c\nnexus.:1|c\nnexus_$:1|c\n_sc|nexus.db|0\n", verdict{1, rejected("reserved_name", 3)}, nil},
		"T37": {fmt.Sprintf("a:1|c|T1700000000\na:1|c|T%d\na:1|c|T-1\na:1|c|T9e18\na:1|c|T1.5\na$:1|c|T%d\n", now+365*86400, now),
			verdict{1, rejected("too_old", 1, "future", 1, "timestamp", 3)}, nil},
		"T38": {"a$:user123|s\na:" + long("u", 257) + "|s\na$:" + long("u", 256) + "|s\n", verdict{2, rejected("member_too_long", 1)}, nil},
		"T40": {"_sc|n|9\n_sc|n\n_sc||0\n_sc|n$|3|m:x\n", verdict{1, rejected("service_check", 3)}, nil},
		"T41": {"a$:1|c\na$:2|g\n", verdict{accepted: 2}, func(t *testing.T, s *system, suffix string) {
			series("a", 2)(t, s, suffix)
			found := slices.ContainsFunc(get[api.Cardinality](t, s, "/api/v1/cardinality?limit=100").TypeConflicts, func(c api.TypeConflict) bool {
				return c.Name == "a"+suffix && len(c.Types) == 2 && c.Types[0].Type == "counter" && c.Types[1].Type == "gauge" && c.Types[1].Listener != ""
			})
			if !found {
				t.Error("the conflict is not flagged")
			}
		}},
	}
}

// TestText sends every row through every door that takes text, twice, between
// neighbours.
func TestText(t *testing.T) {
	s := start(t)
	for id, r := range textRows() {
		t.Run(id, func(t *testing.T) {
			for _, d := range append(slices.Clone(doors), httpText) {
				if d.most > 0 && len(r.lines) > d.most {
					continue
				}
				t.Run(d.name, func(t *testing.T) { s.row(t, id, r, d) })
			}
		})
	}
}

func (s *system) row(t *testing.T, id string, r row, d door) {
	suffix := "." + id + "." + d.name
	for again := range 2 {
		suffix += fmt.Sprint(".", again)
		before := s.ledger()
		d.send(t, s, "before"+suffix+":1|c\n"+strings.ReplaceAll(r.lines, "$", suffix)+"after"+suffix+":2|c\n")
		s.comes(t, before, verdict{r.accepted + 2, r.rejected})
		lasts(map[string]float64{"before": 1, "after": 2})(t, s, suffix)
		if r.check != nil {
			r.check(t, s, suffix)
		}
	}
}

// TestTextConnections has the rows that are about a connection as a whole.
func TestTextConnections(t *testing.T) {
	s := start(t, "ingest.max_skip", "8MiB", "ingest.max_line", "4KiB")
	t.Run("T01", func(t *testing.T) {
		before := s.ledger()
		pour(t, "tcp", s.addr, long("\n", 1_000_000)+"after.t01:1|c\n")
		s.comes(t, before, verdict{accepted: 1})
		if n := s.counter(t, "nexus_blank_lines_total"); n != 1_000_000 {
			t.Errorf("%v blank lines are counted", n)
		}
		s.blankFlood(t)
	})
	t.Run("T13", func(t *testing.T) {
		before := s.counter(t, "nexus_imprecise_values_total")
		pour(t, "tcp", s.addr, "a.t13:1|c\na.t13:9007199254740992|c\na.t13:123456789|c\n") // exact
		pour(t, "tcp", s.addr, "a.t13:9007199254740995|c\na.t13:-9223372036854775808|c\n"+ // on the way of known spellings
			`{"name":"b.t13","values":[1,1e17]}`+"\nc.t13:1:9223372036854775808|g|@0.5|T1\n") // and on the other one; the last is too old
		eventually(t, "three values are flagged", func() bool { return s.counter(t, "nexus_imprecise_values_total") == before+3 })
	})
	t.Run("T04", func(t *testing.T) {
		before := s.ledger()
		c := dial(t, s)
		write(t, c, "a.t04:1|c\nb.t04:1|c")
		s.comes(t, before, verdict{accepted: 1})
		_ = c.SetLinger(0)
		_ = c.Close()
		s.comes(t, before, verdict{1, rejected("partial", 1)})
	})
	t.Run("T20", func(t *testing.T) {
		before := s.counter(t, `nexus_ignored_total{kind="rate"}`)
		pour(t, "tcp", s.addr, "a.t20:1|g|@0.1\na.t20:1|g|@0.1\na.t20:1|g|zz\n")
		eventually(t, "the rates are counted", func() bool { return s.counter(t, `nexus_ignored_total{kind="rate"}`) == before+2 })
		eventually(t, "the section is counted", func() bool { return s.counter(t, `nexus_ignored_total{kind="section"}`) >= 1 })
	})
	t.Run("T28", func(t *testing.T) { s.endless(t) })
	t.Run("T46", func(t *testing.T) { s.strangers(t) })
}

// blankFlood has connections send nothing but blank lines: what that costs is
// theirs. Each has two chunks with its lane at the most, so a neighbour waits for
// those and not for the flood.
func (s *system) blankFlood(t *testing.T) {
	stop := make(chan struct{})
	var flood sync.WaitGroup
	blanks := []byte(long("\n", 64<<10))
	for range 8 {
		c := dial(t, s)
		flood.Go(func() {
			defer c.Close()
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := c.Write(blanks); err != nil {
						return
					}
				}
			}
		})
	}
	before := s.counter(t, "nexus_blank_lines_total")
	eventually(t, "the flood is on", func() bool { return s.counter(t, "nexus_blank_lines_total") > before+10*float64(len(blanks)) })
	l := s.ledger()
	neighbour := dial(t, s)
	for n := range 20 {
		began := time.Now()
		write(t, neighbour, "neighbour.t01:1|c\n")
		s.comes(t, l, verdict{accepted: uint64(n) + 1})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("line %d of a neighbour took %v", n, took)
		}
	}
	close(stop)
	flood.Wait()
}

// TestUnicodeNames has T31 where names beyond ASCII are configured.
func TestUnicodeNames(t *testing.T) {
	s := start(t, "ingest.names", "unicode")
	lines := "\u00e9$:1|c\ne\u0301$:1|c\n\u0430$:1|c\na\u202e:1|c\na\u200d:1|c\n\ufeffa:1|c\np\u0430y$:1|c\n"
	for _, d := range append(slices.Clone(doors), httpText) {
		t.Run(d.name, func(t *testing.T) {
			before := s.counter(t, "nexus_mixed_script_names_total")
			s.row(t, "T31", row{lines, verdict{3, rejected("name_charset", 4)}, series("\u00e9", 1)}, d)
			eventually(t, "the mixed names are flagged", func() bool { return s.counter(t, "nexus_mixed_script_names_total") == before+2 })
		})
	}
	if got := s.last(t, url.PathEscape("\u00e9.T31.tcp.0")); got != 1 {
		t.Errorf("stands at %v", got)
	}
}

// endless sends one line that does not end: the daemon keeps none of it and ends
// the connection, while a neighbour goes on.
func (s *system) endless(t *testing.T) {
	before := s.ledger()
	var m0, m1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m0)
	c := dial(t, s)
	write(t, c, "good.t28:1|c\n")
	sent, chunk := 0, long("x", 1<<20)
	for ; sent < 1<<30; sent += len(chunk) {
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte(chunk)); err != nil {
			break
		}
	}
	if sent > 64<<20 {
		t.Errorf("%d bytes of one line were read", sent)
	}
	runtime.GC()
	runtime.ReadMemStats(&m1)
	if grown := int64(m1.HeapAlloc) - int64(m0.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	pour(t, "tcp", s.addr, "after.t28:1|c\n")
	s.comes(t, before, verdict{2, rejected("line_too_long", 1)})
	if n := s.counter(t, `nexus_connections_closed_total{reason="endless_line"}`); n != 1 {
		t.Errorf("%v connections are counted", n)
	}
	c2 := dial(t, s)
	write(t, c2, long("y", 5000)+"\nafter.t28:1|c\n")
	s.comes(t, before, verdict{3, rejected("line_too_long", 2)})
}

func (s *system) strangers(t *testing.T) {
	for name, opening := range map[string]string{
		"UTF-16": "\xff\xfea\x00:\x001\x00", "UTF-16 big": "\xfe\xff\x00a\x00:", "gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00",
		"TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH": "SSH-2.0-OpenSSH_9.9\r\n", "Redis": "*1\r\n$4\r\nPING\r\n",
	} {
		before := s.ledger()
		c := dial(t, s)
		write(t, c, opening)
		said := closed(t, c)
		if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "this port speaks nexusctl lines and HTTP, not ") {
			t.Errorf("%s is told %q", name, said)
		}
		s.comes(t, before, verdict{0, rejected("wrong_protocol", 1)})
	}
	// On Unix sockets too; and datagrams that are no lines are lines that are none.
	before := s.ledger()
	c, err := net.Dial("unix", s.dir+"/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, "SSH-2.0-x\r\n")
	closed(t, c)
	s.comes(t, before, verdict{0, rejected("wrong_protocol", 1)})
}

// TestCardinality has the rows that are about too many series.
func TestCardinality(t *testing.T) {
	s := start(t, "ingest.max_name_series", "1000", "ingest.max_tag_values", "2000")
	const many = 5000
	flood := func(format string) string {
		var b strings.Builder
		for i := range many {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	t.Run("T43", func(t *testing.T) {
		before := s.ledger()
		pour(t, "tcp", s.addr, flood("greedy:1|c|#id:%d\n"))
		pour(t, "tcp", s.addr, "modest:1|c|#host:a\n")
		s.comes(t, before, verdict{accepted: many + 1})
		if sum := s.sum(t, "greedy"); sum != many {
			t.Errorf("the sum over all series is %v, want %d", sum, many)
		}
		if got := s.last(t, "modest"); got != 1 {
			t.Errorf("the neighbour stands at %v", got)
		}
		o := get[api.Cardinality](t, s, "/api/v1/cardinality").Offenders
		if len(o) != 1 || o[0].Name != "greedy" || o[0].Limit != "name" || o[0].TagKey != "id" || o[0].Refused != many-1000 ||
			o[0].Distinct < 3800 || o[0].Distinct > 4200 || len(o[0].Sources) != 1 || o[0].Sources[0].Address != "127.0.0.1" ||
			o[0].Sources[0].Listener != "tcp "+s.addr {
			t.Errorf("%+v", o)
		}
	})
	t.Run("T44", func(t *testing.T) {
		before := s.ledger()
		for part := range slices.Chunk(strings.SplitAfter(flood("n%[1]d:1|c|#user:u%[1]d\n"), "\n"), 100) { // names of their own
			s.post(t, "text/plain", strings.Join(part, ""))
		}
		s.comes(t, before, verdict{accepted: many})
		c := get[api.Cardinality](t, s, "/api/v1/cardinality?limit=5")
		tag := c.Tags[0]
		if tag.Key != "user" || tag.Values != 2000 || tag.Refused != many-2000 || len(tag.Sources) != 1 || tag.Sources[0].Listener != "http" {
			t.Errorf("%+v", tag)
		}
		if len(c.Offenders) != 5 || c.Offenders[0].Name != "greedy" || c.Offenders[1].Limit != "tag_values" || c.Offenders[1].TagKey != "user" {
			t.Errorf("%+v", c.Offenders)
		}
		o, err := s.http.Overview(t.Context())
		if err != nil || len(o.Offenders) == 0 || o.Offenders[0].Name != "greedy" {
			t.Errorf("the overview names %+v, %v", o.Offenders, err)
		}
	})
}

// sum adds up the series of a counter, overflow among them.
func (s *system) sum(t *testing.T, name string) (sum float64) {
	t.Helper()
	for _, one := range get[api.MetricDetail](t, s, "/api/v1/metrics/"+name).Series {
		sum += *one.Last
	}
	return sum
}
