/* SPDX-License-Identifier: MIT
 *
 * http1.h - HTTP/1.1 and 1.0 on one connection: what the server calls.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP1_HTTP1_H
#define TOQ_CORE_HTTP1_HTTP1_H

#include "core/http/server.h"

/* http1_attach makes `conn` speak HTTP/1; without memory it closes the connection. */
void http1_attach(struct http_server *server, struct conn *conn);

/* http1_drain closes the server's idle connections; those used within http_server_drain_idle_ms may
 * send one more request until that time is over. The others close after their answer. */
void http1_drain(struct http_server *server);

#endif
