//go:build cgo

package dialect

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void one_arena(void) { mallopt(M_ARENA_MAX, 1); }
#else
static void one_arena(void) {}
#endif
*/
import "C"

import (
	"os"
	"sync"
)

// oneArena has SQLite's memory come from one place. The C library gives each thread an
// arena of its own, eight for each processor, and a statement runs on whatever thread
// Go has for it: what one of them frees lies in its arena for the others to do without,
// and a cache of 16 MiB came to take 46 after 240 flushes, and more later. Who set
// MALLOC_ARENA_MAX knows better.
var oneArena = sync.OnceFunc(func() {
	if os.Getenv("MALLOC_ARENA_MAX") == "" {
		C.one_arena()
	}
})
