/* SPDX-License-Identifier: MIT
 *
 * http1_exchange.h - one request and its answer on an HTTP/1 connection: the parser's state and the
 * body's. Private to http1*.c.
 *
 * Memory:  an exchange lives from the first byte of a request until its handler has ended it and
 *          nobody holds it, then goes back to its server's spare list; so an idle connection has
 *          none.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_HTTP1_HTTP1_EXCHANGE_H
#define TOQ_CORE_HTTP1_HTTP1_EXCHANGE_H

#include <llhttp.h>

#include "core/http/http_pool.h"
#include "core/http/server.h"

/* What the framing between the data of a chunked body may add up to, a trailer section, and all
 * extensions. */
#define HTTP1_FRAMING_MAX_BYTES 16384

/* Requests that have ended but are held, by queries that go on for example, and one more. */
#define HTTP1_EXCHANGES_MAX 64

enum http1_phase {
    PHASE_IDLE,    /* between requests, or before the first */
    PHASE_HEAD,    /* a head has begun */
    PHASE_BODY,    /* the body is coming */
    PHASE_HANDLER, /* the handler has not ended its answer yet */
    PHASE_LAST,    /* no request follows: it ends when what is queued has gone out */
    PHASE_BROKEN,  /* it ends at once */
};

/* How far the bytes of a head have been looked at, so that each is looked at once however it is
 * cut. */
struct http1_scan {
    size_t seen_bytes; /* up to here there is no LF behind `line_at` */
    size_t line_at;    /* where the line begins that is not complete */
    size_t line_count; /* complete ones before it */
    bool has_cr;       /* with a byte behind it that is no LF */
    bool has_slash;
};

/* A connection of HTTP/1. */
struct http1 {
    struct list link; /* in server->conns */
    struct http_server *server;
    struct conn *conn;               /* NULL once it has closed */
    struct http1_exchange *exchange; /* the one to be answered; NULL between requests */
    size_t exchange_count;           /* with those that have ended and are held */
    struct buf in;                   /* bytes that could not be used yet */
    struct http1_scan scan;          /* of the head that they begin with */
    struct loop_deferred resume;     /* goes on with `in` at the end of the turn */
    uint64_t used_ms;                /* when the last answer ended */
    enum http1_phase phase;
    bool is_feeding; /* feed goes on with the next request by itself */
    bool is_held;    /* the body that comes is not read, for want of memory */
    bool is_paused;  /* the connection is not read */
    bool is_known;   /* it is HTTP/1 that the peer speaks */
};

enum http1_body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

/* Why a request is refused. */
struct http1_fault {
    int status;         /* 0: it is not */
    const char *detail; /* a literal */
};

/* Where a chunked body stands: http1_body.c. */
struct http1_chunks {
    uint64_t left_bytes;     /* of the chunk's data; its size so far while that is read */
    uint64_t seen_bytes;     /* of data, against the limit */
    size_t framing_bytes;    /* since the last data */
    size_t extension_bytes;  /* of the whole body */
    uint8_t state;           /* enum chunk_state; 0 at the start */
    uint8_t name_bytes;      /* of a trailer's name, that are those of Transfer-Encoding */
    bool is_name_of_framing; /* so far */
};

struct http1_exchange {
    struct http_request req;
    struct http1 *h1; /* outlives it, though perhaps not its connection */
    llhttp_t parser;
    struct buf body;          /* what the handler gets; all zero until something comes */
    uint64_t body_left_bytes; /* BODY_LENGTH */
    enum http1_body body_kind;
    bool is_body_done;
    bool is_body_wanted;
    bool is_keep_alive;
    bool is_continue_expected;
    bool is_chunked_answer;
    struct http1_chunks chunks; /* BODY_CHUNKED */
    struct http1_fault fault;
};

/* How the requests are answered: http1_send.c. */
extern const struct http_transport http1_transport;

/* http1_begin takes a spare exchange or makes one, and starts its request.
 *
 * Returns: the exchange; NULL when memory is missing: PHASE_BROKEN.
 */
MUST_USE struct http1_exchange *http1_begin(struct http1 *h1);

/* http1_recycle takes the exchange of an ended request back, and lets the next request begin where
 * too many were held. */
void http1_recycle(struct http_request *req);

/* http1_free_unused frees what has neither a connection nor an exchange any more. */
void http1_free_unused(struct http1 *h1);

/* http1_head_scan looks for the end of a head and refuses what must not reach the parser.
 *
 * data: from the first byte of the request line. scan: all 0 at first, and left alone between calls
 * for one head.
 * Returns: true when the head is complete, with its length, or when *ret_fault says why it is
 * refused.
 */
MUST_USE bool http1_head_scan(struct str data, struct http1_scan *scan,
                              const struct http_limits *limits, size_t *ret_len,
                              size_t *ret_field_count, struct http1_fault *ret_fault);

/* http1_head_is_http tells whether a head begins with a line that could be a request's, malformed
 * or not: each has a version, and that a slash. What begins with no letter of a method is refused
 * as a request, for it is refused before its line is complete. Where a line is longer than any
 * request's, what is behind that does not count: so bytes that are refused for it are judged alike,
 * however they are cut.
 *
 * head: from its first line on, which may be incomplete.
 */
bool http1_head_is_http(struct str head, const struct http_limits *limits);

/* http1_head_parse fills the request from a complete head, of which it makes a copy, and decides
 * how its body is framed.
 *
 * Returns: a fault, with status 0 when there is none.
 */
struct http1_fault http1_head_parse(struct http1_exchange *ex, struct str head, size_t field_count);

/* http1_body_feed takes bytes of the body, up to its end.
 *
 * Returns: how many it took; ex->is_body_done and ex->fault say how it went.
 */
size_t http1_body_feed(struct http1_exchange *ex, const char *data, size_t len);

#endif
