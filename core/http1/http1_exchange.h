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

/* Maximum of the framing between two pieces of a chunked body's data, of its trailer section, and
 * of all its extensions together. */
#define HTTP1_FRAMING_MAX_BYTES 16384

/* Exchanges of one connection: the current one, and ended ones that are held, by a pending query
 * for example. */
#define HTTP1_EXCHANGES_MAX 64

enum http1_phase {
    PHASE_IDLE,    /* between requests, or before the first */
    PHASE_HEAD,    /* a head has begun */
    PHASE_BODY,    /* the body is coming */
    PHASE_HANDLER, /* a request is complete, and not answered yet */
    PHASE_LAST,    /* no request follows: the connection ends when its output has been sent */
    PHASE_BROKEN,  /* the connection ends at once */
};

/* How far the bytes of a head have been scanned: each is scanned once, however the head is
 * split. */
struct http1_scan {
    size_t seen_bytes; /* between line_at and here there is no LF */
    size_t line_at;    /* start of the incomplete line */
    size_t line_count; /* complete lines before it */
    bool has_cr;       /* in it, followed by a byte that is no LF */
    bool has_slash;
};

/* A connection of HTTP/1. */
struct http1 {
    struct list link; /* in server->conns */
    struct http_server *server;
    struct conn *conn;               /* NULL once it has closed */
    struct http1_exchange *exchange; /* to be answered; NULL between requests */
    size_t exchange_count;           /* with ended ones that are held */
    struct buf in;                   /* bytes that could not be used yet */
    struct http1_scan scan;          /* of the head at the start of `in` */
    struct loop_deferred resume;     /* goes on with `in` at the end of the turn */
    uint64_t used_ms;                /* when the last answer ended */
    enum http1_phase phase;
    bool is_feeding; /* inside feed, which goes on with the next request */
    bool is_held;    /* the body is not read for want of memory */
    bool is_paused;  /* the connection is not read */
    bool is_known;   /* the peer speaks HTTP/1 */
};

enum http1_body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

/* Why a request is refused. */
struct http1_fault {
    int status;         /* 0: it is not refused */
    const char *detail; /* lives as long as the process; NULL: none */
};

/* The parser of a chunked body: http1_body.c. */
struct http1_chunks {
    uint64_t left_bytes;     /* of the chunk's data; while its size is read, the size so far */
    uint64_t seen_bytes;     /* data so far, against the limit */
    size_t framing_bytes;    /* since the last data */
    size_t extension_bytes;  /* of the whole body */
    uint8_t state;           /* enum chunk_state; 0 at the start */
    uint8_t name_bytes;      /* of a trailer's name that match "Transfer-Encoding" */
    bool is_name_of_framing; /* all bytes of the name so far match */
};

struct http1_exchange {
    struct http_request req;
    struct http1 *h1; /* outlives the exchange; its connection may not */
    llhttp_t parser;
    struct buf body;          /* for the handler; all zero until bytes come */
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

/* http1_begin takes a spare exchange or makes one, and starts its request: PHASE_HANDLER.
 *
 * Returns: the exchange; NULL when memory is missing: PHASE_BROKEN.
 */
MUST_USE struct http1_exchange *http1_begin(struct http1 *h1);

/* http1_recycle takes back the exchange of an ended request; if the connection had too many, its
 * next request may begin. */
void http1_recycle(struct http_request *req);

/* http1_free_unused frees an http1 that has neither a connection nor an exchange any more. */
void http1_free_unused(struct http1 *h1);

/* http1_head_scan looks for the end of a head and refuses what must not reach the parser.
 *
 * data:    from the first byte of the request line.
 * scan:    all 0 at first, and unchanged between the calls for one head.
 * Returns: true with *ret_fault set, whose status is 0 when the head is complete: then its length
 *          and its number of fields are set, too; false when more bytes are needed.
 */
MUST_USE bool http1_head_scan(struct str data, struct http1_scan *scan,
                              const struct http_limits *limits, size_t *ret_len,
                              size_t *ret_field_count, struct http1_fault *ret_fault);

/* http1_head_is_http tells whether a head begins with a line that could be a request line,
 * malformed or not: one with a slash, since each has a version. Bytes that do not begin with a
 * letter of a method also count, since they are refused before their line is complete. Of a line
 * longer than any request line the rest is ignored, so that it is judged alike however it is split.
 *
 * head: from its first line on, which may be incomplete.
 */
bool http1_head_is_http(struct str head, const struct http_limits *limits);

/* http1_head_parse fills the request from a copy of a complete head, and decides how its body is
 * framed.
 *
 * Returns: a fault, with status 0 when there is none.
 */
struct http1_fault http1_head_parse(struct http1_exchange *ex, struct str head, size_t field_count);

/* http1_body_feed takes bytes of the body, up to its end; sets ex->is_body_done at the end, and
 * ex->fault when the body is refused.
 *
 * Returns: how many bytes it took.
 */
size_t http1_body_feed(struct http1_exchange *ex, const char *data, size_t len);

#endif
