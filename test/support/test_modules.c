/* SPDX-License-Identifier: MIT
 *
 * test_modules.c - the list of the test server: what the server has, the examples, and what tests
 * alone have.
 */
#define MORE_MODULES(MODULE)                                                                       \
    MODULE(example_bells)                                                                          \
    MODULE(example_clock)                                                                          \
    MODULE(example_hello)                                                                          \
    MODULE(example_notices)                                                                        \
    MODULE(example_primes)                                                                         \
    MODULE(example_upstream)                                                                       \
    MODULE(example_transfer)                                                                       \
    MODULE(example_visits)                                                                         \
    MODULE(test_module)

#include "handlers/modules.c"
