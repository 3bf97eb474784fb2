/* SPDX-License-Identifier: MIT
 *
 * app_migrate.h - the option --migrate: brings the schema up to date and ends.
 */
#ifndef TOQ_CORE_APP_APP_MIGRATE_H
#define TOQ_CORE_APP_APP_MIGRATE_H

#include "core/app/app_module.h"

/* app_migrate applies the steps that the database has not seen; done twice, or by two at once, it
 * does no harm.
 *
 * modules: whose schema it is.
 * Returns: an exit code of sysexits.h: 0, with a line on stdout that says what was done; 69 MySQL
 *          is away or busy; 70 a step failed; 71 the system refuses; else with a line on stderr.
 * Thread:  main, once.
 */
MUST_USE int app_migrate(const struct config *config, const struct app_module *const *modules);

#endif
