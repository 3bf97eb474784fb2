/* SPDX-License-Identifier: MIT
 *
 * demo_module.h - faults on demand, each found by one of the tools; toq_demo has it, toq_server does not.
 */
#ifndef TOQ_DOCS_DEMO_DEMO_MODULE_H
#define TOQ_DOCS_DEMO_DEMO_MODULE_H

#include "core/app/app_module.h"

extern const struct app_module demo_module;

#endif
