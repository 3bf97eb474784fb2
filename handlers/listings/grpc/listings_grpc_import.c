/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_import.c - ImportListings: rows into batches, batches into MySQL.
 *
 * Flow:    row -> check -> batch -> full, or the client has sent all: one transaction -> news ->
 *          next row While a batch is stored no row is asked for, so that the client's window
 *          closes.
 * Failure: a row that is refused is counted and told; a batch that fails ends the call, with what
 *          is in by then in the trailer imported-count.
 */
#include "core/base/clock.h"
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_grpc_answer.h"
#include "handlers/listings/grpc/listings_message.h"
#include "handlers/listings/store/listings_many.h"

#define ERRORS_MAX      100
#define BATCH_MAX_BYTES (8u << 20) /* a hundred of the longest are 3 MB */

typedef Toq__V1__ImportListingsResponse__RowError row_error_message;
typedef Toq__V1__ImportListingsResponse__RowError__Field row_field_message;

enum phase { PHASE_RECEIVE, PHASE_STORE, PHASE_TELL };

struct row_error {
    uint64_t index;
    struct listing_errors errors;
};

struct import {
    struct grpc_call *call;
    struct listings *listings;
    enum phase phase;
    bool is_last;       /* the client has sent all */
    struct arena arena; /* of the batch: what a row's message holds goes with the next one */
    struct listing rows[LISTINGS_BATCH_MAX];
    struct listings_batch batch;
    struct listings_write news;
    size_t row_count;
    uint64_t received_count;
    uint64_t imported_count;
    uint64_t refused_count;
    struct row_error *errors[ERRORS_MAX];
    size_t error_count;
};

static void on_row(struct grpc_call *call, const struct ProtobufCMessage *message);

static void fail(struct import *import, int status)
{
    struct grpc_call *call = import->call;
    char digits[20];
    const struct str count = {digits, str_format_u64(digits, import->imported_count)};
    const int rc = grpc_add_trailer(call, STR("imported-count"), count);
    (void)rc; /* for want of memory it is left out */
    arena_deinit(&import->arena);
    listings_grpc_fail(call, status);
}

static void on_cancel(struct grpc_call *call, int status)
{
    struct import *import = grpc_user(call);
    struct listings_cache *cache = &import->listings->cache;
    if (import->phase == PHASE_STORE) {
        listings_batch_cancel(&import->batch);
        listings_cache_doubt(cache, import->rows[0].id, 1);
    } else if (import->phase == PHASE_TELL) {
        listings_cache_cancel_write(&import->news);
    }
    fail(import, status);
}

/* --- the summary --- */

/* fill_error makes a message of a row's errors; false when memory is missing. */
static bool fill_error(struct grpc_call *call, const struct row_error *error,
                       row_error_message *message)
{
    const size_t count = error->errors.count;
    row_field_message **fields = grpc_alloc_list(
        call, &toq__v1__import_listings_response__row_error__field__descriptor, count);
    if (fields == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct field_error *one = &error->errors.list[i];
        const struct str text = str_from(one->message);
        GRPC_SET(fields[i], field, GRPC_BYTES(one->field));
        GRPC_SET(fields[i], message, GRPC_BYTES(text));
    }
    GRPC_SET(message, index, error->index);
    message->fields = fields;
    message->n_fields = count;
    return true;
}

static row_error_message **make_errors(const struct import *import)
{
    struct grpc_call *call = import->call;
    row_error_message **errors = grpc_alloc_list(
        call, &toq__v1__import_listings_response__row_error__descriptor, import->error_count);
    for (size_t i = 0; errors != NULL && i < import->error_count; i++) {
        if (!fill_error(call, import->errors[i], errors[i])) {
            return NULL;
        }
    }
    return errors;
}

static void respond(struct import *import)
{
    Toq__V1__ImportListingsResponse response = TOQ__V1__IMPORT_LISTINGS_RESPONSE__INIT;
    response.errors = make_errors(import);
    if (response.errors == NULL) {
        fail(import, UV_ENOMEM);
        return;
    }
    response.n_errors = import->error_count;
    GRPC_SET(&response, received_count, import->received_count);
    GRPC_SET(&response, imported_count, import->imported_count);
    GRPC_SET(&response, refused_count, import->refused_count);
    arena_deinit(&import->arena);
    grpc_respond(import->call, &response.base);
}

/* --- batches --- */

