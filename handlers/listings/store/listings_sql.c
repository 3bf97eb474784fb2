/* SPDX-License-Identifier: MIT
 *
 * listings_sql.c - fixed pieces of text put together; every value is a parameter.
 *
 * The next page is found by key, not by counting: "key <= k AND (key < k OR id < i)" is the same as
 * "(key, id) < (k, i)", of which MySQL would not see that an index answers it.
 */
#include "handlers/listings/store/listings_sql.h"

#define TEXT_MAX_BYTES 2048 /* all pieces at once are about 900 */

struct statement {
    struct arena *arena;
    char *text;
    size_t len;
    struct sql_value *params;
    size_t param_count;
    bool is_failed; /* memory was missing */
};

static void put(struct statement *s, const char *piece)
{
    const size_t len = strlen(piece);
    INVARIANT(s->len + len <= TEXT_MAX_BYTES);
    memcpy(s->text + s->len, piece, len);
    s->len += len;
}

static void bind_value(struct statement *s, struct sql_value value)
{
    INVARIANT(s->param_count < LISTINGS_PARAMS_MAX);
    s->params[s->param_count++] = value;
}

static void put_equal(struct statement *s, const char *piece, struct str value)
{
    if (value.ptr != NULL) {
        put(s, piece);
        bind_value(s, sql_text(value));
    }
}

static void put_bound(struct statement *s, const char *piece, int64_t value)
{
    if (value >= 0) {
        put(s, piece);
        bind_value(s, sql_i64(value));
    }
}

/* put_word wants a word somewhere in the title. What LIKE would take for a wildcard is escaped, and
 * not with a backslash, whose meaning depends on the server's mode. */
static void put_word(struct statement *s, struct str word)
{
    char *pattern = arena_alloc(s->arena, 2 * word.len + 2);
    if (pattern == NULL) {
        s->is_failed = true;
        return;
    }
    size_t len = 0;
    pattern[len++] = '%';
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '%' || word.ptr[i] == '_' || word.ptr[i] == '|') {
            pattern[len++] = '|';
        }
        pattern[len++] = word.ptr[i];
    }
    pattern[len++] = '%';
    put(s, " AND title LIKE ? ESCAPE '|'");
    bind_value(s, sql_text((struct str){pattern, len}));
}

static void put_words(struct statement *s, struct str title)
{
    struct str rest = title;
    struct str word;
    while (str_next_field(&rest, ' ', &word)) {
        if (word.len > 0) {
            put_word(s, word);
        }
    }
}

static void put_filters(struct statement *s, const struct listings_query *query)
{
    put(s, " FROM listings WHERE status=?");
    bind_value(s, sql_text(query->status.ptr == NULL ? STR("published") : query->status));
    put_equal(s, " AND city=?", query->city);
    put_equal(s, " AND state=?", query->state);
    put_equal(s, " AND kind=?", query->kind);
    put_equal(s, " AND purpose=?", query->purpose);
    put_bound(s, " AND price_cents>=?", query->min_price_cents);
    put_bound(s, " AND price_cents<=?", query->max_price_cents);
    put_bound(s, " AND area_m2>=?", query->min_area_m2);
    put_bound(s, " AND area_m2<=?", query->max_area_m2);
    put_bound(s, " AND bedrooms>=?", query->min_bedrooms);
    put_words(s, query->title);
}

static void put_cursor(struct statement *s, const struct listings_query *query,
                       const struct listings_sort_info *sort)
{
    const struct sql_value key =
        sort->is_time ? sql_datetime(query->cursor_key) : sql_i64(query->cursor_key);
    const char *beyond = sort->is_descending ? "<" : ">";
    put(s, " AND ");
    put(s, sort->column);
    put(s, beyond);
    put(s, "=? AND (");
    put(s, sort->column);
    put(s, beyond);
    put(s, "? OR id");
    put(s, beyond);
    put(s, "?)");
    bind_value(s, key);
    bind_value(s, key);
    bind_value(s, sql_text(query->cursor_id));
}

static void put_order(struct statement *s, const struct listings_query *query,
                      const struct listings_sort_info *sort)
{
    put(s, " ORDER BY ");
    put(s, sort->column);
    put(s, sort->is_descending ? " DESC,id DESC LIMIT ?" : ",id LIMIT ?");
    bind_value(s, sql_u64(query->limit + 1));
}

static bool begin(struct statement *s, struct arena *arena, struct sql_value *params)
{
    *s = (struct statement){
        .arena = arena, .text = arena_alloc(arena, TEXT_MAX_BYTES), .params = params};
    return s->text != NULL;
}

static bool end(const struct statement *s, struct str *ret_text, size_t *ret_param_count)
{
    if (s->is_failed) {
        return false;
    }
    *ret_text = (struct str){s->text, s->len};
    *ret_param_count = s->param_count;
    return true;
}

bool listings_sql_page(struct arena *arena, const struct listings_query *query,
                       struct sql_value *params, struct str *ret_text, size_t *ret_param_count)
{
    const struct listings_sort_info *sort = listings_sort_info(query->sort);
    struct statement s;
    if (!begin(&s, arena, params)) {
        return false;
    }
    put(&s, "SELECT " LISTINGS_COLUMNS);
    put_filters(&s, query);
    if (query->has_cursor) {
        put_cursor(&s, query, sort);
    }
    put_order(&s, query, sort);
    return end(&s, ret_text, ret_param_count);
}

bool listings_sql_total(struct arena *arena, const struct listings_query *query,
                        struct sql_value *params, struct str *ret_text, size_t *ret_param_count)
{
    struct statement s;
    if (!begin(&s, arena, params)) {
        return false;
    }
    put(&s, "SELECT COUNT(*)");
    put_filters(&s, query);
    return end(&s, ret_text, ret_param_count);
}
