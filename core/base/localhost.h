/* SPDX-License-Identifier: MIT
 *
 * localhost.h - the one name that stands for an address without a resolver.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_LOCALHOST_H
#define TOQ_CORE_BASE_LOCALHOST_H

#include <string.h>

#include "core/base/base.h"

#define LOCALHOST_NAME    "localhost"
#define LOCALHOST_ADDRESS "127.0.0.1" /* never ::1: what listens and who connects agree on one */

/* localhost_literal is the address for the name, and any other host as it is. */
static inline const char *localhost_literal(const char *host)
{
    return strcmp(host, LOCALHOST_NAME) == 0 ? LOCALHOST_ADDRESS : host;
}

#endif
