package admit_test

import (
	"fmt"
	"sync"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// parse reads a line that must be good. The metric is valid for good: the
// parser is its own.
func parse(t *testing.T, line string) *protocol.Metric {
	t.Helper()
	m, fault := protocol.NewParser(protocol.DefaultLimits()).Text([]byte(line))
	if fault.Reason != protocol.Accepted {
		t.Fatalf("%s: %s", line, fault.Reason)
	}
	return m
}

func admitLine(t *testing.T, c *admit.Catalog, line string) *admit.Series {
	t.Helper()
	m := parse(t, line)
	return c.Admit(m, series.AppendMetric(nil, m), nil)
}

func named(t *testing.T, s *admit.Series) string {
	t.Helper()
	k, err := series.Parse([]byte(s.Key))
	if err != nil {
		t.Fatal(err)
	}
	if k.Type != s.Type {
		t.Fatalf("%s has type %v, its key says %v", k, s.Type, k.Type)
	}
	return k.String()
}

func TestCatalogNamesEachSeriesOnce(t *testing.T) {
	c := admit.NewCatalog(100)
	first := admitLine(t, c, "a:1|c|#x:1,y:2")
	for _, line := range []string{"a:5|c|#x:1,y:2", "a:1|c|#y:2,x:1", "a:1:2:3|c|#y:2,x:1,y:2", "a,y=2,x=1:1|c"} {
		if s := admitLine(t, c, line); s != first {
			t.Errorf("%s is another series", line)
		}
	}
	for _, line := range []string{"a:1|g|#x:1,y:2", "a:1|c|#x:1", "a:1|c", "a:1|c|#x:1,y:3", "b:1|c|#x:1,y:2"} {
		if s := admitLine(t, c, line); s == first {
			t.Errorf("%s is the same series", line)
		}
	}
	if c.Len() != 6 || len(c.Snapshot()) != 6 || len(c.ByName("a")) != 5 || len(c.ByName("b")) != 1 || c.ByName("c") != nil {
		t.Errorf("%d series, %d of name a", c.Len(), len(c.ByName("a")))
	}
	for i, s := range c.Snapshot() {
		if int(s.Index) != i || c.At(s.Index) != s {
			t.Errorf("series %d has index %d", i, s.Index)
		}
	}
	if got := named(t, first); got != `a{x="1",y="2"}` {
		t.Error(got)
	}
}

// TestInternAgreesWithAdmit lets recovery and the doors meet the same series.
func TestInternAgreesWithAdmit(t *testing.T) {
	c := admit.NewCatalog(1)
	first := admitLine(t, c, "a:1|c")
	if s, err := c.Intern([]byte(first.Key)); err != nil || s != first {
		t.Errorf("%v, %v", s, err)
	}
	// The budget binds the doors. What the log holds was admitted before.
	key := series.Key{Name: "b", Type: protocol.Gauge}.Append(nil)
	s, err := c.Intern(key)
	if err != nil || named(t, s) != "b" || c.Len() != 2 || c.Overflowed() != 0 {
		t.Errorf("%v, %v", s, err)
	}
	if again := admitLine(t, c, "b:1|g"); again != s {
		t.Error("a series that the log brought is not known at the door")
	}
	for _, bad := range []string{"", "\x00", "\x01", "\x09\x01a\x00", "\x01\x05a", string(key) + "x"} {
		if _, err := c.Intern([]byte(bad)); err == nil {
			t.Errorf("%q is interned", bad)
		}
	}
}

// TestBudget sends what is beyond it to overflow series, one for each type of
// a known name and one for each type of all other names, and nothing known
// there.
func TestBudget(t *testing.T) {
	c := admit.NewCatalog(2)
	a, b := admitLine(t, c, "a:1|c|#k:1"), admitLine(t, c, "b:1|g")
	for line, want := range map[string]string{
		"a:1|c|#k:2":    `a{nexus_overflow="true"}`,
		"a:1|c|#k:3":    `a{nexus_overflow="true"}`,
		"b:1|g|#k:1":    `b{nexus_overflow="true"}`,
		"new:1|c":       `nexus.overflow{nexus_overflow="true"}`,
		"other:1|c|#k:": `nexus.overflow{nexus_overflow="true"}`,
	} {
		s := admitLine(t, c, line)
		if got := named(t, s); got != want {
			t.Errorf("%s goes to %s, want %s", line, got, want)
		}
		if again := admitLine(t, c, line); again != s {
			t.Errorf("%s goes to another series the second time", line)
		}
	}
	if admitLine(t, c, "a:9|c|#k:1") != a || admitLine(t, c, "b:9|g") != b {
		t.Error("a series within the budget was turned away")
	}
	if n := c.Overflowed(); n != 10 {
		t.Errorf("%d turned away, want 10", n)
	}
	overflow := admitLine(t, c, "new:1|c")
	if as := admitLine(t, c, "new:1|ms"); as == overflow || as.Type != protocol.Timer {
		t.Error("types share an overflow series")
	}
}

// TestBudgetHoldsMemory makes up names without end: one overflow series a type
// is all that comes of it.
func TestBudgetHoldsMemory(t *testing.T) {
	c := admit.NewCatalog(10)
	symbols := []string{"c", "g", "ms", "h", "d", "s"}
	for i := range 6_000 {
		admitLine(t, c, fmt.Sprintf("made.up.%d:1|%s|#id:%d", i, symbols[i%len(symbols)], i))
	}
	if max := 10 + len(symbols); c.Len() > max {
		t.Errorf("%d series, at most %d expected", c.Len(), max)
	}
	if n := c.Overflowed(); n != 6_000-10 {
		t.Errorf("%d turned away", n)
	}
}

// TestCatalogIsShared admits the same series from many goroutines at once:
// each exists once, whoever was first.
func TestCatalogIsShared(t *testing.T) {
	const workers, names = 8, 200
	c := admit.NewCatalog(names)
	found := make([][names]*admit.Series, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			p := protocol.NewParser(protocol.DefaultLimits())
			for i := range names {
				n := (i*7 + w*31) % names
				m, _ := p.Text(fmt.Appendf(nil, "n.%d:1|c|#a:1", n))
				s := c.Admit(m, series.AppendMetric(nil, m), nil)
				found[w][n] = s
				if len(c.ByName(fmt.Sprintf("n.%d", n))) != 1 || c.At(s.Index) != s {
					t.Error("a series is not what it was")
				}
			}
		})
	}
	wg.Wait()
	if c.Len() != names || c.Overflowed() != 0 {
		t.Errorf("%d series, %d turned away", c.Len(), c.Overflowed())
	}
	for w := range workers {
		if found[w] != found[0] {
			t.Errorf("worker %d has other series", w)
		}
	}
}

// TestSnapshotStays holds that a snapshot is of its moment.
func TestSnapshotStays(t *testing.T) {
	c := admit.NewCatalog(100)
	admitLine(t, c, "a:1|c")
	all, byName := c.Snapshot(), c.ByName("a")
	admitLine(t, c, "a:1|g")
	if len(all) != 1 || len(byName) != 1 || cap(all) != 1 || cap(byName) != 1 {
		t.Error("a snapshot grows with the catalog")
	}
}

func TestSeriesID(t *testing.T) {
	s := admitLine(t, admit.NewCatalog(1), "a:1|c")
	if s.ID() != 0 {
		t.Error("a new series has an id")
	}
	if s.SetID(42); s.ID() != 42 {
		t.Error(s.ID())
	}
}
