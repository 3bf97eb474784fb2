/* SPDX-License-Identifier: MIT
 *
 * http_client_multi.c - libcurl's sockets and its timer as handles of the loop.
 *
 * Source: libcurl's manual, curl_multi_socket_action; libuv 1.44, uv_poll.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/client/http_client_internal.h"

#define CONNECTIONS_MAX      256L
#define HOST_CONNECTIONS_MAX 64L
#define IDLE_MAX             64L

/* A socket of libcurl's; freed when its poll handle has closed. */
struct client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
    int mask;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* take_done ends the transfers that libcurl is done with. */
static void take_done(struct http_client *client)
{
    int left;
    for (const CURLMsg *msg = curl_multi_info_read(client->multi, &left); msg != NULL;
         msg = curl_multi_info_read(client->multi, &left)) {
        struct http_client_transfer *transfer = NULL;
        if (msg->msg == CURLMSG_DONE) {
            const CURLcode code = msg->data.result;
            (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &transfer);
            transfer->client->events->end(transfer, client_curl_status(code));
        }
    }
}

static void act(struct http_client *client, curl_socket_t fd, int mask)
{
    int running;
    (void)curl_multi_socket_action(client->multi, fd, mask, &running);
    take_done(client);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct client_socket *s = poll->data;
    int mask = 0;
    mask |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    mask |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    /* libuv reports POLLERR as a status, and stops; a read then tells curl what has happened */
    act(s->client, s->fd, status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : mask);
}

static void on_uv_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    if (timeout_ms < 0) {
        (void)uv_timer_stop(&client->timer);
    } else {
        (void)uv_timer_start(&client->timer, on_uv_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_handle_closed(struct http_client *client)
{
    client->handles--;
    client->events->settle(client);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct client_socket *s = handle->data;
    struct http_client *client = s->client;
    free(s);
    on_handle_closed(client);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(handle->data);
}

static struct client_socket *add_socket(struct http_client *client, curl_socket_t fd)
{
    struct client_socket *s = calloc(1, sizeof(*s));
    if (s == NULL || uv_poll_init_socket(loop_uv(client->options.loop), &s->poll, fd) < 0) {
        free(s);
        return NULL;
    }
    s->client = client;
    s->fd = fd;
    s->poll.data = s;
    client->handles++;
    (void)curl_multi_assign(client->multi, fd, s);
    return s;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *client = arg;
    struct client_socket *s = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, on_socket_closed);
        }
        return 0;
    }
    s = s != NULL ? s : add_socket(client, fd);
    if (s == NULL) {
        return -1;
    }
    const int mask = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                     ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    if (mask != s->mask) {
        s->mask = mask;
        (void)uv_poll_start(&s->poll, mask, on_poll);
    }
    return 0;
}

int client_multi_open(struct http_client *client)
{
    (void)pthread_once(&once, init_library);
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        return UV_ENOMEM;
    }
    (void)uv_timer_init(loop_uv(client->options.loop), &client->timer); /* cannot fail */
    uv_unref((uv_handle_t *)&client->timer);
    client->timer.data = client;
    client->handles = 1;
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS_MAX);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
    return 0;
}

void client_multi_close(struct http_client *client)
{
    (void)curl_multi_cleanup(client->multi); /* tells on_socket of each connection that it closes */
    client->multi = NULL;
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}
