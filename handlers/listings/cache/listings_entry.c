/* SPDX-License-Identifier: MIT
 *
 * listings_entry.c - the script, and the memory of its runs.
 */
#include "handlers/listings/cache/listings_entry.h"

#include <stdlib.h>

#include "core/base/clock.h"

/* KEYS: the entry, and for a write the generation. ARGV: version, text, TTL in ms; for a write also
 * the channel, the id, and what a generation that is not there starts from: the time in us, so that
 * it is beyond all that were used before, whose number grows by one a write. Numbers of that size
 * need a format: Lua's own has 14 digits. What is no entry of ours, of whatever type, gives way. */
static const char script_text[] =
    "local old = redis.pcall('GET', KEYS[1])\n"
    "local version = type(old) == 'string' and tonumber(string.match(old, '^(%d+) ')) or -1\n"
    "if version <= tonumber(ARGV[1]) then\n"
    "  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])\n"
    "end\n"
    "if not KEYS[2] then\n"
    "  return 0\n"
    "end\n"
    "redis.call('SET', KEYS[2], ARGV[6], 'NX')\n"
    "local generation = redis.call('INCR', KEYS[2])\n"
    "redis.call('PUBLISH', ARGV[4], ARGV[5] .. ' ' .. ARGV[1] .. ' ' ..\n"
    "  string.format('%.0f', generation))\n"
    "return generation\n";

enum { KEY_ENTRY, KEY_GENERATION, ARG_COUNT_MAX = 8 };

struct listings_put {
    struct redis_eval eval;
    struct listings_entries *entries;
    bool is_write;
    struct str args[ARG_COUNT_MAX];
    char version[20];
    char ttl[20];
    char start[20];
    listings_put_fn on_put;
    void *arg;
    char text[]; /* key, id, until and body */
};

struct str listings_entry_key(struct str id, char *out)
{
    static const char prefix[] = "toq:listing:";
    _Static_assert(sizeof(prefix) - 1 + LISTING_ID_LEN == LISTINGS_KEY_BYTES, "the key's size");
    memcpy(out, prefix, sizeof(prefix) - 1);
    memcpy(out + sizeof(prefix) - 1, id.ptr, LISTING_ID_LEN);
    return (struct str){out, LISTINGS_KEY_BYTES};
}

bool listings_entry_parse(struct str text, struct listings_entry *ret_entry)
{
    struct str version;
    struct str until;
    struct listings_entry entry = {.json = {NULL, 0}};
    if (!str_next_field(&text, ' ', &version) || !str_next_field(&text, ' ', &until) ||
        text.ptr == NULL || text.len == 0 ||
        !str_parse_u64(version, LISTINGS_VERSION_MAX, &entry.version) ||
        !str_parse_u64(until, INT64_MAX, &entry.until_ms)) {
        return false;
    }
    entry.is_deleted = str_equal(text, STR("-"));
    if (text.ptr[0] == '{') {
        entry.json = text;
    } else if (!entry.is_deleted && !str_equal(text, STR("?"))) {
        return false;
    }
    *ret_entry = entry;
    return true;
}

bool listings_news_parse(struct str text, struct listings_news *ret_news)
{
    struct listings_news news;
    struct str version;
    struct str generation;
    if (!str_next_field(&text, ' ', &news.id) || news.id.len != LISTING_ID_LEN ||
        !str_next_field(&text, ' ', &version) || !str_next_field(&text, ' ', &generation) ||
        text.ptr != NULL || !str_parse_u64(version, LISTINGS_VERSION_MAX, &news.version) ||
        !str_parse_u64(generation, INT64_MAX, &news.generation)) {
        return false;
    }
    *ret_news = news;
    return true;
}

void listings_entries_init(struct listings_entries *entries, struct redis *redis,
                           uint64_t timeout_ms, void (*on_untold)(struct listings_entries *entries))
{
    *entries =
        (struct listings_entries){.redis = redis, .timeout_ms = timeout_ms, .on_untold = on_untold};
    redis_script_init(&entries->script, script_text);
}

static void on_reply(struct redis_eval *eval, int status, const struct redis_reply *reply)
{
    struct listings_put *put = CONTAINER_OF(eval, struct listings_put, eval);
    const listings_put_fn on_put = put->on_put;
    void *arg = put->arg;
    const bool is_number = status == 0 && reply->type == REDIS_INTEGER && reply->integer >= 0;
    if (put->is_write && !is_number) {
        put->entries->on_untold(put->entries);
    }
    free(put);
    if (on_put != NULL) {
        on_put(arg, status == 0 && !is_number ? UV_EPROTO : status,
               is_number ? (uint64_t)reply->integer : 0);
    }
}

static struct str body_of(const struct listings_entry *entry)
{
    if (entry->json.ptr != NULL) {
        return entry->json;
    }
    return entry->is_deleted ? STR("-") : STR("?");
}

#define UNTIL_BYTES 21 /* 20 digits and a blank */

/* keep_body copies what Redis is to hold behind the version. */
static struct str keep_body(const struct listings_put_options *options, char **to)
{
    const struct str body = body_of(&options->entry);
    char *start = *to;
    *to += str_format_u64(*to, clock_wall_ns() / NS_PER_MS + options->ttl_ms);
    *(*to)++ = ' ';
    *to = str_put(*to, body);
    return (struct str){start, (size_t)(*to - start)};
}

/* keep copies a text to *to, and moves that on. */
static struct str keep(struct str text, char **to)
{
    struct str kept = {*to, text.len};
    *to = str_put(*to, text);
    return kept;
}

static struct str number(char *out, uint64_t value)
{
    return (struct str){out, str_format_u64(out, value)};
}

static void fill(struct listings_put *put, const struct listings_put_options *options)
{
    const bool is_write = options->id.ptr != NULL;
    char *to = put->text;
    struct str *arg = put->args;
    *arg++ = keep(options->key, &to);
    if (is_write) {
        *arg++ = STR(LISTINGS_GENERATION);
    }
    *arg++ = number(put->version, options->entry.version);
    *arg++ = keep_body(options, &to);
    *arg++ = number(put->ttl, options->ttl_ms);
    if (is_write) {
        *arg++ = STR(LISTINGS_CHANNEL);
        *arg++ = keep(options->id, &to);
        *arg++ = number(put->start, clock_wall_ns() / NS_PER_US);
    }
    put->eval.key_count = is_write ? 2 : 1;
    put->eval.count = (size_t)(arg - put->args);
}

int listings_entry_put(struct listings_entries *entries, const struct listings_put_options *options,
                       struct listings_put **ret_put)
{
    const size_t text_bytes =
        options->key.len + UNTIL_BYTES + body_of(&options->entry).len + options->id.len;
    struct listings_put *put = malloc(sizeof(*put) + text_bytes);
    if (put == NULL) {
        return UV_ENOMEM;
    }
    *put = (struct listings_put){
        .entries = entries,
        .is_write = options->id.ptr != NULL,
        .on_put = options->on_put,
        .arg = options->arg,
    };
    fill(put, options);
    put->eval.script = &entries->script;
    put->eval.args = put->args;
    put->eval.timeout_ms = entries->timeout_ms;
    put->eval.on_reply = on_reply;
    const int status = redis_eval_send(entries->redis, &put->eval, options->task);
    if (status < 0) {
        free(put);
        return status;
    }
    *ret_put = put;
    return 0;
}

void listings_put_leave(struct listings_put *put)
{
    redis_lend(&put->eval.call, NULL);
    put->on_put = NULL;
}
