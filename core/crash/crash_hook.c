/* SPDX-License-Identifier: MIT
 *
 * crash_hook.c - installs the report's handler for the signals of crashes.
 */
#include <signal.h>

#include "core/crash/crash.h"

void crash_hook_install(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_sigaction = crash_handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigfillset(&action.sa_mask);
    (void)sigdelset(&action.sa_mask, SIGALRM); /* the end of a report that hangs */
    for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
        (void)sigaction(signals[i], &action, NULL);
    }
}
