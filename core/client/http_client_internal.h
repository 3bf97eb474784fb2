/* SPDX-License-Identifier: MIT
 *
 * http_client_internal.h - the client's parts, for its files alone.
 *
 * Layers:  http_client.c         calls: begun, cancelled, ended
 *          http_client_names.c   the addresses of hosts
 *          http_client_ca.c      certificates, read on a thread
 *          http_client_multi.c   libcurl's sockets and timer on the loop
 *          http_client_curl.c    what a transfer is told and asked
 */
#ifndef TOQ_CORE_CLIENT_HTTP_CLIENT_INTERNAL_H
#define TOQ_CORE_CLIENT_HTTP_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "core/client/http_client.h"

#define CLIENT_HOSTS_MAX 64
#define CLIENT_PEM_BYTES (64u << 10) /* of a certificate or key file */

/* A host whose addresses are known, or looked up. */
struct client_host {
    char name[HTTP_CLIENT_HOST_BYTES]; /* "": the place is free */
    uint16_t port;
    struct curl_slist *resolve; /* CURLOPT_RESOLVE's; NULL: not known */
    uint64_t expires_ms;        /* loop time */
    uint64_t used_ms;
    struct lookup *lookup; /* NULL: none is out */
    struct list waiting;   /* of transfers */
};

/* What is read from files, by a job. */
struct client_ca {
    struct pool_job job;
    enum { CA_UNREAD, CA_READING, CA_READ } state;
    int status;
    X509_STORE *store;
    char cert[CLIENT_PEM_BYTES];
    char key[CLIENT_PEM_BYTES];
    size_t cert_bytes; /* 0: none */
    size_t key_bytes;
    struct list waiting; /* of transfers */
};

struct http_client_transfer;

/* What the layers below http_client.c tell it. */
struct client_events {
    /* A transfer's name or certificates are there: libcurl gets it, or it waits for the other. */
    void (*start)(struct http_client_transfer *transfer);
    /* A transfer has ended: on_done runs later. Harmless when it had ended already. */
    void (*end)(struct http_client_transfer *transfer, int status);
    /* Something that the client waits for when it closes has gone. */
    void (*settle)(struct http_client *client);
};

struct http_client {
    const struct client_events *events;
    struct http_client_options options;
    CURLM *multi;
    uv_timer_t timer;
    size_t handles; /* of libuv's that are open: the timer and sockets */
    struct list transfers;
    size_t count;
    struct client_host hosts[CLIENT_HOSTS_MAX];
    struct client_ca ca;
    bool is_closing;
    struct loop_deferred closed;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* One call under way. */
struct http_client_transfer {
    struct list link; /* of the client's */
    struct list wait; /* for a name, or for certificates */
    struct http_client *client;
    struct http_client_call *call;
    struct task_wait given_up; /* with its request */
    struct http_request *req;  /* NULL: nobody's */
    const char *what;          /* for spans: "GET example.com:443"; a literal */
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *resolve;
    struct client_host *host; /* NULL: an address */
    struct wheel_timer timer;
    struct loop_deferred done;
    int result;      /* UV_*, when it has ended */
    bool is_running; /* libcurl has it */
    bool is_ended;
    bool is_tls;
    char error[CURL_ERROR_SIZE];
};

/* --- http_client_names.c --- */

/* client_names_find finds or makes the place of a host.
 *
 * Returns: NULL when all places are in use.
 */
struct client_host *client_names_find(struct http_client *client, const char *name, uint16_t port);

/* client_names_is_address tells whether libcurl needs no look-up: an address, or localhost. */
bool client_names_is_address(const char *name);

/* client_names_want sees to the addresses of a transfer's host.
 *
 * Returns: 1: they are there; 0: the transfer waits, and events->start is called for it, or
 *          events->end; UV_*.
 */
MUST_USE int client_names_want(struct http_client_transfer *transfer);

/* client_names_stop gives up all look-ups and forgets all hosts. */
void client_names_stop(struct http_client *client);

/* --- http_client_ca.c --- */

/* client_ca_want sees to the certificates; returns as client_names_want. */
MUST_USE int client_ca_want(struct http_client_transfer *transfer);

/* client_ca_use tells a transfer what was read. */
void client_ca_use(struct http_client_transfer *transfer);

/* client_ca_stop forgets it; no job may be out. */
void client_ca_stop(struct http_client *client);

/* --- http_client_multi.c --- */

/* client_multi_open makes the multi handle, on the client's loop.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int client_multi_open(struct http_client *client);

/* client_multi_close ends it, when no transfer is left. */
void client_multi_close(struct http_client *client);

/* --- http_client_curl.c --- */

/* client_curl_open makes the transfer's easy handle from its call.
 *
 * Returns: 0; UV_ENOMEM; UV_EINVAL.
 */
MUST_USE int client_curl_open(struct http_client_transfer *transfer);

/* client_curl_status is what libcurl's code means. */
int client_curl_status(CURLcode code);

#endif
