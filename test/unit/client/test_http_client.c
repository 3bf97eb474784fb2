/* SPDX-License-Identifier: MIT
 *
 * test_http_client.c - calls of a server on a thread of the test: answers whole and in pieces, one
 * connection for many, limits, timeouts, cancels, and a name whose look-up hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/client/http_client.h"
#include "core/loop/loop.h"
#include "core/loop/pool.h"

/* --- a resolver that hangs for names that end with ".hang.test", until it is let go --- */

static atomic_bool is_let_go;
static atomic_uint hanging;

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret_addresses)
{
    resolve_fn next;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&next, &symbol, sizeof(next));
    if (host != NULL && strstr(host, ".hang.test") != NULL) {
        atomic_fetch_add(&hanging, 1);
        while (!is_let_go) {
            (void)sched_yield();
        }
        return EAI_NONAME;
    }
    if (host != NULL && strcmp(host, "named.test") == 0) {
        host = "127.0.0.1";
    }
    return next(host, service, hints, ret_addresses);
}

/* --- a server --- */

static struct {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_uint connections;
    pthread_mutex_t lock; /* of last */
    atomic_uint requests;
    char last[4096]; /* the head of the last request */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* answer_to writes what the path asks for. Returns: false: the connection ends. */
static bool answer_to(int fd, const char *head)
{
    char big[70000]; /* several serve at a time */
    const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Thing: a\r\n\r\nhello";
    if (strstr(head, " /silent ") != NULL) {
        char byte;
        (void)recv(fd, &byte, 1, 0); /* until the client leaves */
        return false;
    }
    if (strstr(head, " /rubbish ") != NULL) {
        text = "SSH-2.0\r\n\r\n";
    } else if (strstr(head, " /moved ") != NULL) {
        text = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    } else if (strstr(head, " /short ") != NULL) {
        text = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    } else if (strstr(head, " /big ") != NULL) {
        const char *big_head = "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n";
        memset(big, 'b', sizeof(big));
        (void)send(fd, big_head, strlen(big_head), MSG_NOSIGNAL);
        return send(fd, big, sizeof(big), MSG_NOSIGNAL) == (ssize_t)sizeof(big);
    }
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    return text[0] == 'H' && strstr(head, " /short ") == NULL;
}

static void *serve_one(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    char head[sizeof(server.last)];
    size_t len = 0;
    for (ssize_t got = 1; got > 0;) {
        got = recv(fd, head + len, sizeof(head) - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
        head[len] = '\0';
        if (got > 0 && strstr(head, "\r\n\r\n") != NULL) {
            (void)pthread_mutex_lock(&server.lock);
            memcpy(server.last, head, len + 1);
            (void)pthread_mutex_unlock(&server.lock);
            server.requests++;
            len = 0;
            got = answer_to(fd, head) ? 1 : 0;
        }
    }
    (void)close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    for (int fd = accept(server.fd, NULL, NULL); fd >= 0; fd = accept(server.fd, NULL, NULL)) {
        pthread_t thread;
        server.connections++;
        assert_int_equal(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
        (void)pthread_detach(thread);
    }
    return arg;
}

static int start_server(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    (void)state;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &len), 0);
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    (void)shutdown(server.fd, SHUT_RDWR);
    (void)pthread_join(server.thread, NULL);
    return close(server.fd);
}

/* --- a client --- */

static struct {
    struct loop *loop;
    struct pool *pool;
    struct lookups lookups;
    struct http_client *client;
    struct http_client_call call;
    char url[256];
    unsigned done;
    int result;
    char body[16];
    char header[16];
    size_t pieces;
    size_t bytes;
    bool is_paused;
    struct wheel_timer timer;
} f;

static void on_closed(void *arg)
{
    (void)arg;
    loop_stop(f.loop);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    is_let_go = false;
    hanging = 0;
    server.connections = 0;
    server.requests = 0;
    assert_int_equal(loop_create(&f.loop), 0);
    assert_int_equal(
        pool_create(
            &(struct pool_options){.name = "test", .kind = "test", .threads = 2, .queue_max = 8},
            &f.pool),
        0);
    lookups_init(&f.lookups, f.loop, f.pool);
    loop_ref(f.loop);
    return http_client_create(
        &(struct http_client_options){
            .loop = f.loop, .lookups = &f.lookups, .pool = f.pool, .user_agent = "test"},
        &f.client);
}

static int teardown(void **state)
{
    (void)state;
    http_client_close(f.client, on_closed, NULL);
    loop_run(f.loop);
    is_let_go = true;
    assert_true(pool_destroy(f.pool, 5000));
    loop_unref(f.loop);
    loop_destroy(f.loop);
    return 0;
}

static void on_done(struct http_client_call *call, int status)
{
    const struct str header = http_client_header(call, "x-thing");
    f.done++;
    f.result = status;
    (void)snprintf(f.body, sizeof(f.body), "%" STR_FMT, STR_ARG(buf_str(&call->answer)));
    (void)snprintf(f.header, sizeof(f.header), "%" STR_FMT, STR_ARG(header));
    loop_stop(f.loop);
}

/* begin sends a call for a path of the server's. */
static int begin(const char *host, const char *path)
{
    (void)snprintf(f.url, sizeof(f.url), "http://%s:%u%s", host, (unsigned)server.port, path);
    f.call.client = f.client;
    f.call.url = f.url;
    f.call.on_done = on_done;
    return http_client_send((struct task_ref){0}, &f.call);
}

static int ask(const char *path)
{
    assert_int_equal(begin("127.0.0.1", path), 0);
    assert_int_equal(f.done, 0);
    loop_run(f.loop);
    assert_int_equal(f.done, 1);
    f.done = 0;
    return f.result;
}

static void test_an_answer_is_collected(void **state)
{
    (void)state;
    static const struct http_header header = {STR("X-Own"), STR("value")};
    f.call.headers = &header;
    f.call.header_count = 1;
    assert_int_equal(ask("/"), 0);
    assert_int_equal(f.call.status, 200);
    assert_string_equal(f.body, "hello");
    assert_string_equal(f.header, "a");
    assert_non_null(strstr(server.last, "X-Own: value\r\n"));
    assert_non_null(strstr(server.last, "User-Agent: test\r\n"));
    assert_null(strstr(server.last, "traceparent"));
}

static void test_a_connection_is_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask("/"), 0);
    }
    assert_int_equal(server.requests, 5);
    assert_int_equal(server.connections, 1);
}

