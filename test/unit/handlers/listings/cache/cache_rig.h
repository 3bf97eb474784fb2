/* SPDX-License-Identifier: MIT
 *
 * cache_rig.h - for tests: a Redis of their own, and caches over it and MySQL, each as if it were a
 * process, all on one loop.
 */
#ifndef TOQ_TEST_UNIT_HANDLERS_LISTINGS_CACHE_CACHE_RIG_H
#define TOQ_TEST_UNIT_HANDLERS_LISTINGS_CACHE_CACHE_RIG_H

#include "test/unit/handlers/listings/store/listings_rig.h"

#include "handlers/listings/cache/listings_cache.h"

#define NODE_TTL_MS      60000
#define NODE_PAGE_TTL_MS 60000
#define NODE_TIMEOUT_MS  30000 /* none passes in a test that does not ask for it */

static pid_t redis_pid;
static uint16_t redis_port;

/* What a process has of its own. */
struct node {
    struct redis *redis;
    struct redis_pubsub *pubsub;
    struct metrics *metrics;
    struct listings_cache cache;
    unsigned closed_count;
};

/* A read or a write, and how it has ended. */
struct attempt {
    struct listings_read read;
    struct listings_write write;
    int status;
    unsigned done_count;
    struct str json; /* a copy; ptr NULL: there was none */
    bool has_listing;
    uint64_t version;
};

static inline void redis_start(void)
{
    char log[MARIADB_PATH_BYTES];
    char port[8];
    (void)snprintf(log, sizeof(log), "%s/redis.log", db.dir);
    (void)snprintf(port, sizeof(port), "%u", redis_port);
    char *argv[] = {"redis-server", "--port", port, "--bind",       "127.0.0.1", "--dir",
                    db.dir,         "--save", "",   "--appendonly", "no",        NULL};
    redis_pid = mariadb_spawn(log, argv);
}

static inline void redis_stop(void)
{
    if (redis_pid != 0) {
        assert_int_equal(kill(redis_pid, SIGKILL), 0);
        assert_int_equal(waitpid(redis_pid, NULL, 0), redis_pid);
        redis_pid = 0;
    }
}

static inline int set_up_servers(void **state)
{
    (void)set_up_server(state);
    redis_port = mariadb_free_port();
    redis_start();
    return 0;
}

static inline int tear_down_servers(void **state)
{
    redis_stop();
    return tear_down_server(state);
}

static inline void node_open(struct node *node, uint64_t ttl_ms, uint64_t timeout_ms)
{
    const struct redis_options options = {.host = "127.0.0.1", .port = redis_port};
    *node = (struct node){.metrics = metrics_create()};
    assert_non_null(node->metrics);
    assert_int_equal(redis_open(rig.loop, &options, &node->redis), 0);
    assert_int_equal(redis_pubsub_open(rig.loop, &options, &node->pubsub), 0);
    const struct listings_cache_options cache_options = {
        .loop = rig.loop,
        .sql = rig.sql,
        .redis = node->redis,
        .pubsub = node->pubsub,
        .ttl_ms = ttl_ms,
        .page_ttl_ms = NODE_PAGE_TTL_MS,
        .timeout_ms = timeout_ms,
    };
    assert_int_equal(listings_cache_init(&node->cache, node->metrics, &cache_options), 0);
    while (!(redis_get_health(node->redis).is_ready && node->cache.sub.is_live)) {
        rig_turn(&rig);
    }
}

static inline void node_on_closed(void *arg)
{
    struct node *node = arg;
    node->closed_count++;
    loop_stop(rig.loop);
}

static inline void node_close(struct node *node)
{
    redis_close(node->redis, node_on_closed, node);
    redis_pubsub_close(node->pubsub, node_on_closed, node);
    while (node->closed_count != 2) {
        rig_turn(&rig);
    }
    listings_cache_deinit(&node->cache);
    metrics_destroy(node->metrics);
}

/* --- plain commands --- */

struct plain {
    struct redis_call call;
    bool is_done;
    struct str text; /* of the reply, copied; ptr NULL: none */
};

static inline void on_plain(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct plain *plain = CONTAINER_OF(call, struct plain, call);
    assert_int_equal(status, 0);
    plain->is_done = true;
    if (reply->type == REDIS_TEXT) {
        assert_true(arena_copy(&arena, reply->text, &plain->text));
    }
}

/* say sends a command over a node's connection; the text of its reply. */
static inline struct str say(struct node *node, const struct str *args, size_t count)
{
    struct plain plain = {.is_done = false};
    redis_call_init(&plain.call, NULL, on_plain);
    assert_int_equal(redis_send(node->redis, &plain.call, args, count, NODE_TIMEOUT_MS), 0);
    while (!plain.is_done) {
        rig_turn(&rig);
    }
    return plain.text;
}

static inline struct str kept(struct node *node, struct str id)
{
    char key[LISTINGS_KEY_BYTES];
    const struct str args[] = {STR("GET"), listings_entry_key(id, key)};
    return say(node, args, ARRAY_COUNT(args));
}

