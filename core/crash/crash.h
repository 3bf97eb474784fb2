/* SPDX-License-Identifier: MIT
 *
 * crash.h - the crash report: written to stderr and a file before the signal's default action.
 *
 * Flow:    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT -> signal, registers, build, stack, task, all
 *          in flight, by write(2) alone -> names and lines, by a child -> the default action, with
 *          the original siginfo, so that a core file has it
 * Failure: a part that was written stays when a later one fails. A fault in the report ends the
 *          process; a report that hangs is ended after CRASH_REPORT_MS, by SIGALRM.
 * Thread:  any thread may crash; the first one reports, others wait for the end.
 */
#ifndef TOQ_CORE_CRASH_CRASH_H
#define TOQ_CORE_CRASH_CRASH_H

#include <signal.h>

#include "core/crash/crash_stack.h"

#define CRASH_REPORT_MS 20000

struct crash_options {
    const char *dir;     /* where the file goes; "": stderr alone. Never freed */
    const char *version; /* as dir */
};

/* crash_install has crashes reported from now on, for the life of the process; and gives the
 * calling thread a second stack, as threads of thread_start have one. In sanitized builds the
 * sanitizer reports them: SIGQUIT's report and crash_put_tasks work there as well.
 *
 * Returns: 0; a negative errno when no file can be made in the folder.
 * Thread:  main.
 */
MUST_USE int crash_install(const struct crash_options *options);

/* crash_put_tasks writes to stderr what is in flight.
 *
 * Thread: any, signal.
 */
void crash_put_tasks(void);

/* crash_handle is the signal handler.
 *
 * Thread: signal.
 */
void crash_handle(int signo, siginfo_t *info, void *context);

/* crash_hook_install makes crash_handle the handler of crashes; nothing in sanitized builds. */
void crash_hook_install(void);

#endif
