package console

import "testing"

func TestParse(t *testing.T) {
	for name := range parsePages() {
		t.Log(name)
	}
}
