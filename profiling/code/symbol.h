/* SPDX-License-Identifier: MIT
 *
 * symbol.h - from code address to function, file and line, with inlined calls, by libdw.
 *
 * Memory: answers are cached, and DWARF stays open, for a minute at most, until symbol_trim, or
 *         until an object is loaded or unloaded; texts, up to a maximum, until symbol_stop.
 * Thread: a worker thread; one at a time (a lock inside), never the loop: the first look-up reads
 * files.
 */
#ifndef TOQ_PROFILING_CODE_SYMBOL_H
#define TOQ_PROFILING_CODE_SYMBOL_H

#include "core/base/str.h"

#define SYMBOL_FRAMES_MAX 32

struct symbol_frame {
    const char *function; /* never NULL; "libuv+0x1b0a0" where the object has no symbol */
    const char
        *own_name;    /* as the source has it, when `function` has its file before it; or NULL */
    const char *file; /* "" when unknown */
    int line;         /* 0 when unknown */
    int start_line;   /* of the function; 0 when unknown */
};

struct symbol_result {
    struct symbol_frame frames[SYMBOL_FRAMES_MAX]; /* innermost inlined call first */
    size_t count;                                  /* at least 1 */
    uint64_t entry; /* where the function begins that the others are inlined in; 0 when unknown */
    bool is_named;  /* false: frames[0].function is a stand-in */
    bool is_mapped; /* false: no object has code there */
    bool is_failed; /* memory was missing: frames[0] is "[unknown]" */
};

/* symbol_lookup names the code at `addr`, the address of an instruction (for callers: return
 * address - 1).
 *
 * Owns: the texts live until symbol_stop.
 */
void symbol_lookup(uint64_t addr, struct symbol_result *ret_result);

/* symbol_lookup_shown is symbol_lookup for an address as profiles show it, see maps_shift; one in
 * memory is known as well. */
void symbol_lookup_shown(uint64_t shown, struct symbol_result *ret_result);

/* symbol_is_idle tells whether there is memory for symbol_trim to give back, that no look-up has
 * used for so long.
 * Thread: any. */
bool symbol_is_idle(uint64_t idle_ns);

/* symbol_trim gives back the memory that look-ups took; the texts stay. The next look-up reads
 * files. */
void symbol_trim(void);

/* symbol_stop frees the cache and closes the DWARF; no look-up may be running. */
void symbol_stop(void);

#endif
