/* SPDX-License-Identifier: MIT
 *
 * cached.c - under each key either a value, or a fence that the last write left there.
 *
 * A read that finds no value remembers what it found, and puts a value there only while that is so
 * still: a write that came in between has left a fence of its own. The fence lasts as long as any
 * value that was read before it could.
 */
#include "handlers/kit/cached.h"

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/http/http.h"
#include "handlers/kit/name.h"

#define VALUE       'v'
#define FENCE       'f'
#define FENCE_BYTES 21 /* with the digits of a number */

/* KEYS: the key. ARGV: what a read found there; what it puts there; until when, in ms since
 * 1970. */
static const char put_text[] =
    "local time = redis.call('TIME')\n"
    "local left = ARGV[3] - (time[1] * 1000 + math.floor(time[2] / 1000))\n"
    "if left > 0 and (redis.call('GET', KEYS[1]) or '') == ARGV[1] then\n"
    "  return redis.call('SET', KEYS[1], ARGV[2], 'PX', string.format('%d', left))\n"
    "end\n"
    "return false\n";

/* One read, in its request's arena. */
struct cached_read {
    struct cached cached;
    struct task_ref ref;
    struct arena *arena; /* its request's, which is held while it is asked */
    struct str key;      /* ptr NULL: nothing is kept */
    struct sql_statement statement;
    struct str absent;
    cached_fn on_done;
    void *arg;
    uint64_t until_ms;
    struct str found; /* in Redis instead of a value: nothing, or a fence; ptr NULL: nobody knows */
};

/* put gives Redis the value; of one that finds no memory there is none. */
static void put(const struct cached_read *read, struct str value)
{
    char *kept = arena_alloc(read->arena, value.len + 1);
    if (kept == NULL) {
        return;
    }
    kept[0] = VALUE;
    memcpy(kept + 1, value.ptr, value.len);
    redis_tell(read->cached.redis,
               &REDIS_COMMAND(STR("EVAL"), STR(put_text), STR("1"), read->key, read->found,
                              ((struct str){kept, value.len + 1}), STR_U64(read->until_ms)));
}

/* read_value reads the first column of the current row. out: 21 bytes for a number. */
static struct str read_value(struct sql_rows *rows, char *out)
{
    const struct sql_value value = rows->result->rows->values[0];
    if (value.type == SQL_TEXT) {
        return sql_rows_text(rows);
    }
    if (value.type != SQL_I64) {
        return str_from_u64(out, sql_rows_u64(rows));
    }
    return (struct str){out, str_format_i64(out, value.i64)};
}

static void on_read(void *arg, const struct sql_result *result)
{
    const struct cached_read *read = arg;
    struct sql_rows rows = sql_rows_of(result);
    char digits[21];
    struct str value = {NULL, 0};
    if (rows.status == 0) {
        value = sql_rows_next(&rows) ? read_value(&rows, digits) : read->absent;
    }
    if (rows.status < 0 || value.ptr == NULL) {
        read->on_done(read->arg, rows.status < 0 ? rows.status : UV_ENOENT, STR(""));
        return;
    }
    if (read->found.ptr != NULL) {
        put(read, value);
    }
    read->on_done(read->arg, 0, value);
}

static void ask_mysql(struct cached_read *read)
{
    sql_ask(read->cached.sql, read->ref, &read->statement, on_read, read);
}

static void on_got(void *arg, int status, const struct redis_reply *reply)
{
    struct cached_read *read = arg;
    const struct str text = status == 0 && reply->type == REDIS_TEXT ? reply->text : STR("");
    if (text.len > 0 && text.ptr[0] == VALUE) {
        read->on_done(read->arg, 0, (struct str){text.ptr + 1, text.len - 1});
        return;
    }
    const bool is_known = status == 0 && text.len <= FENCE_BYTES;
    if (!is_known || !arena_copy(read->arena, text, &read->found)) {
        read->found = (struct str){NULL, 0};
    }
    ask_mysql(read);
}

/* copy makes the memory of a read; where nothing is kept it has no key.
 *
 * Returns: NULL: there is none. */
