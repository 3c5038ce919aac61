#include <stddef.h>

enum { NEXUS_SLOTS = 16 };

// nexus_slot is where an answer's rows are packed. One statement at a time has it.
typedef struct nexus_slot {
	unsigned char *bytes;
	size_t size, room, limit;
} nexus_slot;

extern nexus_slot nexus_slots[NEXUS_SLOTS];

// nexus_register_pack gives nexus_pack to every connection that is opened from now on,
// and returns what SQLite does.
int nexus_register_pack(void);

// nexus_empty makes a slot fit for the next answer. It gives a large room back.
void nexus_empty(int slot);
