//go:build cgo

// nexus_pack(slot, query, column…) is an aggregate of SQLite that appends its rows to a
// buffer of this process, in the form that packed.go states, and returns how many they
// were. All rows of several queries come by one call then: between two calls of C
// somebody else may take the caller's processor.
//
// The few functions of SQLite are declared here, for its header lies with the driver.
// Their calling convention is what SQLite has promised since version 3.

#include "pack_sqlite.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_value sqlite3_value;

int sqlite3_auto_extension(void (*entry)(void));
int sqlite3_create_function_v2(sqlite3 *, const char *name, int args, int flags, void *data,
	void (*function)(sqlite3_context *, int, sqlite3_value **),
	void (*step)(sqlite3_context *, int, sqlite3_value **),
	void (*final)(sqlite3_context *), void (*destroy)(void *));
void *sqlite3_aggregate_context(sqlite3_context *, int size);
int sqlite3_value_type(sqlite3_value *);
long long sqlite3_value_int64(sqlite3_value *);
double sqlite3_value_double(sqlite3_value *);
const void *sqlite3_value_blob(sqlite3_value *);
const unsigned char *sqlite3_value_text(sqlite3_value *);
int sqlite3_value_bytes(sqlite3_value *);
void sqlite3_result_int64(sqlite3_context *, long long);
void sqlite3_result_error(sqlite3_context *, const char *, int size);
void sqlite3_result_error_nomem(sqlite3_context *);
void sqlite3_result_error_toobig(sqlite3_context *);

enum { INTEGER = 1, DOUBLE = 2, TEXT = 3, BLOB = 4 };                       // SQLite's types
enum { TYPE_BYTES = 17, TYPE_INT = 20, TYPE_TEXT = 25, TYPE_DOUBLE = 701 }; // Postgres's
enum { UTF8 = 1, DIRECT_ONLY = 0x80000, FIRST_ROOM = 64 << 10, KEPT_ROOM = 1 << 20 };

nexus_slot nexus_slots[NEXUS_SLOTS];

// reserve returns where the next bytes go, NULL where there is no memory. The room
// stays for the next answer: the system would have to make it anew, page by page.
static unsigned char *reserve(nexus_slot *s, size_t size)
{
	if (s->room - s->size < size) {
		size_t room = s->room > 0 ? s->room : FIRST_ROOM;
		while (room - s->size < size)
			room *= 2;
		unsigned char *bytes = realloc(s->bytes, room);
		if (bytes == NULL)
			return NULL;
		s->bytes = bytes, s->room = room;
	}
	s->size += size;
	return s->bytes + s->size - size;
}

static unsigned char *put32(unsigned char *to, uint32_t v)
{
	to[0] = v >> 24, to[1] = v >> 16, to[2] = v >> 8, to[3] = v;
	return to + 4;
}

static unsigned char *put64(unsigned char *to, uint64_t v) { return put32(put32(to, v >> 32), v); }

// add_word appends a column of eight bytes.
static int add_word(nexus_slot *s, uint32_t type, uint64_t v)
{
	unsigned char *to = reserve(s, 16);
	if (to == NULL)
		return 0;
	put64(put32(put32(to, type), 8), v);
	return 1;
}

static int add_bytes(nexus_slot *s, uint32_t type, const void *bytes, int size)
{
	unsigned char *to = reserve(s, 8 + (size_t)size);
	if (to == NULL)
		return 0;
	to = put32(put32(to, type), size);
	if (size > 0)
		memcpy(to, bytes, size);
	return 1;
}

static int add(nexus_slot *s, sqlite3_value *v)
{
	const void *bytes;
	uint64_t bits;
	double d;
	unsigned char *to;
	switch (sqlite3_value_type(v)) {
	case INTEGER:
		return add_word(s, TYPE_INT, sqlite3_value_int64(v));
	case DOUBLE:
		d = sqlite3_value_double(v);
		memcpy(&bits, &d, sizeof bits);
		return add_word(s, TYPE_DOUBLE, bits);
	case TEXT:
		bytes = sqlite3_value_text(v);
		return add_bytes(s, TYPE_TEXT, bytes, sqlite3_value_bytes(v));
	case BLOB:
		bytes = sqlite3_value_blob(v);
		return add_bytes(s, TYPE_BYTES, bytes, sqlite3_value_bytes(v));
	}
	if ((to = reserve(s, 8)) == NULL)
		return 0;
	put32(put32(to, 0), UINT32_MAX);
	return 1;
}

// step appends a row: the query's number, the number of columns, the columns.
static void step(sqlite3_context *c, int n, sqlite3_value **values)
{
	long long *rows = sqlite3_aggregate_context(c, sizeof *rows);
	long long slot = n > 2 ? sqlite3_value_int64(values[0]) : -1;
	if (slot < 0 || slot >= NEXUS_SLOTS) {
		sqlite3_result_error(c, "nexus_pack: no such slot", -1);
		return;
	}
	nexus_slot *s = &nexus_slots[slot];
	unsigned char *to = reserve(s, 8);
	int ok = rows != NULL && to != NULL;
	if (ok)
		put32(put32(to, sqlite3_value_int64(values[1])), n - 2);
	for (int i = 2; ok && i < n; i++)
		ok = add(s, values[i]);
	if (!ok)
		sqlite3_result_error_nomem(c);
	else if (s->size > s->limit)
		sqlite3_result_error_toobig(c);
	else
		++*rows;
}

static void final(sqlite3_context *c)
{
	long long *rows = sqlite3_aggregate_context(c, 0);
	sqlite3_result_int64(c, rows != NULL ? *rows : 0);
}

static int entry(sqlite3 *db, char **fault, const void *api)
{
	(void)fault, (void)api;
	return sqlite3_create_function_v2(db, "nexus_pack", -1, UTF8 | DIRECT_ONLY, NULL, NULL, step, final, NULL);
}

int nexus_register_pack(void) { return sqlite3_auto_extension((void (*)(void))entry); }

void nexus_empty(int slot)
{
	nexus_slot *s = &nexus_slots[slot];
	s->size = 0;
	if (s->room > KEPT_ROOM) {
		free(s->bytes);
		s->bytes = NULL, s->room = 0;
	}
}
