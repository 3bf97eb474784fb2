/* SPDX-License-Identifier: MIT
 *
 * http1.h - HTTP/1.1 and 1.0 on one connection: what the server calls.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP1_HTTP1_H
#define TOQ_CORE_HTTP1_HTTP1_H

#include "core/http/server.h"

/* http1_attach makes `conn` speak HTTP/1; without memory it closes it. */
void http1_attach(struct http_server *server, struct conn *conn);

/* http1_drain closes the server's idle connections; those used a moment ago get HTTP_DRAIN_IDLE_MS
 * for one more request. The others close after their answer. */
void http1_drain(struct http_server *server);

#endif
