/* SPDX-License-Identifier: MIT
 *
 * listings_cache.c - reads, and processes the news of other processes' writes;
 * listings_cache_write.c writes.
 */
#include "handlers/listings/cache/listings_cache.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/telemetry/log_limit.h"
#include "handlers/listings/model/listings_page.h"

#define SHUN_MS 1000 /* after a timeout: as often as it costs timeout_ms again */
/* How far behind a late one may be: a write adds 1, and a count that begins again does so at the
 * time in us, by which it differs by far more. */
#define GENERATION_LATE_MAX 100000
#define PAGE_KEY_MAX_BYTES  4096
#define KEPT_MAX_BYTES      (1u << 20) /* of one entry in Redis */

static uint64_t now_ms(const struct listings_cache *cache)
{
    return loop_now_ms(cache->options.loop);
}

/* --- what a load brought goes to Redis --- */

/* left_ms is how long an entry may stay: from when MySQL was asked, for what it said may be old
 * since, and a little less at random, so that what came together does not go together. */
static uint64_t left_ms(uint64_t ttl_ms, uint64_t start_ns)
{
    const uint64_t now_ns = clock_now_ns();
    const uint64_t age_ms = (now_ns - start_ns) / NS_PER_MS;
    const uint64_t jitter_ms = random_below(ttl_ms / 10 + 1);
    return age_ms + jitter_ms < ttl_ms ? ttl_ms - age_ms - jitter_ms : 0;
}

static void on_load(struct listings_loads *loads, const struct listings_loaded *loaded)
{
    struct listings_cache *cache = CONTAINER_OF(loads, struct listings_cache, loads);
    const bool is_page = loaded->version == 0;
    const uint64_t ttl_ms = is_page ? cache->options.page_ttl_ms : cache->options.ttl_ms;
    const struct listings_put_options options = {
        .key = loaded->key,
        .entry = {.version = loaded->version, .json = loaded->json},
        .ttl_ms = left_ms(ttl_ms, loaded->start_ns),
    };
    METRIC_ADD(cache->loaded[is_page ? LISTINGS_CACHE_PAGE : LISTINGS_CACHE_LISTING], 1);
    if (loaded->is_kept && options.ttl_ms > 0 && loaded->json.len <= KEPT_MAX_BYTES &&
        now_ms(cache) >= cache->shun_until_ms) {
        struct listings_put *put;
        const int status = listings_entry_put(&cache->entries, &options, &put);
        (void)status; /* the next one that misses it tries again */
    }
}

/* --- reading --- */

static void count(struct listings_read *read, enum listings_cache_result result)
{
    METRIC_ADD(read->cache->requests[read->kind][result], 1);
}

static void on_loaded(struct listings_waiter *waiter, int status,
                      const struct listings_loaded *loaded)
{
    struct listings_read *read = CONTAINER_OF(waiter, struct listings_read, waiter);
    if (status == 0) {
        read->listing = read->takes_listing ? loaded->listing : NULL;
        read->json = loaded->json;
        read->version = loaded->version;
    }
    read->on_done(read, status);
}

/* ask_mysql loads what Redis did not give. */
static int ask_mysql(struct listings_read *read, enum listings_cache_result result)
{
    read->waiter.task = read->task;
    read->waiter.takes_listing = read->takes_listing;
    read->waiter.on_loaded = on_loaded;
    const int status = listings_load_join(&read->cache->loads, &read->waiter, &read->wish);
    count(read, status == 1 ? LISTINGS_CACHE_SHARED : result);
    return status < 0 ? status : 0;
}

/* is_hit tells whether Redis had what was asked for, and takes it. */
static bool is_hit(struct listings_read *read, const struct redis_reply *reply)
{
    struct listings_cache *cache = read->cache;
    struct listings_entry entry;
    if (reply->type != REDIS_TEXT || !listings_entry_parse(reply->text, &entry) ||
        (entry.json.ptr == NULL && !entry.is_deleted)) {
        return false;
    }
    if (entry.until_ms <= clock_wall_ns() / NS_PER_MS ||
        (read->kind == LISTINGS_CACHE_LISTING &&
         !listings_seen_allows(&cache->seen, read->wish.id, entry.version, now_ms(cache)))) {
        return false;
    }
    read->json = entry.json;
    read->version = entry.version;
    return true;
}

static void note(const struct listings_read *read, const char *what)
{
    if (read->task != NULL) {
        task_note(read->task, what, 1);
    }
}

