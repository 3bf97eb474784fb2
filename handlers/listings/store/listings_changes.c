/* SPDX-License-Identifier: MIT
 *
 * listings_changes.c - rows of the log, then the listings that they tell of.
 */
#include "handlers/listings/store/listings_changes.h"

#define TEXT                                                                                       \
    "SELECT position,kind,id,version," LISTINGS_CITY_KEY("city") "," LISTINGS_CITY_KEY(            \
        "old_city") ",state,old_state FROM listing_changes WHERE position>? ORDER BY position "    \
                    "LIMIT ?"

static struct str bytes_of(const struct sql_value *value)
{
    return value->type == SQL_TEXT || value->type == SQL_BLOB ? value->str : STR("");
}

static uint64_t number_of(const struct sql_value *value)
{
    return value->type == SQL_U64 || value->type == SQL_I64 ? value->u64 : 0;
}

static void read_row(const struct sql_row *row, struct listings_event *event)
{
    const struct sql_value *value = row->values;
    const struct str kind = bytes_of(&value[1]);
    *event = (struct listings_event){
        .position = number_of(&value[0]),
        .kind = LISTINGS_EVENT_UPDATED,
        .id = bytes_of(&value[2]),
        .version = number_of(&value[3]),
        .city = {bytes_of(&value[4]), bytes_of(&value[5])},
        .state = {bytes_of(&value[6]), bytes_of(&value[7])},
    };
    if (str_equal(kind, STR("created"))) {
        event->kind = LISTINGS_EVENT_CREATED;
    } else if (str_equal(kind, STR("deleted"))) {
        event->kind = LISTINGS_EVENT_DELETED;
    }
}

/* read_rows takes those that are wanted, as many as fit. */
static int read_rows(struct listings_changes_read *read)
{
    const struct sql_result *result = &read->query.result;
    read->last = read->after;
    read->has_more = result->row_count == LISTINGS_ROWS_MAX + read->known_rows;
    read->list = arena_alloc(read->arena, LISTINGS_EVENTS_MAX * sizeof(*read->list));
    if (read->list == NULL) {
        return UV_ENOMEM;
    }
    for (const struct sql_row *row = result->rows; row != NULL; row = row->next) {
        struct listings_event event;
        read_row(row, &event);
        if (read->is_wanted(read, &event)) {
            if (read->count == LISTINGS_EVENTS_MAX) {
                read->has_more = true;
                return 0;
            }
            read->list[read->count++] = event;
        }
        read->last = event.position;
    }
    return 0;
}

static void on_looked_up(struct listings_lookup *lookup, int status)
{
    struct listings_changes_read *read = lookup->arg;
    for (size_t i = 0; status == 0 && i < read->count; i++) {
        read->list[i].listing = listings_lookup_find(lookup, read->list[i].id);
    }
    read->on_done(read, status);
}

static void on_rows(struct sql_query *query)
{
    struct listings_changes_read *read = query->arg;
    int status = query->result.status;
    status = status < 0 ? status : read_rows(read);
    if (status == 0 && read->wants_listings && read->count > 0) {
        for (size_t i = 0; i < read->count; i++) {
            read->ids[i] = read->list[i].id;
        }
        read->lookup = (struct listings_lookup){
            .arena = read->arena, .task = read->task, .on_done = on_looked_up, .arg = read};
        status = listings_lookup_start(read->sql, &read->lookup, read->ids, read->count);
        if (status == 0) {
            return;
        }
    }
    read->on_done(read, status);
}

int listings_changes_start(struct listings_changes_read *read)
{
    read->count = 0;
    read->params[0] = sql_u64(read->after);
    read->params[1] = sql_u64(LISTINGS_ROWS_MAX + read->known_rows);
    read->query = (struct sql_query){
        .name = "changes.read",
        .text = STR(TEXT),
        .params = read->params,
        .param_count = ARRAY_COUNT(read->params),
        .arena = read->arena,
        .is_read = true,
        .task = read->task,
        .on_done = on_rows,
        .arg = read,
    };
    return sql_query_start(read->sql, &read->query);
}

void listings_changes_cancel(struct listings_changes_read *read)
{
    sql_query_cancel(&read->query);
    listings_lookup_cancel(&read->lookup);
}