static void next(struct import *import)
{
    import->phase = PHASE_RECEIVE;
    import->row_count = 0;
    arena_reset(&import->arena);
    if (import->is_last) {
        respond(import);
    } else {
        grpc_receive(import->call, on_row);
    }
}

static void on_told(struct listings_write *write, int status)
{
    (void)status; /* what Redis was not told it is older than its TTL at worst */
    next(CONTAINER_OF(write, struct import, news));
}

/* tell_import tells of the last one, which makes all pages old. */
static void tell_import(struct import *import)
{
    struct http_request *req = grpc_request(import->call);
    import->news = (struct listings_write){
        .op = {.arena = &import->arena,
               .task = &req->task,
               .listing = import->rows[import->row_count - 1]},
        .on_done = on_told,
    };
    import->phase = PHASE_TELL;
    if (listings_cache_tell(&import->listings->cache, &import->news) < 0) {
        next(import);
    }
}

static void on_stored(struct listings_batch *batch, int status)
{
    struct import *import = CONTAINER_OF(batch, struct import, batch);
    if (status < 0) {
        listings_cache_doubt(&import->listings->cache, import->rows[0].id, 1);
        fail(import, status);
        return;
    }
    import->imported_count += import->row_count;
    tell_import(import);
}

static int make_ids(struct import *import)
{
    for (size_t i = 0; i < import->row_count; i++) {
        char id[UUID_TEXT_LEN];
        const int status = uuid_make(&import->listings->ids, clock_wall_ns(), id);
        if (status < 0) {
            return status;
        }
        if (!arena_copy(&import->arena, (struct str){id, sizeof(id)}, &import->rows[i].id)) {
            return UV_ENOMEM;
        }
    }
    return 0;
}

static void store(struct import *import)
{
    struct http_request *req = grpc_request(import->call);
    import->batch = (struct listings_batch){
        .arena = &import->arena,
        .task = &req->task,
        .list = import->rows,
        .count = import->row_count,
        .on_done = on_stored,
    };
    int status = make_ids(import);
    if (status == 0) {
        status = listings_batch_start(import->listings->cache.options.sql, &import->batch);
    }
    if (status < 0) {
        fail(import, status);
    } else {
        import->phase = PHASE_STORE;
    }
}

/* --- rows --- */

/* keep_error remembers what is wrong with a row, if it is one of the first; false when memory is
 * missing. */
static bool keep_error(struct import *import, uint64_t index, const struct listing_errors *errors)
{
    import->refused_count++;
    if (import->error_count == ERRORS_MAX) {
        return true;
    }
    struct row_error *error = grpc_alloc(import->call, sizeof(*error));
    if (error == NULL) {
        return false;
    }
    *error = (struct row_error){index, *errors};
    import->errors[import->error_count++] = error;
    return true;
}

static bool copy_texts(struct arena *arena, struct listing *listing)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        if (!arena_copy(arena, listing->fields[f].text, &listing->fields[f].text)) {
            return false;
        }
    }
    return true;
}

/* take adds a row to the batch, or its errors to the summary; false when memory is missing. */
static bool take(struct import *import, const listing_message *message)
{
    struct listing_errors errors;
    struct listing *row = &import->rows[import->row_count];
    const uint64_t index = import->received_count++;
    *row = (struct listing){.version = 0};
    if (!listings_message_read(message, row, &errors)) {
        return keep_error(import, index, &errors);
    }
    import->row_count++;
    return copy_texts(&import->arena, row);
}

static void on_row(struct grpc_call *call, const struct ProtobufCMessage *message)
{
    struct import *import = grpc_user(call);
    const Toq__V1__ImportListingsRequest *request = (const Toq__V1__ImportListingsRequest *)message;
    import->is_last = message == NULL;
    if (message != NULL && !take(import, request->listing)) {
        fail(import, UV_ENOMEM);
    } else if (import->row_count == LISTINGS_BATCH_MAX ||
               (import->is_last && import->row_count > 0)) {
        store(import);
    } else if (import->is_last) {
        respond(import);
    } else {
        grpc_receive(call, on_row);
    }
}

void listings_grpc_import(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings)
{
    struct import *import = grpc_alloc(call, sizeof(*import));
    (void)request;
    if (import == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return;
    }
    *import = (struct import){.call = call, .listings = listings};
    arena_init(&import->arena, BATCH_MAX_BYTES);
    grpc_set_user(call, import);
    grpc_on_cancel(call, on_cancel);
    grpc_receive(call, on_row);
}
