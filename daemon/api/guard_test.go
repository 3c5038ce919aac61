package api

import "testing"

func TestReadable(t *testing.T) {
	for query, want := range map[string]bool{
		"": true, "a=b&c": true, "name=shop.%2A": true, "a=%25&b=%3b": true, "q=a+b": true,
		"name=%zz": false, "name=%": false, "a=1;b=2": false, "a=%2": false, "%=1": false,
	} {
		if readable(query) != want {
			t.Errorf("%q: %v, want %v", query, !want, want)
		}
	}
}
