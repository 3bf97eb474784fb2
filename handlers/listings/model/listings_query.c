/* SPDX-License-Identifier: MIT
 *
 * listings_query.c - a table of parameters; the cursor's check.
 */
#include "handlers/listings/model/listings_query.h"

#include "handlers/listings/model/listings_cursor.h"

#define TIME_MAX_US INT64_C(253402300799999999) /* the end of 9999, as far as DATETIME goes */

static const struct listings_sort_info sorts[LISTINGS_SORT_COUNT] = {
    [LISTINGS_NEWEST] = {"-created_at", "created_at", .is_descending = true, .is_time = true},
    [LISTINGS_OLDEST] = {"created_at", "created_at", .is_time = true},
    [LISTINGS_PRICE_UP] = {"price_cents", "price_cents", .field = LISTING_PRICE_CENTS},
    [LISTINGS_PRICE_DOWN] = {"-price_cents", "price_cents", .is_descending = true,
                             .field = LISTING_PRICE_CENTS},
    [LISTINGS_AREA_UP] = {"area_m2", "area_m2", .field = LISTING_AREA_M2},
    [LISTINGS_AREA_DOWN] = {"-area_m2", "area_m2", .is_descending = true, .field = LISTING_AREA_M2},
};

const struct listings_sort_info *listings_sort_info(enum listings_sort sort)
{
    return &sorts[sort];
}

void listings_query_init(struct listings_query *query)
{
    *query = (struct listings_query){
        .min_price_cents = -1,
        .max_price_cents = -1,
        .min_area_m2 = -1,
        .max_area_m2 = -1,
        .min_bedrooms = -1,
        .sort = LISTINGS_NEWEST,
        .limit = LISTINGS_LIMIT_DEFAULT,
    };
}

/* --- parameters --- */

struct param {
    const char *name;
    const char *(*set)(struct arena *arena, struct listings_query *query, const struct param *param,
                       struct str value);
    size_t offset;            /* where it goes in struct listings_query */
    enum listing_field field; /* by whose bounds it is checked */
};

/* set_text takes a text or a choice as the field itself would. */
static const char *set_text(struct arena *arena, struct listings_query *query,
                            const struct param *param, struct str value)
{
    (void)arena;
    const struct listing_value checked = {.text = value};
    const char *wrong = listing_check(param->field, &checked);
    if (wrong == NULL) {
        *(struct str *)(void *)((char *)query + param->offset) = value;
    }
    return wrong;
}

static const char *set_number(struct arena *arena, struct listings_query *query,
                              const struct param *param, struct str value)
{
    (void)arena;
    uint64_t number;
    if (!str_parse_u64(value, INT64_MAX, &number)) {
        return "must be a whole number that is not negative";
    }
    const struct listing_value checked = {.number = (int64_t)number};
    const char *wrong = listing_check(param->field, &checked);
    if (wrong == NULL) {
        *(int64_t *)(void *)((char *)query + param->offset) = checked.number;
    }
    return wrong;
}

/* set_title bounds the words, each of which costs a comparison per listing. */
static const char *set_title(struct arena *arena, struct listings_query *query,
                             const struct param *param, struct str value)
{
    size_t words = 0;
    struct str rest = value;
    struct str word;
    while (str_next_field(&rest, ' ', &word)) {
        words += word.len > 0;
    }
    return words > LISTINGS_WORDS_MAX ? "has too many words" : set_text(arena, query, param, value);
}

static const char *set_sort(struct arena *arena, struct listings_query *query,
                            const struct param *param, struct str value)
{
    (void)arena;
    (void)param;
    for (int s = 0; s < LISTINGS_SORT_COUNT; s++) {
        if (str_equal(value, str_from(sorts[s].name))) {
            query->sort = (enum listings_sort)s;
            return NULL;
        }
    }
    return "must be created_at, price_cents or area_m2, with a - before it for descending";
}

static const char *set_limit(struct arena *arena, struct listings_query *query,
                             const struct param *param, struct str value)
{
    (void)arena;
    (void)param;
    uint64_t limit;
    _Static_assert(LISTINGS_LIMIT_MAX == 100, "the message says so");
    if (!str_parse_u64(value, LISTINGS_LIMIT_MAX, &limit) || limit == 0) {
        return "must be from 1 to 100";
    }
    query->limit = (size_t)limit;
    return NULL;
}

static const char *set_total(struct arena *arena, struct listings_query *query,
                             const struct param *param, struct str value)
{
    (void)arena;
    (void)param;
    query->wants_total = str_equal(value, STR("true"));
    return query->wants_total || str_equal(value, STR("false")) ? NULL : "must be true or false";
}

static const char broken_cursor[] = "is broken, or belongs to other filters or another order";

static bool is_key(const struct listings_sort_info *info, uint64_t key)
{
    const int64_t max = info->is_time ? TIME_MAX_US : listing_field_info(info->field)->max;
    return key <= (uint64_t)max;
}

