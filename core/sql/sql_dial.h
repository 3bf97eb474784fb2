/* SPDX-License-Identifier: MIT
 *
 * sql_dial.h - why a server cannot be connected to.
 */
#ifndef TOQ_CORE_SQL_SQL_DIAL_H
#define TOQ_CORE_SQL_SQL_DIAL_H

#include "core/base/base.h"

/* sql_dial_explain writes why connecting to a server fails: the library's text has no address and
 * port, and the number of another error (EINPROGRESS). It tries each address once more.
 *
 * timeout_ms: for each address.
 * out:        `size` bytes.
 * Returns:    true with `out` filled; false when one address can be connected to by now, or there
 *             is nothing to add.
 * Thread:  a worker.
 */
MUST_USE bool sql_dial_explain(const char *host, uint16_t port, uint64_t timeout_ms, char *out,
                               size_t size);

#endif
