/* SPDX-License-Identifier: MIT
 *
 * fuzz_target.c - any target of any method: path and query are bytes of it, and what a handler gets
 * of the query is what a walk over its fields finds.
 *
 * Input: one byte for the method, then the target.
 */
#include "core/http/request.h"

#define ARENA_MAX_BYTES (1u << 20)
#define TARGET_MAX      (ARENA_MAX_BYTES / 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* decode_field is http_decode for a name or a value, which stands as it is when it cannot be. */
static struct str decode_field(struct arena *arena, struct str text)
{
    struct str decoded;
    const int rc = http_decode(arena, text, true, &decoded);
    INVARIANT(rc == 0 || rc == UV_EINVAL);
    return rc == 0 ? decoded : text;
}

/* next_field takes the next parameter off a query that is not decoded yet; false at the end. */
static bool next_field(struct arena *arena, struct str *rest, struct str *ret_name,
                       struct str *ret_value)
{
    struct str field;
    struct str name;
    while (str_next_field(rest, '&', &field)) {
        if (field.len > 0 && str_next_field(&field, '=', &name)) {
            *ret_name = decode_field(arena, name);
            *ret_value = field.ptr == NULL ? STR("") : decode_field(arena, field);
            return true;
        }
    }
    return false;
}

/* One more than a handler may be asked for: what follows is refused unread. */
#define FIELDS_MAX (HTTP_QUERY_PARAMETERS_MAX + 1)

static void check_query(const struct http_request *req, struct arena *arena)
{
    struct str names[FIELDS_MAX];
    struct str values[FIELDS_MAX];
    struct str rest = req->query;
    struct str got;
    bool is_twice = false;
    size_t count = 0;
    while (count < FIELDS_MAX && next_field(arena, &rest, &names[count], &values[count])) {
        size_t first = 0;
        while (!str_equal(names[first], names[count])) {
            first++;
        }
        is_twice = is_twice || first < count;
        INVARIANT(http_query_get(req, names[count], &got) && str_equal(got, values[first]));
        INVARIANT(got.ptr[got.len] == '\0' && memchr(got.ptr, '\0', got.len) == NULL);
        count++;
    }
    INVARIANT(http_query_has_twice(req) == (is_twice || count == FIELDS_MAX));
    INVARIANT(count > 0 || !http_query_get(req, STR(""), &got));
}

static void check_split(const struct http_request *req, struct str target)
{
    const bool has_query = req->path.len < target.len;
    INVARIANT(req->path.ptr == target.ptr && req->path.len <= target.len);
    INVARIANT(memchr(req->path.ptr, '?', req->path.len) == NULL);
    INVARIANT(req->query.ptr != NULL);
    INVARIANT(req->query.len == target.len - req->path.len - (has_query ? 1 : 0));
    INVARIANT(!has_query || (target.ptr[req->path.len] == '?' &&
                             req->query.ptr == target.ptr + req->path.len + 1));
}

static void check_decode(struct arena *arena, struct str s, bool is_plus_space)
{
    struct str decoded;
    if (http_decode(arena, s, is_plus_space, &decoded) == 0) {
        INVARIANT(decoded.len <= s.len);
        INVARIANT(decoded.len == 0 || memchr(decoded.ptr, '\0', decoded.len) == NULL);
        INVARIANT(!is_plus_space || decoded.len == 0 || memchr(s.ptr, '%', s.len) != NULL ||
                  memchr(decoded.ptr, '+', decoded.len) == NULL);
    }
}

/* Without memory a query is an error, never one with fewer parameters. */
static void check_shortage(const struct http_request *req)
{
    struct http_request poor = {.query = req->query};
    arena_init(&poor.arena, 1);
    INVARIANT(http_request_decode_query(&poor) == (req->query.len > 0 ? UV_ENOMEM : 0));
    arena_deinit(&poor.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > TARGET_MAX || memchr(data + 1, '\0', size - 1) != NULL) {
        return 0; /* each protocol refuses a NUL before */
    }
    const struct str target = {(const char *)data + 1, size - 1};
    struct http_request req = {.method = (enum http_method)(data[0] % METHOD_COUNT),
                               .target = target};
    struct arena arena;
    arena_init(&req.arena, ARENA_MAX_BYTES);
    arena_init(&arena, ARENA_MAX_BYTES);
    const char *wrong = http_request_split(&req, target);
    if (wrong == NULL) {
        if (req.method != METHOD_OTHER) {
            check_split(&req, target);
        }
        INVARIANT(http_request_decode_query(&req) == 0);
        check_query(&req, &arena);
        check_shortage(&req);
    }
    check_decode(&arena, target, false);
    check_decode(&arena, target, true);
    arena_deinit(&arena);
    arena_deinit(&req.arena);
    return 0;
}
