/* SPDX-License-Identifier: MIT
 *
 * http2.h - HTTP/2 on one connection: what the server calls.
 *
 * Source: RFC 9113.
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP2_HTTP2_H
#define TOQ_CORE_HTTP2_HTTP2_H

#include "core/http/server.h"

/* The first bytes of a client that knows that the server speaks HTTP/2 (RFC 9113 3.4). */
#define HTTP2_PREFACE       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_BYTES 24

/* http2_attach makes `conn`, whose preface has been read, speak HTTP/2. Without memory it finishes
 * the connection with GOAWAY (ENHANCE_YOUR_CALM), or closes it. */
void http2_attach(struct http_server *server, struct conn *conn);

/* http2_drain tells the server's clients to open no more streams; each connection closes when its
 * last stream has ended. */
void http2_drain(struct http_server *server);

#endif
