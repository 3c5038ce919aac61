package admin

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"sync"
)

// contention is how many events of waiting for a lock stand for one in a profile:
// rare enough that a busy daemon does not feel it.
const contention = 10

// profiling lets one mutex profile be taken at a time: the rate is the process's.
var profiling sync.Mutex

// mutexProfile records who held locks that others waited for, over the seconds
// that are asked for, 10 by default and 60 at the most. The runtime records nothing
// of that else.
func mutexProfile(w http.ResponseWriter, r *http.Request) {
	seconds := 10
	if s := r.FormValue("seconds"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 60 {
			http.Error(w, "seconds: write a whole number from 1 to 60", http.StatusBadRequest)
			return
		}
		seconds = n
	}
	if !profiling.TryLock() {
		http.Error(w, "a mutex profile is being taken: ask again when it is done", http.StatusConflict)
		return
	}
	defer profiling.Unlock()
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(contention))
	q := r.URL.Query()
	q.Set("seconds", strconv.Itoa(seconds))
	r.URL.RawQuery, r.Form = q.Encode(), nil
	pprof.Handler("mutex").ServeHTTP(w, r)
}
