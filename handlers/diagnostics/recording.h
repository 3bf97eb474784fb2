/* SPDX-License-Identifier: MIT
 *
 * recording.h - the recorder of both loops, started and stopped with the server.
 *
 * Thread: main, while the loop of diagnostics does not run.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_RECORDING_H
#define TOQ_HANDLERS_DIAGNOSTICS_RECORDING_H

#include "core/loop/loop.h"
#include "handlers/diagnostics/pprof/pprof.h"

struct trouble;

struct recording_options {
    const struct pprof *pprof; /* its loops are recorded */
    uint64_t events; /* of the work loop that are kept, to the next power of two; 0: none */
    const char *dir; /* for files that are written by themselves; "": none */
    struct trouble *trouble;
    uint64_t slow_ms; /* trouble_set_limits' */
    uint64_t errors;
};

struct recording {
    struct loop_post post; /* to the loop of diagnostics */
    uint64_t events;       /* of that one */
};

/* recording_start is called on the thread of the work loop. */
void recording_start(struct recording *recording, const struct recording_options *options);

/* recording_stop ends it, before the profiler stops. */
void recording_stop(void);

#endif
