package daemon

import (
	"fmt"
	"testing"

	"example.com/nexusctl/storage"
)

// TestDescriptionsRemembered: what is remembered is whole until something changes, and
// never more than a bound.
func TestDescriptionsRemembered(t *testing.T) {
	var d descriptions
	expect := func(what, name, want string, known bool) {
		t.Helper()
		list, _, ok := d.get(name)
		if got := fmt.Sprint(list); got != want || ok != known {
			t.Errorf("%s: %s is %s, known: %v; want %s, %v", what, name, got, ok, want, known)
		}
	}
	said := []storage.Meta{{Name: "a", Description: "A", Unit: "s"}, {Name: "c", Description: "C"}}
	expect("at first", "a", "[]", false)
	d.putAll(said, 0)
	expect("all read", "a", "[{a A s}]", true)
	expect("nothing said", "b", "[]", true)
	d.forget("a")
	expect("changed", "a", "[]", false)
	expect("said by nobody so far", "b", "[]", false)
	expect("and not changed", "c", "[{c C }]", true)
	d.putAll(said, 0)
	expect("read before the change", "b", "[]", false)
	_, now, _ := d.get("a")
	d.putAll(said, now)
	expect("read anew", "b", "[]", true)
	d.forgetAll()
	expect("everything changed", "c", "[]", false)

	many := make([]storage.Meta, maxDescriptions+1)
	_, now, _ = d.get("a")
	d.putAll(many, now)
	if d.few() || d.whole || len(d.byName) > 0 {
		t.Errorf("%d are remembered", len(d.byName))
	}
	d.put("b", nil, now)
	expect("one by one", "b", "[]", true)
	expect("another", "a", "[]", false)

	for name, want := range map[string]string{"a": "[{a A s}]", "b": "[]", "c": "[{c C }]", "d": "[]", "": "[]"} {
		if got := fmt.Sprint(described(said, name)); got != want {
			t.Errorf("of %q is said %s, want %s", name, got, want)
		}
	}
}
