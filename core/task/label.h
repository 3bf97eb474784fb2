/* SPDX-License-Identifier: MIT
 *
 * label.h - small numbers for the label sets that profiles and logs carry: a route and a method, or
 * an rpc.
 *
 * A CPU sample is taken in a signal handler, which can copy a number but no text; so each set gets
 * a number at start, and keeps it until the process ends.
 *
 * Memory: at most LABEL_MAX sets; past that label_intern returns LABEL_OTHER and counts.
 * Thread: the loop interns; label_get: any (a set never changes once it has its number).
 */
#ifndef TOQ_CORE_TASK_LABEL_H
#define TOQ_CORE_TASK_LABEL_H

#include "core/base/str.h"

#define LABEL_NONE     0
#define LABEL_OTHER    1
#define LABEL_PROFILER 2 /* what the profiler does for itself */
#define LABEL_MAX      1000

/* Either route and method, or rpc, or toq; all are NULL in LABEL_NONE. */
struct label {
    const char *route;  /* template, "/v1/listings/:id" */
    const char *method; /* "GET" */
    const char *rpc;    /* "toq.v1.ListingService/Get" */
    const char *toq;    /* a part of the server that works for itself: "profiler" */
};

/* label_intern returns the number of a label set, a new one the first time.
 *
 * Owns:    both texts are copied.
 * Returns: 3..LABEL_MAX - 1, or LABEL_OTHER when the table is full or memory is missing.
 */
uint32_t label_intern(struct str route, const char *method);

/* label_intern_rpc is label_intern for the set of a gRPC method. */
uint32_t label_intern_rpc(struct str rpc);

/* label_name is the route, or the method of gRPC, of a label; it lives as long as the process.
 *
 * Returns: "" where the label has neither.
 * Thread:  any.
 */
const char *label_name(uint32_t id);

/* label_get returns the set of a number; LABEL_NONE's for a number that was not given out. The
 * texts live as long as the process.
 *
 * Thread: any.
 */
struct label label_get(uint32_t id);

/* label_get_count is the number of sets: every number that was given out is below it.
 *
 * Thread: any.
 */
uint32_t label_get_count(void);

/* label_overflow_count is how often label_intern found the table full. */
uint64_t label_overflow_count(void);

#endif