static const char *set_cursor(struct arena *arena, struct listings_query *query,
                              const struct param *param, struct str value)
{
    (void)param;
    struct listings_cursor cursor;
    char id[UUID_TEXT_LEN];
    if (!listings_cursor_decode(value, &cursor) || cursor.sort >= LISTINGS_SORT_COUNT ||
        !is_key(&sorts[cursor.sort], cursor.key)) {
        return broken_cursor;
    }
    uuid_format(cursor.id, id);
    if (!arena_copy(arena, (struct str){id, sizeof(id)}, &query->cursor_id)) {
        return "needs more memory than there is";
    }
    query->has_cursor = true;
    query->cursor_sort = (enum listings_sort)cursor.sort;
    query->cursor_key = (int64_t)cursor.key;
    query->cursor_check = cursor.check;
    return NULL;
}

#define PLACE(member) offsetof(struct listings_query, member)

static const struct param params[] = {
    {"city", set_text, PLACE(city), LISTING_CITY},
    {"state", set_text, PLACE(state), LISTING_STATE},
    {"kind", set_text, PLACE(kind), LISTING_KIND},
    {"purpose", set_text, PLACE(purpose), LISTING_PURPOSE},
    {"status", set_text, PLACE(status), LISTING_STATUS},
    {"title", set_title, PLACE(title), LISTING_TITLE},
    {"min_price_cents", set_number, PLACE(min_price_cents), LISTING_PRICE_CENTS},
    {"max_price_cents", set_number, PLACE(max_price_cents), LISTING_PRICE_CENTS},
    {"min_area_m2", set_number, PLACE(min_area_m2), LISTING_AREA_M2},
    {"max_area_m2", set_number, PLACE(max_area_m2), LISTING_AREA_M2},
    {"min_bedrooms", set_number, PLACE(min_bedrooms), LISTING_BEDROOMS},
    {.name = "sort", .set = set_sort},
    {.name = "limit", .set = set_limit},
    {.name = "total", .set = set_total},
    {.name = "cursor", .set = set_cursor},
};

const char *listings_query_set(struct arena *arena, struct listings_query *query, struct str name,
                               struct str value)
{
    for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
        if (!str_equal(name, str_from(params[i].name))) {
            continue;
        }
        if (query->given & 1U << i) {
            return "is given more than once";
        }
        query->given |= 1U << i;
        return params[i].set(arena, query, &params[i], value);
    }
    return "is unknown; there are city, state, kind, purpose, status, title, min_price_cents, "
           "max_price_cents, min_area_m2, max_area_m2, min_bedrooms, sort, limit, total and cursor";
}

/* --- cursor --- */

static uint64_t hash_more(uint64_t hash, struct str bytes)
{
    const uint64_t both[] = {hash, str_hash(bytes)};
    return str_hash((struct str){(const char *)both, sizeof(both)});
}

/* check_of hashes a place and what the list is filtered by. It keeps honest clients from mixing up
 * their cursors; one that is forged does no harm. */
static uint64_t check_of(const struct listings_query *query, enum listings_sort sort, int64_t key,
                         struct str id)
{
    const struct str status = query->status.ptr == NULL ? STR("published") : query->status;
    const struct str texts[] = {query->city,    query->state, query->kind,
                                query->purpose, status,       query->title};
    const int64_t numbers[] = {query->min_price_cents,
                               query->max_price_cents,
                               query->min_area_m2,
                               query->max_area_m2,
                               query->min_bedrooms,
                               (int64_t)sort,
                               key};
    uint64_t hash = str_hash(id);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        hash = hash_more(hash, texts[i]);
    }
    return hash_more(hash, (struct str){(const char *)numbers, sizeof(numbers)});
}

const char *listings_query_finish(const struct listings_query *query)
{
    if (!query->has_cursor) {
        return NULL;
    }
    const uint64_t check = check_of(query, query->cursor_sort, query->cursor_key, query->cursor_id);
    return query->cursor_sort == query->sort && query->cursor_check == check ? NULL : broken_cursor;
}

bool listings_query_cursor(struct arena *arena, const struct listings_query *query,
                           const struct listing *last, struct str *ret_cursor)
{
    char text[LISTINGS_CURSOR_LEN];
    const struct listings_sort_info *info = &sorts[query->sort];
    const int64_t key =
        info->is_time ? (int64_t)last->created_us : last->fields[info->field].number;
    struct listings_cursor cursor = {
        .sort = (uint8_t)query->sort,
        .key = (uint64_t)key,
        .check = check_of(query, query->sort, key, last->id),
    };
    if (!uuid_parse(last->id, cursor.id)) {
        return false;
    }
    listings_cursor_encode(&cursor, text);
    return arena_copy(arena, (struct str){text, sizeof(text)}, ret_cursor);
}
