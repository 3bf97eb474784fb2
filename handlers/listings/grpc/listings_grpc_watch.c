/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_watch.c - WatchListings: changes, first those that a client has missed, then as
 * they happen.
 *
 * Flow:    [the city's key, what the log has] -> join the feed -> [read the log up to its end] ->
 *          POSITION -> the feed's events ...
 * Turns:   one call of a watch sends PUMP_EVENTS at most and goes on in a later turn, so that many
 *          watches that are told together hold nobody up.
 * Failure: a client that reads too slowly for the feed is ended, and so is each watch at a drain;
 *          the trailer resume-position says where to go on.
 * Memory:  one read of the log for each of LISTINGS_SLOTS_MAX calls; while its client does not
 *          read, a call may have to drop what it has read, and reads it again. The feed's events
 *          are shared.
 */
#include "core/sql/sql_ask.h"
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_grpc_answer.h"
#include "handlers/listings/grpc/listings_message.h"

#define READ_MAX_BYTES (8u << 20)
#define POSITION_KEY   "resume-position"
#define PUMP_EVENTS    16

/* The key of a city, as listings_changes.c reads it, and the bounds of the log. */
#define TEXT_BOUNDS                                                                                \
    "SELECT " LISTINGS_CITY_KEY(                                                                   \
        "CONVERT(? USING utf8mb4) COLLATE utf8mb4_unicode_520_ci") ","                             \
                                                                   "(SELECT MIN(position) FROM "   \
                                                                   "listing_changes),(SELECT "     \
                                                                   "MAX(position) FROM "           \
                                                                   "listing_changes)"

typedef Toq__V1__WatchListingsResponse watch_message;

struct watch {
    struct grpc_call *call;
    struct task_ref ref;
    struct listings *listings;
    struct sql_value city; /* that is wanted; SQL_NULL: any */
    struct str city_key;
    struct str state; /* len 0: any */
    struct listings_follower follower;
    bool is_behind;  /* it reads the log itself */
    bool is_reading; /* or waits for a slot to do so */
    bool is_clogged;
    bool has_left;             /* what was asked comes too late */
    struct loop_deferred more; /* goes on to send */
    uint64_t position;         /* up to which the client has all */
    uint64_t settled;          /* when the read began: nothing more can appear up to here */
    struct listings_slot slot; /* for what was read */
    struct listings_changes_read read;
    struct arena arena; /* of it */
    size_t sent_count;  /* of what was read */
};

/* pump sends what there is as far as the client reads, up to PUMP_EVENTS now; the call may be gone
 * afterwards. */
static void pump(struct watch *watch);

static void free_read(struct watch *watch)
{
    arena_deinit(&watch->arena);
    listings_slots_give(&watch->listings->slots, &watch->slot);
}

/* --- the end --- */

/* leave stops all that runs for a watch, and says where to go on from. */
static void leave(struct watch *watch)
{
    char digits[20];
    const struct str position = {digits, str_format_u64(digits, watch->position)};
    loop_undefer(&watch->more);
    watch->has_left = true;
    listings_feed_leave(&watch->follower);
    http_unwait(watch->ref);
    listings_changes_cancel(&watch->read);
    free_read(watch);
    if (watch->position > 0) {
        const int rc = grpc_add_trailer(watch->call, STR(POSITION_KEY), position);
        (void)rc; /* for want of memory it is left out: the responses say it, too */
    }
}

static void fail(struct watch *watch, int status)
{
    leave(watch);
    listings_grpc_fail(watch->call, status);
}

static void end(struct watch *watch, struct grpc_status status)
{
    leave(watch);
    grpc_end(watch->call, status);
}

static void on_cancel(struct grpc_call *call, int status)
{
    fail(grpc_user(call), status);
}

static void on_drain(struct grpc_call *call)
{
    fail(grpc_user(call), UV_ECANCELED);
}

/* --- events --- */

static bool is_wanted(const struct watch *watch, const struct listings_event *event)
{
    const bool is_city = watch->city.type == SQL_NULL ||
                         str_equal(event->city[0], watch->city_key) ||
                         str_equal(event->city[1], watch->city_key);
    return is_city && (watch->state.len == 0 || str_equal(event->state[0], watch->state) ||
                       str_equal(event->state[1], watch->state));
}

static void send_response(struct watch *watch, watch_message *response, uint64_t position)
{
    GRPC_SET(response, position, position);
    watch->position = position;
    watch->is_clogged = !grpc_send(watch->call, &response->base);
}

static void send_event(struct watch *watch, const struct listings_event *event)
{
    static const Toq__V1__WatchListingsResponse__Kind kinds[] = {
        [LISTINGS_EVENT_CREATED] = TOQ__V1__WATCH_LISTINGS_RESPONSE__KIND__CREATED,
        [LISTINGS_EVENT_UPDATED] = TOQ__V1__WATCH_LISTINGS_RESPONSE__KIND__UPDATED,
        [LISTINGS_EVENT_DELETED] = TOQ__V1__WATCH_LISTINGS_RESPONSE__KIND__DELETED,
    };
    watch_message response = TOQ__V1__WATCH_LISTINGS_RESPONSE__INIT;
    struct listings_message message;
    GRPC_SET(&response, kind, kinds[event->kind]);
    GRPC_SET(&response, id, GRPC_BYTES(event->id));
    GRPC_SET(&response, version, event->version);
    if (event->listing != NULL && event->kind != LISTINGS_EVENT_DELETED) {
        listings_message_write(event->listing, &message);
        response.listing = &message.message;
    }
    send_response(watch, &response, event->resume);
}

static void send_position(struct watch *watch, uint64_t position)
{
    watch_message response = TOQ__V1__WATCH_LISTINGS_RESPONSE__INIT;
    GRPC_SET(&response, kind, TOQ__V1__WATCH_LISTINGS_RESPONSE__KIND__POSITION);
    send_response(watch, &response, position);
}

static void go_on_later(struct watch *watch)
{
    loop_defer(watch->listings->feed.loop, &watch->more);
}

/* --- what was missed --- */

static bool is_missed(const struct listings_changes_read *read, const struct listings_event *event)
{
    return is_wanted(read->arg, event);
}

static void on_read(struct listings_changes_read *read, int status)
{
    struct watch *watch = read->arg;
    watch->is_reading = false;
    if (status < 0) {
        fail(watch, status);
        return;
    }
    for (size_t i = 0; i < read->count; i++) {
        const uint64_t position = read->list[i].position;
        read->list[i].resume = position < watch->settled ? position : watch->settled;
    }
    pump(watch);
}

/* read_log reads the log behind what was read. What the feed hears of from now on comes afterwards;
 * and what it has heard of before, where that may be a change behind which was read already. */
static void read_log(struct watch *watch)
{
    const uint64_t after = watch->read.last;
    if (after <= watch->settled) {
        listings_feed_skip(&watch->follower);
        watch->settled = listings_feed_position(&watch->listings->feed);
    }
    watch->sent_count = 0;
    watch->read = (struct listings_changes_read){
        .sql = watch->listings->feed.sql,
        .arena = &watch->arena,
        .task = &grpc_request(watch->call)->task,
        .after = after,
        .wants_listings = true,
        .is_wanted = is_missed,
        .on_done = on_read,
        .arg = watch,
    };
    const int status = listings_changes_start(&watch->read);
    watch->is_reading = status == 0;
    if (status < 0) {
        fail(watch, status);
    }
}

static void on_granted(struct listings_slot *slot)
{
    struct watch *watch = CONTAINER_OF(slot, struct watch, slot);
    struct task *previous = task_enter(&grpc_request(watch->call)->task);
    read_log(watch);
    task_leave(previous);
}

/* on_dropped forgets what was read and not sent. */
static void on_dropped(struct listings_slot *slot)
{
    struct watch *watch = CONTAINER_OF(slot, struct watch, slot);
    struct listings_changes_read *read = &watch->read;
    read->last = watch->sent_count == 0 ? read->after : read->list[watch->sent_count - 1].position;
    read->has_more = true;
    read->count = 0;
    watch->sent_count = 0;
    arena_deinit(&watch->arena);
}

static void read_on(struct watch *watch)
{
    watch->is_reading = true;
    if (listings_slots_take(&watch->listings->slots, &watch->slot)) {
        read_log(watch);
    }
}

/* stand_by waits until the client reads. */
static void stand_by(struct watch *watch)
{
    if (watch->sent_count < watch->read.count) {
        listings_slots_park(&watch->listings->slots, &watch->slot);
    } else {
        free_read(watch);
    }
}

/* pump_read sends what was read, and reads on; the call may be gone afterwards.
 *
 * Returns: whether that was all, and the feed's turn has come. */
static bool pump_read(struct watch *watch)
{
    const struct listings_changes_read *read = &watch->read;
    for (size_t n = 0; n < PUMP_EVENTS && watch->sent_count < read->count && !watch->is_clogged;
         n++) {
        send_event(watch, &read->list[watch->sent_count++]);
    }
    if (watch->is_clogged) {
        stand_by(watch);
        return false;
    }
    if (watch->sent_count < read->count) {
        go_on_later(watch);
        return false;
    }
    free_read(watch); /* others may wait for the slot */
    if (read->has_more) {
        read_on(watch);
        return false;
    }
    watch->is_behind = false;
    send_position(watch, watch->settled);
    return true;
}

/* --- as they happen --- */

/* take sends what the feed has; false when that is all for now, or the call has ended. */
static bool take(struct watch *watch)
{
    const struct listings_event *event;
    switch (listings_feed_take(&watch->follower, &event)) {
    case LISTINGS_TAKEN_EVENT:
        watch->position = event->resume;
        if (is_wanted(watch, event)) {
            send_event(watch, event);
        }
        return !watch->is_clogged;
    case LISTINGS_TAKEN_LOST:
        end(watch, GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED,
                               "too far behind: watch again from resume-position"));
        return false;
    default:
        return false;
    }
}