static void test_a_body_is_sent(void **state)
{
    (void)state;
    f.call.method = "PUT";
    f.call.body = STR("four");
    assert_int_equal(ask("/"), 0);
    assert_non_null(strstr(server.last, "PUT / HTTP/1.1\r\n"));
    assert_non_null(strstr(server.last, "Content-Length: 4\r\n"));
    assert_null(strstr(server.last, "Expect"));
}

static void test_a_name_is_looked_up_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(begin("named.test", "/"), 0);
        loop_run(f.loop);
        assert_int_equal(f.result, 0);
    }
    assert_int_equal(pool_get_stats(f.pool).submitted, 1);
    assert_int_equal(server.connections, 1);
}

static void test_what_goes_wrong(void **state)
{
    (void)state;
    assert_int_equal(ask("/short"), UV_ECONNRESET);
    assert_true(ask("/rubbish") < 0);
    f.call.body_max_bytes = 69999;
    assert_int_equal(ask("/big"), UV_EMSGSIZE);
    f.call.body_max_bytes = 70000;
    assert_int_equal(ask("/big"), 0);
    f.call.timeout_ms = 1;
    assert_int_equal(ask("/silent"), UV_ETIMEDOUT);
    f.call.timeout_ms = 0;
    assert_int_equal(ask("/moved"), 0);
    assert_int_equal(f.call.status, 302); /* not followed */
    f.call.redirects_max = 1;
    assert_int_equal(ask("/moved"), 0);
    assert_int_equal(f.call.status, 200);
}