static inline void keep(struct node *node, struct str id, const char *text)
{
    char key[LISTINGS_KEY_BYTES];
    const struct str args[] = {STR("SET"), listings_entry_key(id, key), str_from(text)};
    (void)say(node, args, ARRAY_COUNT(args));
}

/* --- reads and writes --- */

static inline void on_read(struct listings_read *read, int status)
{
    struct attempt *attempt = CONTAINER_OF(read, struct attempt, read);
    attempt->status = status;
    attempt->done_count++;
    if (status == 0) {
        attempt->version = read->version;
        attempt->has_listing = read->listing != NULL;
        if (read->json.ptr != NULL) {
            assert_true(arena_copy(&arena, read->json, &attempt->json));
        }
    }
}

static inline void on_write(struct listings_write *write, int status)
{
    struct attempt *attempt = CONTAINER_OF(write, struct attempt, write);
    attempt->status = status;
    attempt->done_count++;
    attempt->version = write->op.listing.version;
}

static inline void attempt_init(struct attempt *attempt)
{
    *attempt = (struct attempt){
        .read = {.arena = &arena, .on_done = on_read},
        .write = {.op = {.arena = &arena}, .on_done = on_write},
    };
}

static inline int ended(struct attempt *attempt)
{
    while (attempt->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(attempt->done_count, 1);
    return attempt->status;
}

static inline void start_get(struct node *node, struct attempt *attempt, struct str id)
{
    attempt_init(attempt);
    assert_int_equal(listings_cache_get(&node->cache, &attempt->read, id), 0);
    assert_int_equal(attempt->done_count, 0);
}

static inline int read_one(struct node *node, struct attempt *attempt, struct str id)
{
    start_get(node, attempt, id);
    return ended(attempt);
}

static inline int read_page(struct node *node, struct attempt *attempt)
{
    struct listings_query query;
    listings_query_init(&query);
    attempt_init(attempt);
    assert_int_equal(listings_cache_list(&node->cache, &attempt->read, &query), 0);
    return ended(attempt);
}

static inline int write_new(struct node *node, struct attempt *attempt, const char *id)
{
    attempt_init(attempt);
    attempt->write.op.listing = sample("{}");
    attempt->write.op.listing.id = str_from(id);
    assert_int_equal(listings_cache_create(&node->cache, &attempt->write), 0);
    return ended(attempt);
}

static inline void start_update(struct node *node, struct attempt *attempt, const char *id,
                                uint64_t version)
{
    attempt_init(attempt);
    attempt->write.op.listing = sample("{\"bedrooms\":3}");
    attempt->write.op.listing.id = str_from(id);
    assert_int_equal(listings_cache_update(&node->cache, &attempt->write, version), 0);
}

static inline int write_over(struct node *node, struct attempt *attempt, const char *id,
                             uint64_t version)
{
    start_update(node, attempt, id, version);
    return ended(attempt);
}

static inline int write_removal(struct node *node, struct attempt *attempt, const char *id)
{
    attempt_init(attempt);
    attempt->write.op.listing.id = str_from(id);
    assert_int_equal(listings_cache_remove(&node->cache, &attempt->write, 0), 0);
    return ended(attempt);
}

static inline uint64_t reads(const struct node *node, enum listings_cache_result result)
{
    return *node->cache.requests[LISTINGS_CACHE_LISTING][result];
}

static inline bool has_text(struct str text, const char *part)
{
    return text.ptr != NULL && memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* --- two of them --- */

static struct node a;
static struct node b;

/* knows lets a node learn the generation, which the read of a page asks for where it is missing. */
static inline void knows(struct node *node)
{
    struct attempt attempt;
    while (!node->cache.has_generation) {
        assert_int_equal(read_page(node, &attempt), 0);
    }
    for (int i = 0; i < LISTINGS_CACHE_RESULTS; i++) {
        *node->cache.requests[LISTINGS_CACHE_PAGE][i] = 0;
    }
}

static inline int set_up_nodes(void **state)
{
    (void)set_up(state);
    if (redis_pid == 0) {
        redis_start();
    }
    node_open(&a, NODE_TTL_MS, NODE_TIMEOUT_MS);
    const struct str args[] = {STR("FLUSHALL")};
    (void)say(&a, args, 1);
    a.cache.sub.on_live(&a.cache.sub, true); /* it may know a generation of before */
    node_open(&b, NODE_TTL_MS, NODE_TIMEOUT_MS);
    knows(&a);
    knows(&b);
    return 0;
}

static inline int tear_down_nodes(void **state)
{
    node_close(&a);
    node_close(&b);
    return tear_down(state);
}

/* settled lets each node hear of what the other wrote. */
static inline void settled(uint64_t messages)
{
    while (!(*a.cache.invalidations[1] >= messages && *b.cache.invalidations[1] >= messages)) {
        rig_turn(&rig);
    }
}

static inline void release(void)
{
    mariadb_execute(&db, "UNLOCK TABLES");
}

#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_nodes, tear_down_nodes)

#endif
