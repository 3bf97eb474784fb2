/* SPDX-License-Identifier: MIT
 *
 * routes_mutex.h - /test/contend?ms=N: threads of a pool that wait for a mutex, in known amounts.
 */
#ifndef TOQ_TEST_SUPPORT_ROUTES_MUTEX_H
#define TOQ_TEST_SUPPORT_ROUTES_MUTEX_H

#include "core/http/http.h"

/* contend_handle lets two threads wait until a third one, which is in contend_hold, has held a
 * mutex for N ms. It answers with the nanoseconds that the two have waited, by their own clocks. */
void contend_handle(struct http_request *req, void *arg);

#endif
