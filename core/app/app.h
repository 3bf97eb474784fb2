/* SPDX-License-Identifier: MIT
 *
 * app.h - the composition root: makes the server's parts, runs them, and takes them down.
 */
#ifndef TOQ_CORE_APP_APP_H
#define TOQ_CORE_APP_APP_H

#include "config/config.h"
#include "core/app/app_modules.h"

struct inherited;

struct app_options {
    const struct config *config;
    const struct inherited *inherited;
    const char *program; /* argv[0] */
    const char *version;
    const struct config_set *set; /* what `config` was read by, for reading it again */
    struct app_modules *modules;
};

/* app_serve runs the server until a signal has ended it.
 *
 * options: borrowed.
 * *ret_is_clean: false when a worker thread is, or may be, still busy with what exit would take
 *                from it: _exit is due.
 * Returns: an exit code of sysexits.h: 0; 69 a port is taken; 71 the system refuses; 78 the build
 *          lacks what the configuration asks for. Unless it is 0, nothing has been served, a line
 *          on stderr says why, and the process is to end.
 * Thread:  main, once.
 */
MUST_USE int app_serve(const struct app_options *options, bool *ret_is_clean);

#endif
