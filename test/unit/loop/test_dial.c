/* SPDX-License-Identifier: MIT
 *
 * test_dial.c - addresses at once, names on a thread, and look-ups that nobody waits for any more.
 *
 * The system's resolver is replaced: it answers, fails, or hangs until the test lets it go on.
 *
 * Tests: core/loop/lookup.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/loop/dial.h"

#define TEST_TIMEOUT_MS 60000 /* for what comes at once */
#define THREADS         4

static struct loop *loop;
static struct pool *pool;
static struct lookups lookups;

/* --- the resolver --- */

/* names: "here.test" is 127.0.0.1; "none.test" does not exist; "broken.test" is a system error;
 * "hang*.test" is 127.0.0.1 after a post to `gate`. */

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static sem_t gate;
static sem_t arrival; /* of a look-up that hangs */
static atomic_uint resolved;

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret_addresses)
{
    resolve_fn next;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    assert_non_null(symbol);
    memcpy(&next, &symbol, sizeof(next));
    if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
        return next(host, service, hints, ret_addresses);
    }
    atomic_fetch_add(&resolved, 1);
    if (strcmp(host, "none.test") == 0) {
        return EAI_NONAME;
    }
    if (strcmp(host, "broken.test") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strncmp(host, "hang", 4) == 0) {
        (void)sem_post(&arrival);
        (void)sem_wait(&gate);
    }
    return next("127.0.0.1", service, hints, ret_addresses);
}

/* --- who dials --- */

struct dialer {
    struct dial dial;
    unsigned calls;
    int status;
};

static void on_resolved(struct dial *dial, int status)
{
    struct dialer *dialer = CONTAINER_OF(dial, struct dialer, dial);
    dialer->calls++;
    dialer->status = status;
}

static void dialer_init(struct dialer *dialer, const char *host)
{
    *dialer = (struct dialer){0};
    dial_init(&dialer->dial, &lookups, host, 4711, on_resolved);
}

static void assert_connects(struct dialer *dialer)
{
    int fd = -1;
    struct sockaddr_storage peer;
    const int rc = dial_connect(&dialer->dial, &fd, &peer);
    assert_true(rc == 0 || rc == UV_ECONNREFUSED); /* nobody listens */
    if (rc == 0) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&peer;
        assert_int_equal(in->sin_family, AF_INET);
        assert_int_equal(ntohs(in->sin_port), 4711);
        assert_int_equal(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
        (void)close(fd);
    }
    assert_int_equal(dial_connect(&dialer->dial, &fd, &peer), UV_ENOENT);
}

static int setup(void **state)
{
    (void)state;
    const struct pool_options options = {
        .name = "toq-test-pool", .kind = "test", .threads = THREADS, .queue_max = 1};
    atomic_store(&resolved, 0);
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(sem_init(&arrival, 0, 0), 0);
    assert_int_equal(pool_create(&options, &pool), 0);
    assert_int_equal(loop_create(&loop), 0);
    lookups_init(&lookups, loop, pool);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(pool_destroy(pool, TEST_TIMEOUT_MS));
    loop_destroy(loop);
    assert_true(list_is_empty(&lookups.out));
    (void)sem_destroy(&gate);
    (void)sem_destroy(&arrival);
    return 0;
}

/* --- tests --- */

static void test_an_address_needs_no_look_up(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct dialer dialer;
        dialer_init(&dialer, hosts[i]);
        dialer.dial.lookups = NULL;
        assert_int_equal(dial_resolve(&dialer.dial), 0);
        assert_connects(&dialer);
        dial_forget(&dialer.dial);
    }
    assert_int_equal(atomic_load(&resolved), 0);
}

static void test_a_name_is_looked_up_each_time(void **state)
{
    (void)state;
    struct dialer dialer;
    dialer_init(&dialer, "here.test");
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(dial_resolve(&dialer.dial), UV_EALREADY);
        assert_int_equal(dialer.calls, i - 1);
        loop_run(loop); /* until the look-up is done */
        assert_int_equal(dialer.calls, i);
        assert_int_equal(dialer.status, 0);
        assert_int_equal(atomic_load(&resolved), i);
        assert_connects(&dialer);
    }
    dial_forget(&dialer.dial);
}

static void test_what_the_resolver_says_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int status;
    } cases[] = {{"none.test", UV_EAI_NONAME}, {"broken.test", UV_EMFILE}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct dialer dialer;
        int fd;
        struct sockaddr_storage peer;
        dialer_init(&dialer, cases[i].host);
        assert_int_equal(dial_resolve(&dialer.dial), UV_EALREADY);
        loop_run(loop);
        assert_int_equal(dialer.status, cases[i].status);
        assert_int_equal(dial_connect(&dialer.dial, &fd, &peer), UV_ENOENT);
    }
}

static void test_without_threads_a_name_is_none(void **state)
{
    (void)state;
    struct dialer dialer;
    dialer_init(&dialer, "here.test");
    dialer.dial.lookups = NULL;
    assert_int_equal(dial_resolve(&dialer.dial), UV_EAI_NONAME);
}

static void test_a_look_up_that_is_given_up_is_left_to_its_thread(void **state)
{
    (void)state;
    struct dialer *dialer = malloc(sizeof(*dialer));
    assert_non_null(dialer);
    dialer_init(dialer, "hang.test");
    assert_int_equal(dial_resolve(&dialer->dial), UV_EALREADY);
    (void)sem_wait(&arrival);
    dial_forget(&dialer->dial);
    free(dialer); /* nothing of it is touched any more */
    assert_false(pool_destroy(pool, 0));
    (void)sem_post(&gate);
    loop_run(loop);
}

static void test_a_name_that_hangs_leaves_threads_to_the_others(void **state)
{
    (void)state;
    struct dialer hanging[LOOKUPS_MAX];
    struct dialer refused;
    struct dialer other;
    for (size_t i = 0; i < LOOKUPS_MAX; i++) {
        dialer_init(&hanging[i], "hang.test");
        assert_int_equal(dial_resolve(&hanging[i].dial), UV_EALREADY);
        (void)sem_wait(&arrival);
    }
    dial_forget(&hanging[0].dial); /* what is given up counts as long as it takes */
    dialer_init(&refused, "hang.test");
    assert_int_equal(dial_resolve(&refused.dial), UV_EBUSY);
    dialer_init(&other, "here.test");
    assert_int_equal(dial_resolve(&other.dial), UV_EALREADY);
    while (other.calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(other.status, 0);
    for (size_t i = 0; i < LOOKUPS_MAX; i++) {
        (void)sem_post(&gate);
    }
    loop_run(loop);
    assert_int_equal(hanging[0].calls, 0);
    assert_int_equal(hanging[1].calls, 1);
    assert_int_equal(hanging[1].status, 0);
    assert_int_equal(dial_resolve(&refused.dial), UV_EALREADY); /* there is room again */
    (void)sem_post(&gate);
    loop_run(loop);
    assert_int_equal(refused.calls, 1);
    dial_forget(&hanging[1].dial);
    dial_forget(&other.dial);
    dial_forget(&refused.dial);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(test_an_address_needs_no_look_up),
        WITH_LOOP(test_a_name_is_looked_up_each_time),
        WITH_LOOP(test_what_the_resolver_says_is_told),
        WITH_LOOP(test_without_threads_a_name_is_none),
        WITH_LOOP(test_a_look_up_that_is_given_up_is_left_to_its_thread),
        WITH_LOOP(test_a_name_that_hangs_leaves_threads_to_the_others),
    };
    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