static void on_redis(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct listings_read *read = CONTAINER_OF(call, struct listings_read, call);
    if (status == 0 && is_hit(read, reply)) {
        count(read, LISTINGS_CACHE_HIT);
        note(read, task_note_hit);
        read->on_done(read, read->json.ptr == NULL ? UV_ENOENT : 0);
        return;
    }
    if (status == UV_ETIMEDOUT) {
        read->cache->shun_until_ms = now_ms(read->cache) + SHUN_MS;
    }
    note(read, task_note_miss);
    status = ask_mysql(read, status == 0 ? LISTINGS_CACHE_MISS : LISTINGS_CACHE_BYPASS);
    if (status < 0) {
        read->on_done(read, status);
    }
}

static int start_read(struct listings_read *read)
{
    struct listings_cache *cache = read->cache;
    const struct str args[] = {STR("GET"), read->wish.key};
    redis_call_init(&read->call, read->task, on_redis);
    if (read->wish.is_kept && now_ms(cache) >= cache->shun_until_ms &&
        redis_send(cache->options.redis, &read->call, args, ARRAY_COUNT(args),
                   cache->options.timeout_ms) == 0) {
        return 0;
    }
    return ask_mysql(read, LISTINGS_CACHE_BYPASS);
}

int listings_cache_get(struct listings_cache *cache, struct listings_read *read, struct str id)
{
    read->cache = cache;
    read->kind = LISTINGS_CACHE_LISTING;
    read->wish = (struct listings_wish){
        .key = listings_entry_key(id, read->key),
        .id = id,
        .is_kept = cache->options.ttl_ms > 0,
    };
    return start_read(read);
}

static void on_learnt(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct listings_cache *cache = CONTAINER_OF(call, struct listings_cache, learn);
    uint64_t generation = 0; /* nothing was ever written */
    if (status == 0 &&
        (reply->type == REDIS_NIL ||
         (reply->type == REDIS_TEXT && str_parse_u64(reply->text, INT64_MAX, &generation)))) {
        /* news would have called this off: so nothing newer is known */
        cache->generation = generation;
        cache->has_generation = cache->sub.is_live;
    }
}

/* learn asks for the generation, if news of the next one will arrive. When it fails, the next read
 * of a page asks again: one of the two connections may be back before the other. */
static void learn(struct listings_cache *cache)
{
    const struct str args[] = {STR("GET"), STR(LISTINGS_GENERATION)};
    if (cache->sub.is_live && !cache->has_generation && cache->learn.redis == NULL) {
        const int status =
            redis_send(cache->options.redis, &cache->learn, args, ARRAY_COUNT(args), 0);
        (void)status;
    }
}

/* page_key names a page: for all processes when the generation is known, else for the loads of this
 * one, which a write of its own must divide, too. */
static bool page_key(const struct listings_read *read, const struct listings_query *query,
                     struct str *ret_key)
{
    const struct listings_cache *cache = read->cache;
    struct buf key;
    buf_init(&key, PAGE_KEY_MAX_BYTES);
    if (read->wish.is_kept) {
        buf_printf(&key, "toq:page:%llu:", (unsigned long long)cache->generation);
    } else {
        buf_printf(&key, "%llu:", (unsigned long long)cache->write_count);
    }
    listings_page_key(query, &key);
    const bool is_made = !key.is_failed && arena_copy(read->arena, buf_str(&key), ret_key);
    buf_deinit(&key);
    return is_made;
}

int listings_cache_list(struct listings_cache *cache, struct listings_read *read,
                        const struct listings_query *query)
{
    learn(cache);
    read->cache = cache;
    read->kind = LISTINGS_CACHE_PAGE;
    read->wish = (struct listings_wish){
        .query = query,
        .is_kept = cache->options.ttl_ms > 0 && cache->options.page_ttl_ms > 0 &&
                   cache->has_generation && now_ms(cache) >= cache->pages_until_ms,
    };
    return page_key(read, query, &read->wish.key) ? start_read(read) : UV_ENOMEM;
}

void listings_cache_cancel(struct listings_read *read)
{
    if (read->cache != NULL) {
        redis_cancel(&read->call);
        listings_load_leave(&read->waiter);
    }
}

/* --- news --- */

void listings_cache_note(struct listings_cache *cache, struct str id, uint64_t version)
{
    const uint64_t now = now_ms(cache);
    char key[LISTINGS_KEY_BYTES];
    listings_seen_note(&cache->seen, id, version, now,
                       now + cache->options.ttl_ms + LISTINGS_CACHE_SKEW_MS);
    listings_loads_forget(&cache->loads, listings_entry_key(id, key));
    cache->write_count++;
}