static struct cached_read *copy(struct arena *arena, const struct cached *cached,
                                const struct cached_value *value)
{
    const bool is_kept = cached->ttl_ms > 0 && value->name.len <= NAME_REST_MAX;
    struct cached_read *read = arena_alloc(arena, sizeof(*read));
    if (read == NULL) {
        return NULL;
    }
    *read = (struct cached_read){.cached = *cached, .arena = arena, .absent = value->absent};
    const bool is_whole = (!is_kept || name_join(arena, cached->prefix, value->name, &read->key)) &&
                          sql_statement_copy(arena, &value->statement, &read->statement);
    return is_whole ? read : NULL;
}

void cached_ask(const struct cached *cached, struct task_ref ref, const struct cached_value *value,
                cached_fn on_done, void *arg)
{
    struct http_request *req = http_from_ref(ref);
    if (req == NULL) {
        on_done(arg, UV_ECANCELED, STR(""));
        return;
    }
    struct cached_read *read = copy(&req->arena, cached, value);
    if (read == NULL) {
        task_cancel(&req->task, UV_ENOMEM);
        http_release(req);
        return;
    }
    read->ref = ref;
    read->on_done = on_done;
    read->arg = arg;
    read->until_ms = clock_wall_ns() / NS_PER_MS + cached->ttl_ms;
    if (read->key.ptr == NULL) {
        ask_mysql(read);
    } else {
        struct redis_command command = REDIS_COMMAND(STR("GET"), read->key);
        command.timeout_ms = cached->timeout_ms;
        redis_ask(cached->redis, ref, &command, on_got, read);
    }
    http_release(req);
}

/* --- writes --- */

/* What goes on when a value is forgotten, in its request's arena. */
struct cached_forgetting {
    cached_forgotten_fn then;
    void *arg;
};

static void on_forgotten(void *arg, int status, const struct redis_reply *reply)
{
    const struct cached_forgetting *forgetting = arg;
    (void)status; /* without Redis the older value lasts for the rest of ttl_ms: see the head */
    (void)reply;
    forgetting->then(forgetting->arg);
}

/* forget leaves a fence. forgetting: who waits for it; NULL: nobody.
 *
 * Returns: whether on_forgotten will run. */
static bool forget(const struct cached *cached, struct task_ref ref, struct str name,
                   struct cached_forgetting *forgetting)
{
    char fence[FENCE_BYTES] = {FENCE};
    const struct str text = {fence, 1 + str_format_u64(fence + 1, random_u64())};
    struct arena arena;
    struct str key;
    arena_init(&arena, NAME_ARENA_BYTES);
    const bool is_kept = cached->ttl_ms > 0 && name_join(&arena, cached->prefix, name, &key);
    if (is_kept) {
        struct redis_command command =
            REDIS_COMMAND(STR("SET"), key, text, STR("PX"), STR_U64(cached->ttl_ms));
        command.timeout_ms = cached->timeout_ms;
        if (forgetting == NULL) {
            redis_tell(cached->redis, &command);
        } else {
            redis_ask(cached->redis, ref, &command, on_forgotten, forgetting);
        }
    }
    arena_deinit(&arena);
    return is_kept && forgetting != NULL;
}

void cached_forget(const struct cached *cached, struct str name)
{
    (void)forget(cached, (struct task_ref){0}, name, NULL);
}

void cached_forget_then(const struct cached *cached, struct task_ref ref, struct str name,
                        cached_forgotten_fn then, void *arg)
{
    struct http_request *req = http_from_ref(ref);
    const bool is_awaited = req != NULL && !http_is_cancelled(req);
    struct cached_forgetting *forgetting =
        is_awaited ? arena_alloc(&req->arena, sizeof(*forgetting)) : NULL;
    if (forgetting != NULL) {
        *forgetting = (struct cached_forgetting){then, arg};
    }
    const bool is_asked = forget(cached, ref, name, forgetting);
    if (is_awaited && forgetting == NULL) {
        task_cancel(&req->task, UV_ENOMEM);
    } else if (!is_asked) {
        then(arg); /* nothing is kept, or the client has left */
    }
    if (req != NULL) {
        http_release(req);
    }
}