static void pump(struct watch *watch)
{
    if (watch->is_reading || (watch->is_behind && !pump_read(watch)) || watch->is_clogged) {
        return;
    }
    size_t taken = 0;
    while (taken < PUMP_EVENTS && take(watch)) {
        taken++;
    }
    if (taken == PUMP_EVENTS) {
        go_on_later(watch);
    }
}

static void run_more(struct loop_deferred *deferred)
{
    struct watch *watch = CONTAINER_OF(deferred, struct watch, more);
    struct task *previous = task_enter(&grpc_request(watch->call)->task);
    if (!watch->is_clogged) {
        pump(watch);
    }
    task_leave(previous);
}

static void on_writable(struct grpc_call *call)
{
    struct watch *watch = grpc_user(call);
    watch->is_clogged = false;
    listings_slots_unpark(&watch->slot);
    pump(watch);
}

static void on_events(struct listings_follower *follower)
{
    struct watch *watch = CONTAINER_OF(follower, struct watch, follower);
    struct task *previous = task_enter(&grpc_request(watch->call)->task);
    if (!watch->is_clogged) {
        pump(watch);
    }
    task_leave(previous);
}

/* --- the beginning --- */

static void on_ready(struct listings_follower *follower, int status)
{
    struct watch *watch = CONTAINER_OF(follower, struct watch, follower);
    struct task *previous = task_enter(&grpc_request(watch->call)->task);
    if (status < 0) {
        fail(watch, status);
    } else if (watch->is_behind) {
        read_on(watch);
    } else {
        send_position(watch, listings_feed_position(&watch->listings->feed));
    }
    task_leave(previous);
}

