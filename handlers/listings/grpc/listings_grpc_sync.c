/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_sync.c - SyncListings: takes the versions that a client has, and sends the listings
 * that differ.
 *
 * Flow:    pairs of id and version -> while a lookup runs, they gather -> lookup of their versions
 *          -> of those that differ -> responses -> the next pairs
 * Failure: at most one lookup and one more of its size are in flight; then no pair is asked for,
 *          and while the client does not read, none is looked up.
 */
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_grpc_answer.h"
#include "handlers/listings/grpc/listings_message.h"
#include "handlers/listings/store/listings_many.h"

#define LOOKUP_MAX_BYTES (8u << 20)

/* What a client has. */
struct pair {
    struct str id; /* any text: what is none finds nothing, and is told so by what it sent */
    uint64_t version;
};

struct sync {
    struct grpc_call *call;
    struct listings *listings;
    bool is_last;      /* the client has sent all */
    bool is_receiving; /* a pair was asked for */
    bool is_looking_up;
    bool is_clogged; /* the client does not read */
    struct pair waiting[LISTINGS_LOOKUP_MAX];
    size_t waiting_count;
    struct arena waiting_arena;             /* of their ids */
    struct pair pairs[LISTINGS_LOOKUP_MAX]; /* that are looked up */
    size_t pair_count;
    struct arena arena; /* of their ids, and of the lookups */
    struct listings_lookup versions;
    struct listings_lookup bodies;
    struct str ids[LISTINGS_LOOKUP_MAX];
    size_t told_count; /* of the pairs: what was to be said of them was sent */
};

/* proceed does what can be done next; the call may be gone afterwards. */
static void proceed(struct sync *sync);

static void end(struct sync *sync, int status)
{
    struct grpc_call *call = sync->call;
    arena_deinit(&sync->arena);
    arena_deinit(&sync->waiting_arena);
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else {
        grpc_end(call, (struct grpc_status){0});
    }
}

/* stop ends the call, whatever is looked up. */
static void stop(struct sync *sync, int status)
{
    listings_lookup_cancel(&sync->versions);
    listings_lookup_cancel(&sync->bodies);
    end(sync, status);
}

static void on_cancel(struct grpc_call *call, int status)
{
    stop(grpc_user(call), status);
}

/* --- answers --- */

/* send_one says what there is of an id now; NULL: nothing. */
static void send_one(struct sync *sync, const struct pair *pair, const struct listing *listing)
{
    Toq__V1__SyncListingsResponse response = TOQ__V1__SYNC_LISTINGS_RESPONSE__INIT;
    struct listings_message message;
    GRPC_SET(&response, id, GRPC_BYTES(pair->id));
    if (listing != NULL) {
        listings_message_write(listing, &message);
        response.listing = &message.message;
    }
    sync->is_clogged = !grpc_send(sync->call, &response.base);
}

/* tell_difference says what differs, as far as the client reads; what is still the same is not in
 * the lookup. */
static void tell_difference(struct sync *sync)
{
    while (sync->told_count < sync->pair_count && !sync->is_clogged) {
        const struct pair *pair = &sync->pairs[sync->told_count++];
        const struct listing *same = listings_lookup_find(&sync->versions, pair->id);
        if (same == NULL || same->version != pair->version) {
            send_one(sync, pair, listings_lookup_find(&sync->bodies, pair->id));
        }
    }
}

static void on_writable(struct grpc_call *call)
{
    struct sync *sync = grpc_user(call);
    sync->is_clogged = false;
    tell_difference(sync);
    proceed(sync);
}

/* --- lookups --- */

static void on_looked_up(struct sync *sync, int status)
{
    sync->is_looking_up = false;
    if (status < 0) {
        end(sync, status);
        return;
    }
    sync->told_count = 0;
    tell_difference(sync);
    proceed(sync);
}

static void on_bodies(struct listings_lookup *lookup, int status)
{
    on_looked_up(CONTAINER_OF(lookup, struct sync, bodies), status);
}

