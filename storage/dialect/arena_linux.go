//go:build cgo

package dialect

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
// SQLite's memory is to come from one place. The C library gives each thread an arena of
// its own, eight for each processor, and a statement runs on whatever thread Go has for
// it: what one of them frees lies in its arena for the others to do without. It has to be
// said before there are threads, so before the program's own beginning. Who set
// MALLOC_ARENA_MAX knows better.
__attribute__((constructor)) static void one_arena(void)
{
	if (getenv("MALLOC_ARENA_MAX") == NULL)
		mallopt(M_ARENA_MAX, 1);
}
#endif
*/
import "C"