static void test_what_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ftp://x/", "file:///etc/passwd", "x", "http://",
                                        "",         "http://x:99999/"};
    f.call.client = f.client;
    f.call.on_done = on_done;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        f.call.url = wrong[i];
        assert_int_equal(http_client_send((struct task_ref){0}, &f.call), UV_EINVAL);
    }
    static const struct http_header broken = {STR("X"), STR("a\r\nHost: b")};
    f.call.headers = &broken;
    f.call.header_count = 1;
    assert_int_equal(begin("127.0.0.1", "/"), UV_EINVAL);
    f.call.headers = NULL;
    f.call.header_count = 0;
    f.call.client = f.client;
    f.call.url = f.url;
    assert_int_equal(http_client_send((struct task_ref){.id = UINT64_MAX}, &f.call), UV_ESRCH);
    assert_int_equal(f.done, 0);
}

/* --- in pieces --- */

static void on_timer(struct wheel_timer *timer)
{
    (void)timer;
    assert_true(f.is_paused);
    f.is_paused = false;
    http_client_resume(&f.call);
}

static bool on_data(struct http_client_call *call, struct str data)
{
    assert_false(f.is_paused);
    assert_int_equal(call->status, 200);
    f.pieces++;
    f.bytes += data.len;
    if (f.pieces == 2) {
        f.is_paused = true;
        loop_set_timer(f.loop, &f.timer, 0);
        return false;
    }
    return true;
}

static void test_pieces_wait_for_their_taker(void **state)
{
    (void)state;
    wheel_timer_init(&f.timer, on_timer);
    f.call.on_data = on_data;
    assert_int_equal(ask("/big"), 0);
    assert_true(f.pieces > 2);
    assert_int_equal(f.bytes, 70000);
}

static bool cancel_in_data(struct http_client_call *call, struct str data)
{
    (void)data;
    f.pieces++;
    http_client_cancel(call);
    return true;
}

static void test_a_cancel_from_inside_a_piece(void **state)
{
    (void)state;
    f.call.on_data = cancel_in_data;
    assert_int_equal(ask("/big"), UV_ECANCELED);
    assert_int_equal(f.pieces, 1);
    http_client_cancel(&f.call); /* it is not under way */
}

/* --- a name that hangs --- */

static void test_a_cancel_does_not_wait_for_a_name(void **state)
{
    (void)state;
    assert_int_equal(begin("x.hang.test", "/"), 0);
    while (hanging == 0) {
    }
    http_client_cancel(&f.call);
    assert_int_equal(f.done, 0); /* never from inside */
    loop_run(f.loop);
    assert_int_equal(f.done, 1);
    assert_int_equal(f.result, UV_ECANCELED);
    assert_false(is_let_go);
}

static void test_a_timeout_does_not_wait_for_a_name(void **state)
{
    (void)state;
    f.call.timeout_ms = 1;
    assert_int_equal(begin("x.hang.test", "/"), 0);
    loop_run(f.loop);
    assert_int_equal(f.result, UV_ETIMEDOUT);
}

static void test_a_client_closes_with_calls_under_way(void **state)
{
    (void)state;
    static struct http_client_call second;
    assert_int_equal(begin("x.hang.test", "/"), 0);
    second = (struct http_client_call){.client = f.client, .on_done = on_done};
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/silent", (unsigned)server.port);
    second.url = url;
    assert_int_equal(http_client_send((struct task_ref){0}, &second), 0);
    /* teardown closes */
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(test_an_answer_is_collected),
        WITH_CLIENT(test_a_connection_is_kept),
        WITH_CLIENT(test_a_body_is_sent),
        WITH_CLIENT(test_a_name_is_looked_up_once),
        WITH_CLIENT(test_what_goes_wrong),
        WITH_CLIENT(test_what_is_refused_at_once),
        WITH_CLIENT(test_pieces_wait_for_their_taker),
        WITH_CLIENT(test_a_cancel_from_inside_a_piece),
        WITH_CLIENT(test_a_cancel_does_not_wait_for_a_name),
        WITH_CLIENT(test_a_timeout_does_not_wait_for_a_name),
        WITH_CLIENT(test_a_client_closes_with_calls_under_way),
    };
    return cmocka_run_group_tests_name("http_client", tests, start_server, stop_server);
}