static void on_versions(struct listings_lookup *lookup, int status)
{
    struct sync *sync = CONTAINER_OF(lookup, struct sync, versions);
    size_t count = 0;
    for (size_t i = 0; status == 0 && i < sync->pair_count; i++) {
        const struct pair *pair = &sync->pairs[i];
        const struct listing *found = listings_lookup_find(lookup, pair->id);
        if (found != NULL && found->version != pair->version) {
            sync->ids[count++] = pair->id;
        }
    }
    if (count > 0) {
        status = listings_lookup_start(sync->listings->cache.options.sql, &sync->bodies, sync->ids,
                                       count);
    }
    if (status < 0 || count == 0) {
        on_looked_up(sync, status);
    }
}

/* take_waiting makes those that have gathered the ones that are looked up. */
static void take_waiting(struct sync *sync)
{
    const struct arena used = sync->arena;
    memcpy(sync->pairs, sync->waiting, sync->waiting_count * sizeof(sync->pairs[0]));
    sync->pair_count = sync->waiting_count;
    sync->waiting_count = 0;
    sync->arena = sync->waiting_arena;
    sync->waiting_arena = used;
    arena_reset(&sync->waiting_arena);
}

/* look_up_gathered takes what has gathered; false when the call has ended. */
static bool look_up_gathered(struct sync *sync)
{
    struct task *task = &grpc_request(sync->call)->task;
    size_t count = 0;
    take_waiting(sync);
    for (size_t i = 0; i < sync->pair_count; i++) {
        if (listings_id_is_valid(sync->pairs[i].id)) {
            sync->ids[count++] = sync->pairs[i].id;
        }
    }
    if (count == 0) {
        sync->ids[count++] = STR(""); /* which finds nothing */
    }
    sync->versions =
        (struct listings_lookup){.arena = &sync->arena, .task = task, .on_done = on_versions};
    sync->bodies =
        (struct listings_lookup){.arena = &sync->arena, .task = task, .on_done = on_bodies};
    const int status = listings_lookup_versions(sync->listings->cache.options.sql, &sync->versions,
                                                sync->ids, count);
    sync->is_looking_up = status == 0;
    if (status < 0) {
        end(sync, status);
    }
    return status == 0;
}

/* --- pairs --- */

/* take lets a pair gather with others; false when memory is missing. */
static bool take(struct sync *sync, const Toq__V1__SyncListingsRequest *request)
{
    struct pair *pair = &sync->waiting[sync->waiting_count++];
    const struct str id = {(const char *)request->id.data, request->id.len};
    pair->version = request->version;
    return arena_copy(&sync->waiting_arena, id, &pair->id);
}

static void on_pair(struct grpc_call *call, const struct ProtobufCMessage *message)
{
    struct sync *sync = grpc_user(call);
    sync->is_receiving = false;
    sync->is_last = message == NULL;
    if (message != NULL && !take(sync, (const Toq__V1__SyncListingsRequest *)message)) {
        stop(sync, UV_ENOMEM);
    } else {
        proceed(sync);
    }
}

static void proceed(struct sync *sync)
{
    const bool is_free = !sync->is_looking_up && !sync->is_clogged;
    if (is_free && sync->waiting_count > 0 && !look_up_gathered(sync)) {
        return;
    }
    if (is_free && !sync->is_looking_up && sync->is_last) {
        end(sync, 0);
        return;
    }
    if (!sync->is_last && !sync->is_receiving && sync->waiting_count < LISTINGS_LOOKUP_MAX) {
        sync->is_receiving = true;
        grpc_receive(sync->call, on_pair);
    }
}

void listings_grpc_sync(struct grpc_call *call, const struct ProtobufCMessage *request,
                        void *listings)
{
    struct sync *sync = grpc_alloc(call, sizeof(*sync));
    (void)request;
    if (sync == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return;
    }
    *sync = (struct sync){.call = call, .listings = listings};
    arena_init(&sync->arena, LOOKUP_MAX_BYTES);
    arena_init(&sync->waiting_arena, LOOKUP_MAX_BYTES);
    grpc_set_user(call, sync);
    grpc_on_cancel(call, on_cancel);
    grpc_on_writable(call, on_writable);
    proceed(sync);
}
