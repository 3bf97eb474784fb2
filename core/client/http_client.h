/* SPDX-License-Identifier: MIT
 *
 * http_client.h - an HTTP client on the loop, for handlers and exporters, by libcurl's multi
 * interface.
 *
 * Connections are kept alive, per origin. Threads of a pool look names up, since libcurl would wait
 * for a look-up that hangs; a thread reads the certificates of authorities once. The client uses no
 * proxy, and follows redirects only where the call asks for it.
 *
 * Flow:    http_client_send -> [name] -> [certificates] -> connection -> on_data... -> on_done
 * Failure: on_done says why; nothing is sent twice.
 * Memory:  a call is the caller's, and lives until on_done.
 * Thread:  the client's loop.
 */
#ifndef TOQ_CORE_CLIENT_HTTP_CLIENT_H
#define TOQ_CORE_CLIENT_HTTP_CLIENT_H

#include "core/base/buf.h"
#include "core/http/http.h"
#include "core/loop/lookup.h"

#define HTTP_CLIENT_CALLS_MAX   1024 /* of a client, at once */
#define HTTP_CLIENT_TIMEOUT_MS  30000
#define HTTP_CLIENT_BODY_BYTES  (1u << 20) /* of an answer that is collected */
#define HTTP_CLIENT_URL_BYTES   2048
#define HTTP_CLIENT_HOST_BYTES  256
#define HTTP_CLIENT_HEADERS_MAX 32 /* of a call */

struct http_client;
struct http_client_call;

struct http_client_options {
    struct loop *loop;
    struct lookups *lookups;
    struct pool *pool;      /* threads, for reading certificates */
    const char *user_agent; /* a literal */
    const char *ca_file;    /* PEM; NULL or "": the system's */
    const char *cert_file;  /* PEM, what the client shows of itself; NULL or "": nothing */
    const char *key_file;   /* its key */
};

/* An http_client_data_fn takes a piece of the answer's body; data is borrowed until it returns.
 *
 * Returns: true to go on; false: the next piece waits for http_client_resume, and this one was
 *          taken. */
typedef bool (*http_client_data_fn)(struct http_client_call *call, struct str data);

/* An http_client_done_fn is told that the call has ended; the call is the caller's again.
 *
 * status: 0, whatever the answer's status is; UV_ECANCELED; UV_ETIMEDOUT; UV_ECONNREFUSED; UV_EAI_*
 * of the name; UV_EMSGSIZE: the body is longer than body_max_bytes; UV_EPROTO: the other end talks
 * nonsense, or its certificate is not trusted; UV_ECONNRESET; UV_ENOMEM; UV_EIO. */
typedef void (*http_client_done_fn)(struct http_client_call *call, int status);

struct http_client_call {
    /* the caller's; everything else zero */
    struct http_client *client;
    const char *method;                /* a literal; NULL: "GET" */
    const char *url;                   /* http or https; copied */
    const struct http_header *headers; /* copied; beside those that the client sends */
    size_t header_count;
    struct str body;       /* lasts until on_done; empty: none */
    uint64_t timeout_ms;   /* from now to the end of the answer; 0: HTTP_CLIENT_TIMEOUT_MS. The
                              request's deadline counts, too */
    size_t body_max_bytes; /* of the answer; 0: HTTP_CLIENT_BODY_BYTES, or no limit with on_data */
    unsigned redirects_max;
    bool is_untraced;            /* no traceparent is sent */
    http_client_data_fn on_data; /* NULL: the body is collected in `answer` */
    http_client_done_fn on_done;
    void *arg;

    /* the answer's, in on_data and on_done */
    int status;        /* 0: none came */
    struct buf answer; /* freed when on_done returns */
    char error[256];   /* for logs: why there is none */

    /* private */
    struct http_client_transfer *transfer; /* NULL: it is not under way */
    void *answered;                        /* while on_done runs */
};

/* http_client_create makes a client of a loop.
 *
 * options: copied; what it points to outlives the client.
 * Returns: 0 with *ret_client set; UV_ENOMEM.
 * Thread:  main, before the loop runs, or the loop's.
 */
MUST_USE int http_client_create(const struct http_client_options *options,
                                struct http_client **ret_client);

/* http_client_close ends all calls with UV_ECANCELED and closes all connections; takes NULL.
 *
 * on_closed: runs once nothing is left, later; the client is gone then.
 */
void http_client_close(struct http_client *client, void (*on_closed)(void *arg), void *arg);

/* http_client_send begins a call on behalf of a request, or of nobody.
 *
 * on_done runs exactly once, with the request's task as the current one, never before this returns.
 * The request is held and waits in the state `upstream`; when it is cancelled, because its peer has
 * left or its deadline passed, the call ends with UV_ECANCELED. Its traceparent, tracestate and
 * baggage go along.
 *
 * ref:     http_ref's; all zero: nobody's.
 * Returns: 0; UV_EINVAL: the URL; UV_EBUSY: too many calls or hosts; UV_ESRCH: the request has
 *          ended; UV_ECANCELED: the client closes; UV_ENOMEM. On an error on_done never runs.
 */
MUST_USE int http_client_send(struct task_ref ref, struct http_client_call *call);

/* http_client_cancel ends a call with UV_ECANCELED: on_done runs soon, from the loop. Harmless when
 * the call is not under way. */
void http_client_cancel(struct http_client_call *call);

/* http_client_resume asks for the next piece, after on_data has returned false. */
void http_client_resume(struct http_client_call *call);

/* http_client_header finds a field of the answer, in on_data and on_done.
 *
 * name:    without regard to case.
 * Returns: the first one's value, borrowed until on_done returns; ptr NULL when there is none.
 */
struct str http_client_header(const struct http_client_call *call, const char *name);

#endif
