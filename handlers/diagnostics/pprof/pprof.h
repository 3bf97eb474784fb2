/* SPDX-License-Identifier: MIT
 *
 * pprof.h - /debug/pprof as Go serves it.
 *
 * Source: net/http/pprof of Go 1.19, and what its scrapers ask for.
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_H

#include <sys/types.h>

#include "core/http/http.h"
#include "handlers/diagnostics/pprof/pprof_accounts.h"

struct cpu_capture;

struct pprof {
    struct loop *loop;
    struct pool *pool;  /* struct profiler_options' */
    struct loop *work;  /* whose stalls are recorded */
    struct str token;   /* that every request must carry; empty: none. Borrowed */
    struct str cmdline; /* argv joined with NULs. Borrowed */
    uint64_t max_seconds;
    uint64_t mutex_fraction;     /* struct profiler_options' */
    size_t history_windows;      /* kept of the past; 0: none */
    uint64_t block_ms;           /* struct profiler_options' */
    struct cpu_capture *capture; /* that is running; NULL: none */
    struct list waiters;         /* requests that get it */
    struct pprof_accounts accounts;
    bool is_started;
};

/* pprof_is_built tells whether this build has the profiler.
 *
 * Thread: any.
 */
bool pprof_is_built(void);

/* pprof_start starts the profiler and registers its own accounts.
 *
 * Returns: 0; UV_ENOMEM; UV_ENOSYS in a build without the profiler.
 */
MUST_USE int pprof_start(struct pprof *pprof, struct metrics *metrics);

/* pprof_stop ends a capture that is running and stops the profiler; the loop must still turn
 * afterwards. */
void pprof_stop(struct pprof *pprof);

/* pprof_ask_stack asks what a thread does now; as stack_line_start.
 *
 * done: gets a line of function names; as stack_line_fn.
 * Returns: 0; UV_ENOSYS when the profiler is off; UV_ENOMEM: done does not run.
 */
MUST_USE int pprof_ask_stack(const struct pprof *pprof, pid_t tid,
                             void (*done)(void *arg, const char *line), void *arg);

/* pprof_handle_debug lists what this listener serves, as HTML or text. */
void pprof_handle_debug(struct http_request *req, void *pprof);

/* pprof_handle_trace says what to use in place of Go's execution trace. */
void pprof_handle_trace(struct http_request *req, void *pprof);

/* pprof_dump makes the text of goroutine?debug=2: of all in flight, and of each thread.
 *
 * done: as goroutine_dump_fn.
 * Returns: 0; UV_ENOSYS when the profiler is off; UV_EBUSY, UV_ENOMEM: done does not run.
 */
MUST_USE int pprof_dump(const struct pprof *pprof,
                        void (*done)(void *arg, int status, char *data, size_t len), void *arg);

/* pprof_symbolize prints names and lines of the frames of a crash report, see symbolize_print.
 *
 * frames: NULL-terminated.
 * Returns: an exit code: 0; EX_UNAVAILABLE in a build without the profiler, or when none is known.
 * Thread:  main; no server runs.
 */
int pprof_symbolize(char *const *frames);

/* pprof_start_flight begins to keep what the recorder has, see flight_start.
 *
 * dir: of files that are written by themselves; "": none. Borrowed.
 */
void pprof_start_flight(const struct pprof *pprof, const char *dir);

/* pprof_stop_flight ends that; harmless when it was not started. */
void pprof_stop_flight(void);

/* pprof_handle_flight answers with a trace of the last ?ago=. */
void pprof_handle_flight(struct http_request *req, void *pprof);

/* pprof_handle_flight_page answers with a page that opens it in ui.perfetto.dev. */
void pprof_handle_flight_page(struct http_request *req, void *pprof);

/* pprof_handle_flight_script answers with that page's script. */
void pprof_handle_flight_script(struct http_request *req, void *pprof);

/* pprof_handle_redirect sends /debug/pprof to /debug/pprof/. */
void pprof_handle_redirect(struct http_request *req, void *pprof);

/* pprof_handle_index lists the profiles as HTML. */
void pprof_handle_index(struct http_request *req, void *pprof);

/* pprof_handle_cmdline answers with the command line. */
void pprof_handle_cmdline(struct http_request *req, void *pprof);

/* pprof_handle_profile captures the CPU for ?seconds= and answers with the profile; with ?share=1
 * it takes the capture that is running, if there is one; with ?ago= or ?from= it answers at once
 * with what the history has of the seconds that began so long ago, or then. */
void pprof_handle_profile(struct http_request *req, void *pprof);

/* pprof_handle_symbol names the addresses in the query (GET) or the body (POST). */
void pprof_handle_symbol(struct http_request *req, void *pprof);

/* pprof_handle_named answers with the profile that the path names: as it is now, as text with
 * ?debug=, its change with ?seconds=. */
void pprof_handle_named(struct http_request *req, void *pprof);

/* pprof_handle_unknown answers for a path below /debug/pprof/ that can be no profile's. */
void pprof_handle_unknown(struct http_request *req, void *pprof);

/* pprof_handle_ui_redirect sends /debug/pprof/ui to /debug/pprof/ui/, whatever prefix a proxy puts
 * before it. */
void pprof_handle_ui_redirect(struct http_request *req, void *pprof);

/* pprof_handle_ui_page answers with the page that draws profiles. */
void pprof_handle_ui_page(struct http_request *req, void *pprof);

/* pprof_handle_ui_asset answers with a file of the page: the one that the path names. */
void pprof_handle_ui_asset(struct http_request *req, void *pprof);

/* pprof_handle_ui_profiles tells the page what there is to draw, as JSON. */
void pprof_handle_ui_profiles(struct http_request *req, void *pprof);

/* pprof_handle_ui_history tells the page how much CPU each second of the past took, as JSON. */
void pprof_handle_ui_history(struct http_request *req, void *pprof);

/* pprof_handle_ui_source answers with the source file of the code at ?pc=, in the ?depth= of its
 * inlined calls. */
void pprof_handle_ui_source(struct http_request *req, void *pprof);

/* pprof_handle_wall answers as fgprof does: where requests spend ?seconds=. */
void pprof_handle_wall(struct http_request *req, void *pprof);

#endif