static void join(struct watch *watch)
{
    watch->follower = (struct listings_follower){.on_ready = on_ready, .on_events = on_events};
    listings_feed_join(&watch->listings->feed, &watch->follower);
}

static uint64_t bound_of(const struct sql_value *value)
{
    return value->type == SQL_NULL ? 0 : value->u64;
}

/* on_asked goes on if the log still has what comes behind the position; 0 is the oldest that there
 * is. */
static void on_asked(void *arg, const struct sql_result *result)
{
    struct watch *watch = arg;
    if (watch->has_left) {
        return;
    }
    if (result->status < 0) {
        fail(watch, result->status);
        return;
    }
    const struct sql_value *values = result->rows->values;
    const uint64_t oldest = bound_of(&values[1]);
    const uint64_t newest = bound_of(&values[2]);
    if (values[0].type != SQL_NULL &&
        !arena_copy(&grpc_request(watch->call)->arena, values[0].str, &watch->city_key)) {
        fail(watch, UV_ENOMEM);
    } else if (watch->is_behind && watch->position > newest) {
        end(watch, GRPC_STATUS(GRPC_OUT_OF_RANGE, "the position is not of this server's log"));
    } else if (watch->position > 0 && watch->position + 1 < oldest) {
        end(watch, GRPC_STATUS(GRPC_OUT_OF_RANGE,
                               "the position is too old: read the listings again, then watch"));
    } else {
        join(watch);
    }
}

/* read_filters checks the filters; false with errors filled. */
static bool read_filters(struct watch *watch, const Toq__V1__WatchListingsRequest *request,
                         struct listing_errors *errors)
{
    const struct listing_value city = {
        .text = {(const char *)request->city.data, request->city.len}};
    const struct listing_value state = {
        .text = {(const char *)request->state.data, request->state.len}};
    const char *wrong[] = {
        city.text.len == 0 ? NULL : listing_check(LISTING_CITY, &city),
        state.text.len == 0 ? NULL : listing_check(LISTING_STATE, &state),
    };
    *errors = (struct listing_errors){.count = 0};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        if (wrong[i] != NULL) {
            errors->list[errors->count++] =
                (struct field_error){i == 0 ? STR("city") : STR("state"), wrong[i]};
        }
    }
    watch->city = city.text.len == 0 ? sql_null() : sql_text(city.text);
    watch->state = state.text;
    return errors->count == 0;
}

void listings_grpc_watch(struct grpc_call *call, const struct ProtobufCMessage *message,
                         void *listings)
{
    const Toq__V1__WatchListingsRequest *request = (const Toq__V1__WatchListingsRequest *)message;
    struct watch *watch = grpc_alloc(call, sizeof(*watch));
    struct listing_errors errors;
    if (watch == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return;
    }
    *watch = (struct watch){
        .call = call,
        .listings = listings,
        .is_behind = request->has_position,
        .position = request->position,
        .settled = request->position,
        .more = {.run = run_more},
        .slot = {.on_granted = on_granted, .on_dropped = on_dropped},
        .read = {.last = request->position},
    };
    list_init(&watch->more.link);
    if (!read_filters(watch, request, &errors)) {
        listings_grpc_refuse(call, "the request is not understood", &errors);
        return;
    }
    arena_init(&watch->arena, READ_MAX_BYTES);
    grpc_set_user(call, watch);
    grpc_on_cancel(call, on_cancel);
    grpc_on_drain(call, on_drain);
    grpc_on_writable(call, on_writable);
    watch->ref = grpc_wait(call, "watch"); /* until it leaves: the feed wakes it */
    sql_ask(watch->listings->feed.sql, watch->ref,
            &SQL_READ("changes.bounds", TEXT_BOUNDS, watch->city), on_asked, watch);
}
