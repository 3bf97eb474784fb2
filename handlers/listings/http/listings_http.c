/* SPDX-License-Identifier: MIT
 *
 * listings_http.c - reading listings: one, or a page.
 */
#include "handlers/listings/http/listings_http.h"

#include "handlers/kit/etag.h"
#include "handlers/listings/http/listings_respond.h"

/* One GET, in the request's arena. */
struct reading {
    struct http_request *req;
    struct listings_read read;
    struct listings_query query;
    struct etag_conditions conditions; /* of one */
};

static void on_cancel(struct http_request *req, int status)
{
    struct reading *reading = req->user;
    listings_cache_cancel(&reading->read);
    listings_respond_status(req, status);
}

static struct reading *create(struct http_request *req,
                              void (*on_done)(struct listings_read *read, int status))
{
    struct reading *reading = arena_alloc(&req->arena, sizeof(*reading));
    if (reading == NULL) {
        listings_respond_status(req, UV_ENOMEM);
        return NULL;
    }
    *reading = (struct reading){
        .req = req,
        .read = {.arena = &req->arena, .task = &req->task, .on_done = on_done},
    };
    req->user = reading;
    return reading;
}

static void begun(struct http_request *req, int status)
{
    if (status < 0) {
        listings_respond_status(req, status);
    } else {
        http_on_cancel(req, on_cancel);
    }
}

/* --- one --- */

static void respond_one(struct http_request *req, const struct listings_read *read)
{
    const struct reading *reading = req->user;
    struct listings_answer answer = {
        .status = 200, .json = read->json, .version = read->version, .location = {NULL, 0}};
    switch (etag_conditions_judge(&reading->conditions, read->version, true)) {
    case ETAG_FAILED:
        listings_respond_status(req, UV_EAGAIN);
        return;
    case ETAG_NOT_MODIFIED:
        answer.status = 304;
        answer.json = (struct str){NULL, 0};
        break;
    case ETAG_GO_ON:
        break;
    }
    listings_respond(req, &answer);
}

static void on_one(struct listings_read *read, int status)
{
    struct http_request *req = CONTAINER_OF(read, struct reading, read)->req;
    if (status < 0) {
        listings_respond_status(req, status);
    } else {
        respond_one(req, read);
    }
}

void listings_handle_get(struct http_request *req, void *arg)
{
    struct listings *listings = arg;
    if (!listings_has_id(req)) {
        return;
    }
    struct reading *reading = create(req, on_one);
    if (reading != NULL && listings_has_conditions(req, &reading->conditions)) {
        begun(req, listings_cache_get(&listings->cache, &reading->read, req->params[0]));
    }
}

/* --- a page --- */

static void on_page(struct listings_read *read, int status)
{
    static const struct http_header no_cache = {STR("Cache-Control"), STR("no-cache")};
    struct http_request *req = CONTAINER_OF(read, struct reading, read)->req;
    const struct http_response response = {
        .status = 200,
        .content_type = "application/json",
        .body = read->json,
        .headers = &no_cache,
        .header_count = 1,
    };
    if (status < 0) {
        listings_respond_status(req, status);
    } else {
        http_respond(req, &response);
    }
}

/* take_parameter reads one "name=value" of the query string.
 *
 * Returns: NULL; what is wrong with it, a literal. *ret_name is its name, as far as it was read.
 */
static const char *take_parameter(struct http_request *req, struct listings_query *query,
                                  struct str field, struct str *ret_name)
{
    struct str name;
    struct str value = field;
    if (!str_next_field(&value, '=', &name)) {
        return "is empty";
    }
    value = value.ptr == NULL ? STR("") : value;
    *ret_name = name;
    if (http_decode(&req->arena, name, true, &name) < 0 ||
        http_decode(&req->arena, value, true, &value) < 0) {
        return "has a broken escape";
    }
    *ret_name = name;
    return listings_query_set(&req->arena, query, name, value);
}

static void add(struct listing_errors *errors, struct str field, const char *message)
{
    if (message != NULL && errors->count < LISTING_ERRORS_MAX) {
        errors->list[errors->count++] = (struct field_error){field, message};
    }
}

/* read_query reads the query string, and ends the request with 400 when it is not understood. */
static bool read_query(struct http_request *req, struct listings_query *query)
{
    struct listing_errors errors = {.count = 0};
    struct str rest = req->query;
    struct str field;
    listings_query_init(query);
    while (rest.len > 0 && str_next_field(&rest, '&', &field)) {
        struct str name = field;
        if (field.len > 0) {
            const char *message = take_parameter(req, query, field, &name);
            add(&errors, name, message);
        }
    }
    if (errors.count == 0) {
        add(&errors, STR("cursor"), listings_query_finish(query));
    }
    if (errors.count == 0) {
        return true;
    }
    const struct problem problem = {
        .status = 400,
        .detail = "the query is not understood",
        .errors = errors.list,
        .error_count = errors.count,
    };
    problem_respond(req, &problem);
    return false;
}

void listings_handle_list(struct http_request *req, void *arg)
{
    struct listings *listings = arg;
    struct reading *reading = create(req, on_page);
    if (reading != NULL && read_query(req, &reading->query)) {
        begun(req, listings_cache_list(&listings->cache, &reading->read, &reading->query));
    }
}
