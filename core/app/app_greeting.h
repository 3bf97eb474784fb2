/* SPDX-License-Identifier: MIT
 *
 * app_greeting.h - what the server prints on a terminal when it has started.
 */
#ifndef TOQ_CORE_APP_APP_GREETING_H
#define TOQ_CORE_APP_APP_GREETING_H

#include "core/app/app_servers.h"

/* app_greeting_warn logs each variable of another program that is set, and what stands for it here.
 *
 * Thread: main.
 */
void app_greeting_warn(const struct config *config);

/* app_greeting_show tells whoever watches the log on a terminal what listens where, what to try,
 * what to open and how to end; nobody else.
 *
 * Thread: main.
 */
void app_greeting_show(const struct app_servers *servers, const struct app_modules *modules);

#endif
