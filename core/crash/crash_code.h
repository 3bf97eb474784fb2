/* SPDX-License-Identifier: MIT
 *
 * crash_code.h - finds the file that has code at an address, in /proc/self/maps at the time of the
 * crash.
 *
 * Failure: without /proc no file is found, and frames are bare addresses.
 * Memory:  CRASH_OBJECTS_MAX mappings of code, static; further ones are ignored.
 * Thread:  signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_CODE_H
#define TOQ_CORE_CRASH_CRASH_CODE_H

#include "core/crash/crash_out.h"

#define CRASH_OBJECTS_MAX 256
#define CRASH_PATH_BYTES  256

struct crash_object {
    uint64_t start; /* of its code */
    uint64_t end;
    uint64_t base; /* where the first byte of the file is mapped: offsets count from there, as
                      addr2line takes them of what is linked to run anywhere */
    char path[CRASH_PATH_BYTES]; /* "" for none */
};

/* crash_code_read reads the mappings of the process. */
void crash_code_read(void);

/* crash_code_find finds what has code at an address; NULL: nothing that is known. */
const struct crash_object *crash_code_find(uint64_t address);

/* crash_code_put writes what has code at an address, and the offset in it:
 * "/usr/bin/toq_server+0x1a2b"; the address alone where that is not known. */
void crash_code_put(struct crash_out *out, uint64_t address);

/* crash_code_is_own tells whether an address is in the code of the server itself. */
bool crash_code_is_own(uint64_t address);

/* crash_code_parse adds the mapping of a line of /proc/self/maps, without its end; for tests. */
void crash_code_parse(const char *line, size_t len);

#endif
