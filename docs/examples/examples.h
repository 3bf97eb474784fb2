/* SPDX-License-Identifier: MIT
 *
 * examples.h - the modules of docs/examples: each is a feature in one file, built into the test
 * server.
 */
#ifndef TOQ_DOCS_EXAMPLES_EXAMPLES_H
#define TOQ_DOCS_EXAMPLES_EXAMPLES_H

#include "core/app/app_module.h"

extern const struct app_module example_bells;
extern const struct app_module example_clock;
extern const struct app_module example_hello;
extern const struct app_module example_primes;
extern const struct app_module example_upstream;
extern const struct app_module example_transfer;
extern const struct app_module example_visits;

#endif
