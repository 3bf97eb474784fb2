/* SPDX-License-Identifier: MIT
 *
 * greeting.h - chooses a connection's protocol by its first bytes: HTTP/2 if they are its preface,
 * else HTTP/1.
 *
 * Source: RFC 9113 3.3, 3.4.
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SERVE_GREETING_H
#define TOQ_CORE_SERVE_GREETING_H

#include "core/http/server.h"

/* greeting_attach waits for the first bytes of `conn`, at most as long as for a head. */
void greeting_attach(struct http_server *server, struct conn *conn);

/* greeting_drain gives the server's connections that have not begun HTTP_DRAIN_IDLE_MS for a
 * request. */
void greeting_drain(struct http_server *server);

#endif