void listings_cache_move_on(struct listings_cache *cache, uint64_t generation)
{
    redis_cancel(&cache->learn); /* what it would say is older */
    if (!cache->has_generation || generation > cache->generation ||
        cache->generation - generation > GENERATION_LATE_MAX) {
        cache->generation = generation;
    }
    cache->has_generation = true;
}

/* on_message hears of each write in the order in which Redis was told, also of our own. */
static void on_message(struct redis_subscription *sub, struct str channel, struct str payload)
{
    struct listings_cache *cache = CONTAINER_OF(sub, struct listings_cache, sub);
    struct listings_news news;
    (void)channel;
    if (!listings_news_parse(payload, &news)) {
        LOG_LIMITED(LOG_WARN, "listings", "a message of the news channel is not news",
                    log_u64("bytes", payload.len));
        return;
    }
    listings_cache_note(cache, news.id, news.version);
    listings_cache_move_on(cache, news.generation);
    METRIC_ADD(cache->invalidations[1], 1);
}

/* on_untold lets MySQL alone answer for as long as a page of before the write may be in Redis. */
static void on_untold(struct listings_entries *entries)
{
    struct listings_cache *cache = CONTAINER_OF(entries, struct listings_cache, entries);
    cache->pages_until_ms = now_ms(cache) + cache->options.page_ttl_ms + LISTINGS_CACHE_SKEW_MS;
}

/* on_live forgets the generation, for what was published meanwhile is lost. */
static void on_live(struct redis_subscription *sub, bool is_live)
{
    struct listings_cache *cache = CONTAINER_OF(sub, struct listings_cache, sub);
    cache->has_generation = false;
    redis_cancel(&cache->learn);
    if (is_live) {
        learn(cache);
    }
}

/* --- opening --- */

static uint64_t *counter(struct metrics *metrics, const char *name, const char *help,
                         const char *const *labels, const struct str *values)
{
    const struct metric_family_options options = {
        .type = METRIC_COUNTER, .name = name, .help = help, .labels = labels};
    struct metric_family *family = metrics_family(metrics, &options);
    return family == NULL ? NULL : metric_counter(family, values);
}

static bool register_kind(struct listings_cache *cache, struct metrics *metrics,
                          enum listings_cache_kind kind)
{
    static const char *const request_labels[] = {"cache", "result", NULL};
    static const char *const load_labels[] = {"cache", NULL};
    static const char *const results[] = {"hit", "miss", "bypass", "shared"};
    const struct str name = kind == LISTINGS_CACHE_PAGE ? STR("page") : STR("listing");
    bool is_whole = true;
    for (int i = 0; i < LISTINGS_CACHE_RESULTS; i++) {
        const struct str values[] = {name, str_from(results[i])};
        cache->requests[kind][i] =
            counter(metrics, "toq_cache_requests_total", "Reads by how they were served.",
                    request_labels, values);
        is_whole = is_whole && cache->requests[kind][i] != NULL;
    }
    cache->loaded[kind] = counter(metrics, "toq_cache_loads_total",
                                  "Reads of MySQL that succeeded.", load_labels, &name);
    return is_whole && cache->loaded[kind] != NULL;
}

static int register_metrics(struct listings_cache *cache, struct metrics *metrics)
{
    static const char *const labels[] = {"source", NULL};
    const struct str sources[] = {STR("local"), STR("message")};
    for (int i = 0; i < 2; i++) {
        cache->invalidations[i] =
            counter(metrics, "toq_cache_invalidations_total",
                    "Writes that made cached entries old, by where they were heard of.", labels,
                    &sources[i]);
        if (cache->invalidations[i] == NULL ||
            !register_kind(cache, metrics, (enum listings_cache_kind)i)) {
            return UV_ENOMEM;
        }
    }
    return 0;
}

int listings_cache_init(struct listings_cache *cache, struct metrics *metrics,
                        const struct listings_cache_options *options)
{
    *cache = (struct listings_cache){.options = *options};
    const struct listings_loads_options loads = {
        .loop = options->loop, .sql = options->sql, .metrics = metrics, .on_load = on_load};
    int status = register_metrics(cache, metrics);
    status = status < 0 ? status : listings_loads_init(&cache->loads, &loads);
    if (status < 0) {
        return status;
    }
    listings_entries_init(&cache->entries, options->redis, options->timeout_ms, on_untold);
    redis_call_init(&cache->learn, NULL, on_learnt);
    cache->sub = (struct redis_subscription){
        .channel = STR(LISTINGS_CHANNEL), .on_message = on_message, .on_live = on_live};
    redis_subscribe(options->pubsub, &cache->sub);
    return 0;
}

void listings_cache_deinit(struct listings_cache *cache)
{
    listings_seen_deinit(&cache->seen);
}
