package admin

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// TestMutexProfile takes one profile at a time, over seconds within bounds, and
// leaves the runtime as it was.
func TestMutexProfile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(mutexProfile))
	defer s.Close()
	status := func(query string) int {
		res, err := s.Client().Get(s.URL + query)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	for _, bad := range []string{"?seconds=0", "?seconds=61", "?seconds=x", "?seconds=-1"} {
		if got := status(bad); got != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, got)
		}
	}
	first := make(chan int)
	go func() { first <- status("?seconds=1") }()
	for deadline := time.Now().Add(10 * time.Second); runtime.SetMutexProfileFraction(-1) != contention; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is recorded")
		}
	}
	if got := status("?seconds=1"); got != http.StatusConflict {
		t.Errorf("a second one at the same time: %d", got)
	}
	if got := <-first; got != http.StatusOK {
		t.Errorf("the first one: %d", got)
	}
	if rate := runtime.SetMutexProfileFraction(-1); rate != 0 {
		t.Errorf("the rate stays at %d", rate)
	}
}
