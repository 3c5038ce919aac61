package badinput_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTable holds docs/bad-inputs.md to the tests: each row that names a subtest of
// this package is one.
func TestTable(t *testing.T) {
	table, err := os.ReadFile("../../docs/bad-inputs.md")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range []string{"http_test.go", "json_test.go", "objectives_test.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	rows := regexp.MustCompile("`Test[A-Za-z]+/([HJQ][0-9]{2})`").FindAllStringSubmatch(string(table), -1)
	if len(rows) < 35 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if !strings.Contains(source.String(), `"`+r[1]+`"`) {
			t.Errorf("there is no test of %s", r[1])
		}
	}
}
