package admit_test

import (
	"fmt"
	"slices"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// from admits a line of a source.
func from(t *testing.T, c *admit.Catalog, address, line string) string {
	t.Helper()
	m := parse(t, line)
	s := c.Admit(m, series.AppendMetric(nil, m), func() admit.Source { return admit.Source{Listener: "tcp", Address: address} })
	return named(t, s)
}

// TestNameBudget turns away what is beyond one name's budget, and nothing else.
func TestNameBudget(t *testing.T) {
	c := admit.NewCatalog(1000)
	c.SetBudgets(admit.Budgets{Series: 1000, NameSeries: 3})
	for i := range 3 {
		if got := from(t, c, "good", fmt.Sprintf("a:1|c|#id:%d", i)); got != fmt.Sprintf(`a{id="%d"}`, i) {
			t.Errorf("within the budget: %s", got)
		}
	}
	for i := range 100 {
		if got := from(t, c, "greedy", fmt.Sprintf("a:1|c|#id:x%d,env:prod", i%50)); got != `a{nexus_overflow="true"}` {
			t.Fatalf("beyond it: %s", got)
		}
	}
	for line, want := range map[string]string{"a:1|c|#id:2": `a{id="2"}`, "b:1|c|#id:9": `b{id="9"}`, "a:1|ms|#id:x1": `a{nexus_overflow="true"}`} {
		if got := from(t, c, "good", line); got != want {
			t.Errorf("%s goes to %s, want %s", line, got, want)
		}
	}
	r := c.Cardinality(10)
	if r.Series != 4 || r.Refused != 101 || len(r.Offenders) != 1 {
		t.Fatalf("%+v", r)
	}
	o := r.Offenders[0]
	if o.Name != "a" || o.Limit != admit.LimitName || o.Tag != "id" || o.Refused != 101 || o.Distinct != 51 ||
		len(o.Sources) != 2 || o.Sources[0] != (admit.SourceCount{Source: admit.Source{Listener: "tcp", Address: "greedy"}, Count: 100}) {
		t.Errorf("%+v", o)
	}
}

// TestTagBudget turns away series that would bring a tag key one value too many.
func TestTagBudget(t *testing.T) {
	c := admit.NewCatalog(1000)
	c.SetBudgets(admit.Budgets{Series: 1000, TagValues: 3})
	for i := range 3 {
		from(t, c, "good", fmt.Sprintf("a:1|c|#user:%d,env:prod", i))
	}
	for line, want := range map[string]string{
		"b:1|c|#user:1":           `b{user="1"}`, // a known value
		"b:1|c|#user:7":           `b{nexus_overflow="true"}`,
		"c:1|g|#user:8,env:prod":  `c{nexus_overflow="true"}`, // a name that was never seen
		"a:1|c|#env:dev":          `a{env="dev"}`,
		"a:1|c|#user:8,env:prod":  `a{nexus_overflow="true"}`,
		"a:1|c|#user:2,env:prod":  `a{env="prod",user="2"}`,
		"d:1|c|#host:1,user:2":    `d{host="1",user="2"}`,
		"d:1|c|#host:1,user:user": `d{nexus_overflow="true"}`,
	} {
		if got := from(t, c, "x", line); got != want {
			t.Errorf("%s goes to %s, want %s", line, got, want)
		}
	}
	r := c.Cardinality(10)
	tag := r.Tags[0]
	if tag.Key != "user" || tag.Values != 3 || tag.Refused != 4 || tag.Distinct != 3 || len(tag.Sources) != 1 || tag.Sources[0].Count != 4 {
		t.Errorf("%+v", tag)
	}
	if len(r.Offenders) != 4 || r.Offenders[0].Limit != admit.LimitTag || r.Offenders[0].Tag != "user" {
		t.Errorf("%+v", r.Offenders)
	}
	if i := slices.IndexFunc(r.Names, func(n admit.NameCount) bool { return n.Name == "a" }); i != 0 || r.Names[0].Series != 4 ||
		r.Names[0].Sampled != 5 || r.Names[0].Tags[0].Key != "user" || r.Names[0].Tags[0].Values != 3 {
		t.Errorf("%+v", r.Names)
	}
}

// TestTypeConflict flags a name that comes as several types, with who brought
// each.
func TestTypeConflict(t *testing.T) {
	c := admit.NewCatalog(100)
	for _, l := range []struct{ address, line string }{
		{"one", "a:1|c"}, {"one", "a:1|c|#k:v"}, {"two", "a:1|g"}, {"two", "a:1|g|#k:v"}, {"two", "b:1|g"}, {"three", "a:1|ms"},
	} {
		from(t, c, l.address, l.line)
	}
	if _, err := c.Intern(series.Key{Name: "b", Type: protocol.Set}.Append(nil)); err != nil {
		t.Fatal(err)
	}
	r := c.Cardinality(10)
	if r.Conflicting != 2 || len(r.Conflicts) != 2 || r.Refused != 0 {
		t.Fatalf("%+v", r)
	}
	want := []admit.TypeSource{
		{Type: protocol.Counter, Source: admit.Source{Listener: "tcp", Address: "one"}},
		{Type: protocol.Gauge, Source: admit.Source{Listener: "tcp", Address: "two"}},
		{Type: protocol.Timer, Source: admit.Source{Listener: "tcp", Address: "three"}},
	}
	if got := r.Conflicts[0]; got.Name != "a" || !slices.Equal(got.Types, want) {
		t.Errorf("%+v", got)
	}
	if got := r.Conflicts[1]; got.Name != "b" || got.Types[1] != (admit.TypeSource{Type: protocol.Set}) {
		t.Errorf("%+v", got)
	}
	if !r.Names[0].Conflict || len(r.Names[0].Types) != 3 {
		t.Errorf("%+v", r.Names[0])
	}
}

// TestOwnAndOverflowAreOutside: neither the daemon's signals nor overflow series
// take of a budget, make a conflict or are listed.
func TestOwnAndOverflowAreOutside(t *testing.T) {
	c := admit.NewCatalog(2)
	limits := protocol.DefaultLimits()
	limits.ReservedPrefix = ""
	p := protocol.NewParser(limits)
	for i := range 20 {
		for _, typ := range []string{"c", "g"} {
			m, _ := p.Text(fmt.Appendf(nil, "nexus.x.%d:1|%s|#k:%d", i%3, typ, i))
			c.Admit(m, series.AppendMetric(nil, m), nil)
		}
	}
	from(t, c, "x", "a:1|c")
	from(t, c, "x", "b:1|c")
	for i := range 20 {
		from(t, c, "x", fmt.Sprintf("a:1|%s|#k:%d", []string{"c", "g", "s"}[i%3], i))
		from(t, c, "x", fmt.Sprintf("c.%d:1|c", i))
	}
	r := c.Cardinality(100)
	if r.Series != 2 || len(r.Names) != 2 || r.Conflicting != 0 || len(r.Tags) != 0 || r.Refused != 40 || len(r.Offenders) != 21 {
		t.Errorf("%+v", r)
	}
	if got := r.Offenders[0]; got.Name != "a" || got.Limit != admit.LimitSeries || got.Refused != 20 {
		t.Errorf("%+v", got)
	}
}

// TestDeletedFreeTheirPlaces holds each budget to the series that are there.
func TestDeletedFreeTheirPlaces(t *testing.T) {
	for name, b := range map[string]admit.Budgets{
		"series": {Series: 3}, "name": {Series: 100, NameSeries: 3}, "tag": {Series: 100, TagValues: 3},
	} {
		c := admit.NewCatalog(0)
		c.SetBudgets(b)
		var list []*admit.Series
		for i := range 3 {
			list = append(list, admitLine(t, c, fmt.Sprintf("a:1|c|#i:%d", i)))
		}
		expect := func(when, line, want string) {
			t.Helper()
			if got := from(t, c, "x", line); got != want {
				t.Errorf("%s, %s: %s goes to %s, want %s", name, when, line, got, want)
			}
		}
		expect("full", "a:1|c|#i:3", `a{nexus_overflow="true"}`)
		c.Delete(list[:1])
		c.Delete(list[:1]) // as two daemons may say
		if r := c.Cardinality(9); r.Series != 2 || r.Deleted != 1 || len(r.Offenders) != 0 || r.Unnamed != 1 || r.Refused != 1 {
			t.Errorf("%s, one deleted: %+v", name, r)
		}
		expect("one deleted", "a:1|c|#i:3", `a{i="3"}`)
		expect("full again", "a:1|c|#i:0", `a{nexus_overflow="true"}`)
		if !list[0].Gone() {
			t.Errorf("%s: a series that was turned away is there", name)
		}
		c.Store(list[0], 7) // what was taken of it has its place, whatever the budget
		if r := c.Cardinality(9); r.Series != 4 || r.Deleted != 0 || list[0].Gone() || list[0].ID() != 7 {
			t.Errorf("%s, one came back: %+v", name, r)
		}
		c.Delete(append(list, admitLine(t, c, "a:1|c|#i:3"), admitLine(t, c, "a:1|c|#i:9")))
		if r := c.Cardinality(9); r.Series != 0 || len(r.Names) != 0 || len(r.Tags) != 0 {
			t.Errorf("%s, all deleted: %+v", name, r)
		}
		expect("all deleted", "a:1|c|#i:9", `a{i="9"}`)
	}
}

// TestDeletedRaw: raw samples of a series that was deleted take its place again,
// where there is one.
func TestDeletedRaw(t *testing.T) {
	c := admit.NewCatalog(1)
	l := admit.NewLane(0, c, 10)
	k := &series.Key{Name: "r", Type: protocol.Raw}
	a, ok := l.AdmitRaw(k)
	if !ok {
		t.Fatal("the first is refused")
	}
	c.Delete([]*admit.Series{a.Series})
	b := admitLine(t, c, "b:1|c")
	if _, ok := l.AdmitRaw(k); ok || !a.Series.Gone() {
		t.Error("a deleted series of raw samples came back beyond the budget")
	}
	c.Delete([]*admit.Series{b})
	if again, ok := l.AdmitRaw(k); !ok || again.Series != a.Series || a.Series.Gone() || again.New {
		t.Errorf("%v, %+v", ok, again)
	}
}

// TestDeletedAreBounded deletes and names in turn: the memory of what was deleted
// is not given back, and must not pass any bound.
func TestDeletedAreBounded(t *testing.T) {
	c := admit.NewCatalog(100)
	for i := range 15_000 {
		s := admitLine(t, c, fmt.Sprintf("a:1|c|#i:%d", i))
		c.Delete([]*admit.Series{s})
	}
	if r := c.Cardinality(9); r.Deleted > 10_101 || c.Len() > 10_101 || r.Refused < 4_000 {
		t.Errorf("%d series in all, %d deleted, %d refused", c.Len(), r.Deleted, r.Refused)
	}
}

// TestDeletedConflicts: a name has the types that its series have.
func TestDeletedConflicts(t *testing.T) {
	c := admit.NewCatalog(100)
	one, two := admitLine(t, c, "a:1|c|#k:1"), admitLine(t, c, "a:1|c|#k:2")
	gauge := admitLine(t, c, "a:1|g")
	c.Delete([]*admit.Series{one})
	if r := c.Cardinality(9); r.Conflicting != 1 || len(r.Conflicts) != 1 || !r.Names[0].Conflict {
		t.Errorf("of two counters one is deleted: %+v", r)
	}
	c.Delete([]*admit.Series{gauge})
	if r := c.Cardinality(9); r.Conflicting != 0 || len(r.Conflicts) != 0 || r.Names[0].Conflict || !slices.Equal(r.Names[0].Types, []protocol.Type{protocol.Counter}) {
		t.Errorf("the gauge is deleted: %+v", r)
	}
	c.Delete([]*admit.Series{two})
	admitLine(t, c, "a:1|g")
	if r := c.Cardinality(9); r.Conflicting != 0 || r.Names[0].Series != 1 || r.Names[0].Sampled != 1 || r.Names[0].Tags != nil {
		t.Errorf("the gauge alone is there: %+v", r)
	}
}

// TestDeletedNamesAreRanked: a name that loses its series gives its place in the
// list to one that was too small for it.
func TestDeletedNamesAreRanked(t *testing.T) {
	c := admit.NewCatalog(1 << 20)
	var large []*admit.Series
	for n := range 200 {
		for i := range 1 + n/20 {
			s := admitLine(t, c, fmt.Sprintf("n.%03d:1|c|#i:%d", n, i))
			if n >= 180 {
				large = append(large, s)
			}
		}
	}
	c.Delete(large)
	r := c.Cardinality(100)
	for i, n := range r.Names {
		if want := 9 - i/20; n.Series != want {
			t.Errorf("place %d has %s with %d series, want %d", i, n.Name, n.Series, want)
		}
	}
	if len(r.Names) != 100 {
		t.Errorf("%d names", len(r.Names))
	}
}

// TestCensusIsBounded brings names, keys, sources and conflicts without end.
func TestCensusIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("makes series by the thousand")
	}
	c := admit.NewCatalog(30_000)
	p := protocol.NewParser(protocol.DefaultLimits())
	admitOne := func(line string, source admit.Source) {
		m, fault := p.Text([]byte(line))
		if fault.Reason != protocol.Accepted {
			t.Fatal(fault)
		}
		c.Admit(m, series.AppendMetric(nil, m), func() admit.Source { return source })
	}
	for i := range 15_000 {
		source := admit.Source{Listener: "tcp", Address: fmt.Sprint(i)}
		admitOne(fmt.Sprintf("n%d:1|c|#key%d:v", i, i), source)
		admitOne(fmt.Sprintf("n%d:1|g", i), source)
	}
	for i := range 15_000 {
		admitOne(fmt.Sprintf("m%d:1|c|#key1:%d", i%3000, i), admit.Source{Listener: "tcp", Address: fmt.Sprint("s", i)})
	}
	r := c.Cardinality(1 << 30)
	if len(r.Offenders) != 1000 || len(r.Tags) != 10_000 || len(r.Conflicts) != 1000 || r.Conflicting != 15_000 || len(r.Names) != 128 {
		t.Errorf("%d offenders, %d tags, %d of %d conflicts, %d names", len(r.Offenders), len(r.Tags), len(r.Conflicts), r.Conflicting, len(r.Names))
	}
	remembered := uint64(0)
	for _, o := range r.Offenders {
		remembered += o.Refused
		if len(o.Sources) > 8 {
			t.Errorf("%d sources of %s", len(o.Sources), o.Name)
		}
	}
	if remembered+r.Unnamed != r.Refused || r.Refused != 15_000 {
		t.Errorf("%d refused, %d of remembered names and %d of others", r.Refused, remembered, r.Unnamed)
	}
}

// TestTopNames: the names with most series are those that are listed, however
// they came to be so.
func TestTopNames(t *testing.T) {
	c := admit.NewCatalog(1 << 20)
	const names = 500
	for round := range 20 {
		for n := range names {
			if n%20 >= round { // name n ends with n%20+1 series
				from(t, c, "x", fmt.Sprintf("n.%03d:1|c|#i:%d", n, round))
			}
		}
	}
	r := c.Cardinality(25)
	if len(r.Names) != 25 {
		t.Fatalf("%d names", len(r.Names))
	}
	for i, n := range r.Names {
		if want := fmt.Sprintf("n.%03d", 19+20*i); n.Name != want || n.Series != 20 {
			t.Errorf("place %d has %s with %d series, want %s", i, n.Name, n.Series, want)
		}
	}
}
