/* SPDX-License-Identifier: MIT
 *
 * demo_modules.c - the list of toq_demo: what the server has, and the demo.
 */
#define MORE_MODULES(MODULE) MODULE(demo_module)

#include "handlers/modules.c"
