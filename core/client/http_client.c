/* SPDX-License-Identifier: MIT
 *
 * http_client.c - the life of a call: begun, waiting for its name, under way, ended.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/literal.h"
#include "core/client/http_client_internal.h"

static const struct task_waker upstream_waker = {.kind = "upstream"};

/* settle frees the client when it closes and nothing is left. */
static void settle(struct http_client *client);

/* --- the end of a call --- */

static void end_transfer(struct http_client_transfer *transfer, int status)
{
    if (transfer->is_ended) {
        return;
    }
    transfer->is_ended = true;
    transfer->result = status;
    list_unlink(&transfer->wait);
    wheel_unset(&transfer->timer);
    /* libcurl may be who calls, and takes no handle out from inside its callbacks */
    loop_defer(transfer->client->options.loop, &transfer->done);
}

static void free_transfer(struct http_client_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->resolve);
    free(transfer);
}

/* take_answer takes the transfer from libcurl, with what the call is to be told. */
static void take_answer(struct http_client_transfer *transfer)
{
    struct http_client_call *call = transfer->call;
    long code = 0;
    if (transfer->is_running) {
        (void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
        transfer->is_running = false;
    }
    call->transfer = NULL;
    call->answered = transfer->easy;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
    call->status = (int)code;
    if (transfer->result < 0) {
        const char *why =
            transfer->error[0] != '\0' ? transfer->error : uv_strerror(transfer->result);
        (void)snprintf(call->error, sizeof(call->error), "%s", why);
    }
}

static void run_done(struct loop_deferred *deferred)
{
    struct http_client_transfer *transfer =
        CONTAINER_OF(deferred, struct http_client_transfer, done);
    struct http_client *client = transfer->client;
    struct http_client_call *call = transfer->call;
    struct http_request *req = transfer->req;
    struct task *previous = task_enter(req == NULL ? NULL : &req->task);
    take_answer(transfer);
    if (req != NULL) {
        if (transfer->result < 0) {
            task_note(&req->task, task_note_error, (uint64_t)-transfer->result);
        } else {
            task_note(&req->task, task_note_status, (uint64_t)call->status);
        }
        task_remove_wait(&transfer->given_up);
        http_release(req);
        if (!http_is_cancelled(req)) {
            task_unpark(&req->task);
        }
        task_awaited(&req->task, upstream_waker);
    }
    struct buf answer = call->answer;
    call->on_done(call, transfer->result); /* the call may be gone, or under way again */
    task_leave(previous);
    buf_deinit(&answer);
    list_unlink(&transfer->link);
    client->count--;
    free_transfer(transfer);
    settle(client);
}

static void give_up(struct task_wait *wait)
{
    end_transfer(CONTAINER_OF(wait, struct http_client_transfer, given_up), UV_ECANCELED);
}

static void on_timeout(struct wheel_timer *timer)
{
    end_transfer(CONTAINER_OF(timer, struct http_client_transfer, timer), UV_ETIMEDOUT);
}

void http_client_cancel(struct http_client_call *call)
{
    if (call->transfer != NULL) {
        end_transfer(call->transfer, UV_ECANCELED);
    }
}

/* --- its beginning --- */

static void start_transfer(struct http_client_transfer *transfer)
{
    int rc = transfer->host == NULL ? 1 : client_names_want(transfer);
    if (rc == 1 && transfer->is_tls) {
        rc = client_ca_want(transfer);
    }
    if (rc < 0) {
        end_transfer(transfer, rc);
    } else if (rc == 1) {
        if (transfer->host != NULL) { /* libcurl reads it when it begins, and so a copy */
            transfer->resolve = curl_slist_append(NULL, transfer->host->resolve->data);
            (void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVE, transfer->resolve);
        }
        client_ca_use(transfer);
        transfer->is_running = curl_multi_add_handle(transfer->client->multi, transfer->easy) == 0;
        if (!transfer->is_running) {
            end_transfer(transfer, UV_ENOMEM);
        }
    }
}

/* parse_url finds what the transfer is told beside the URL. */
static int parse_url(struct http_client_transfer *transfer, const char *url)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    char what[LITERAL_MAX_BYTES + 1];
    CURLU *parsed = curl_url();
    int rc = parsed == NULL ? UV_ENOMEM : UV_EINVAL;
    if (parsed != NULL && strlen(url) < HTTP_CLIENT_URL_BYTES &&
        curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
        transfer->is_tls = scheme[4] == 's';
        rc = 0;
        (void)snprintf(what, sizeof(what), "%s %s:%s", transfer->call->method, host, port);
        transfer->what = literal_keep(str_from(what)); /* servers are few */
        if (!client_names_is_address(host)) {
            const unsigned long number = strtoul(port, NULL, 10);
            transfer->host = client_names_find(transfer->client, host, (uint16_t)number);
            rc = transfer->host == NULL ? UV_EBUSY : 0;
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return rc;
}

static struct http_client_transfer *make_transfer(struct http_client_call *call)
{
    struct http_client_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer != NULL) {
        transfer->client = call->client;
        transfer->call = call;
        transfer->done.run = run_done;
        list_init(&transfer->link);
        list_init(&transfer->wait);
        list_init(&transfer->done.link);
        wheel_timer_init(&transfer->timer, on_timeout);
    }
    return transfer;
}

static int open_transfer(struct http_client_transfer *transfer, struct http_request *req)
{
    transfer->req = req;
    const int rc = parse_url(transfer, transfer->call->url);
    return rc < 0 ? rc : client_curl_open(transfer);
}

/* begin takes the call; its transfer starts on behalf of the request. */
static void begin(struct http_client_transfer *transfer)
{
    struct http_client *client = transfer->client;
    struct http_client_call *call = transfer->call;
    call->status = 0;
    call->error[0] = '\0';
    call->transfer = transfer;
    call->answered = NULL;
    buf_init(&call->answer,
             call->body_max_bytes == 0 ? HTTP_CLIENT_BODY_BYTES : call->body_max_bytes);
    list_push_back(&client->transfers, &transfer->link);
    client->count++;
    loop_set_timer(client->options.loop, &transfer->timer,
                   call->timeout_ms == 0 ? HTTP_CLIENT_TIMEOUT_MS : call->timeout_ms);
    struct http_request *req = transfer->req;
    if (req != NULL) {
        task_add_wait(&req->task, &transfer->given_up, give_up);
        http_hold(req);
        task_await(&req->task, upstream_waker);
        task_park_for(&req->task, "upstream", transfer->what, clock_now_ns());
    }
    start_transfer(transfer);
}

int http_client_send(struct task_ref ref, struct http_client_call *call)
{
    struct http_client *client = call->client;
    loop_require_lasting(client->options.loop, call, "http_client_send");
    if (client->is_closing || client->count >= HTTP_CLIENT_CALLS_MAX) {
        return client->is_closing ? UV_ECANCELED : UV_EBUSY;
    }
    struct http_request *req = ref.id == 0 ? NULL : http_from_ref(ref);
    if (ref.id != 0 && req == NULL) {
        return UV_ESRCH;
    }
    if (call->method == NULL) {
        call->method = "GET";
    }
    struct http_client_transfer *transfer = make_transfer(call);
    const int rc = transfer == NULL ? UV_ENOMEM : open_transfer(transfer, req);
    if (rc == 0) {
        begin(transfer);
    } else if (transfer != NULL) {
        free_transfer(transfer);
    }
    if (req != NULL) {
        http_release(req);
    }
    return rc;
}

void http_client_resume(struct http_client_call *call)
{
    if (call->transfer != NULL && call->transfer->is_running) {
        (void)curl_easy_pause(call->transfer->easy, CURLPAUSE_CONT);
    }
}

struct str http_client_header(const struct http_client_call *call, const char *name)
{
    struct curl_header *header;
    CURL *easy = call->transfer != NULL ? call->transfer->easy : call->answered;
    if (easy == NULL || curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return (struct str){NULL, 0};
    }
    return str_from(header->value);
}

/* --- the client --- */

static void run_closed(struct loop_deferred *deferred)
{
    struct http_client *client = CONTAINER_OF(deferred, struct http_client, closed);
    void (*on_closed)(void *) = client->on_closed;
    void *arg = client->on_closed_arg;
    client_ca_stop(client);
    free(client);
    on_closed(arg);
}

static void settle(struct http_client *client)
{
    if (!client->is_closing || client->count > 0 || client->ca.state == CA_READING) {
        return;
    }
    if (client->multi != NULL) {
        client_multi_close(client);
    }
    if (client->handles == 0) {
        loop_defer(client->options.loop, &client->closed);
    }
}

static const struct client_events events = {
    .start = start_transfer,
    .end = end_transfer,
    .settle = settle,
};

int http_client_create(const struct http_client_options *options, struct http_client **ret_client)
{
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return UV_ENOMEM;
    }
    client->events = &events;
    client->options = *options;
    client->closed.run = run_closed;
    list_init(&client->transfers);
    list_init(&client->closed.link);
    list_init(&client->ca.waiting);
    for (size_t i = 0; i < CLIENT_HOSTS_MAX; i++) {
        list_init(&client->hosts[i].waiting);
    }
    const int rc = client_multi_open(client);
    if (rc < 0) {
        free(client);
        return rc;
    }
    *ret_client = client;
    return 0;
}

void http_client_close(struct http_client *client, void (*on_closed)(void *arg), void *arg)
{
    if (client == NULL) {
        return;
    }
    struct list *pos;
    struct list *tmp;
    client->is_closing = true;
    client->on_closed = on_closed;
    client->on_closed_arg = arg;
    LIST_FOR_EACH(pos, tmp, &client->transfers)
    {
        end_transfer(CONTAINER_OF(pos, struct http_client_transfer, link), UV_ECANCELED);
    }
    client_names_stop(client);
    settle(client);
}
