/* SPDX-License-Identifier: MIT
 *
 * listings_message.c - the fields by one table, as listing.c has them by name.
 */
#include "handlers/listings/grpc/listings_message.h"

#include <stdio.h>

#include "core/base/utf8.h"
#include "core/grpc/grpc.h"

#define US_PER_S         UINT64_C(1000000)
#define SHOWN_PATH_BYTES 64 /* of a mask, in an error */

/* Where a field lies in the message: its flag, and its value. */
struct place {
    size_t has;
    size_t value; /* ProtobufCBinaryData; int64_t of a number */
};

#define PLACE(name)                                                                                \
    {                                                                                              \
        offsetof(listing_message, has_##name), offsetof(listing_message, name)                     \
    }

static const struct place places[LISTING_FIELD_COUNT] = {
    [LISTING_TITLE] = PLACE(title),
    [LISTING_DESCRIPTION] = PLACE(description),
    [LISTING_KIND] = PLACE(kind),
    [LISTING_PURPOSE] = PLACE(purpose),
    [LISTING_PRICE_CENTS] = PLACE(price_cents),
    [LISTING_CURRENCY] = PLACE(currency),
    [LISTING_STREET] = PLACE(street),
    [LISTING_NEIGHBORHOOD] = PLACE(neighborhood),
    [LISTING_CITY] = PLACE(city),
    [LISTING_STATE] = PLACE(state),
    [LISTING_POSTAL_CODE] = PLACE(postal_code),
    [LISTING_BEDROOMS] = PLACE(bedrooms),
    [LISTING_BATHROOMS] = PLACE(bathrooms),
    [LISTING_AREA_M2] = PLACE(area_m2),
    [LISTING_STATUS] = PLACE(status),
};

static bool is_number(int field)
{
    return listing_field_info((enum listing_field)field)->type == LISTING_NUMBER;
}

/* --- out --- */

static void write_time(uint64_t time_us, Google__Protobuf__Timestamp *message)
{
    google__protobuf__timestamp__init(message);
    message->seconds = (int64_t)(time_us / US_PER_S);
    message->nanos = (int32_t)(time_us % US_PER_S) * 1000;
}

void listings_message_write(const struct listing *listing, struct listings_message *ret_message)
{
    listing_message *message = &ret_message->message;
    toq__v1__listing__init(message);
    GRPC_SET(message, id, GRPC_BYTES(listing->id));
    GRPC_SET(message, version, listing->version);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        void *value = (char *)message + places[f].value;
        *(protobuf_c_boolean *)(void *)((char *)message + places[f].has) = true;
        if (is_number(f)) {
            *(int64_t *)value = listing->fields[f].number;
        } else {
            *(ProtobufCBinaryData *)value = GRPC_BYTES(listing->fields[f].text);
        }
    }
    write_time(listing->created_us, &ret_message->created_at);
    write_time(listing->updated_us, &ret_message->updated_at);
    message->created_at = &ret_message->created_at;
    message->updated_at = &ret_message->updated_at;
}

/* --- in --- */

static void add_error(struct listing_errors *errors, const char *field, const char *message)
{
    if (errors->count < LISTING_ERRORS_MAX) {
        errors->list[errors->count++] = (struct field_error){str_from(field), message};
    }
}

static bool has_field(const listing_message *message, int field)
{
    return *(const protobuf_c_boolean *)(const void *)((const char *)message + places[field].has);
}

static struct listing_value value_of(const listing_message *message, int field)
{
    const void *value = (const char *)message + places[field].value;
    if (is_number(field)) {
        return (struct listing_value){.text = STR(""), .number = *(const int64_t *)value};
    }
    return (struct listing_value){.text = GRPC_TEXT(*(const ProtobufCBinaryData *)value)};
}

/* read_field takes a field over; one that is absent has its fallback. */
static void read_field(const listing_message *message, int field, struct listing *listing,
                       struct listing_errors *errors)
{
    const struct listing_field_info *info = listing_field_info((enum listing_field)field);
    const char *wrong = NULL;
    if (has_field(message, field)) {
        listing->fields[field] = value_of(message, field);
        wrong = listing_check((enum listing_field)field, &listing->fields[field]);
    } else if (info->is_required) {
        wrong = "is required";
    } else {
        listing->fields[field] = (struct listing_value){.text = str_from(info->fallback)};
    }
    if (wrong != NULL) {
        add_error(errors, info->name, wrong);
    }
}

static void refuse_what_is_ours(const listing_message *message, struct listing_errors *errors)
{
    static const char wrong[] = "is not a field that can be set";
    if (message->has_id && message->id.len > 0) {
        add_error(errors, "id", wrong);
    }
    if (message->has_version && message->version != 0) {
        add_error(errors, "version", wrong);
    }
    if (message->created_at != NULL) {
        add_error(errors, "created_at", wrong);
    }
    if (message->updated_at != NULL) {
        add_error(errors, "updated_at", wrong);
    }
}

bool listings_message_read(const listing_message *message, struct listing *listing,
                           struct listing_errors *errors)
{
    const listing_message none = TOQ__V1__LISTING__INIT;
    *errors = (struct listing_errors){.count = 0};
    message = message == NULL ? &none : message;
    refuse_what_is_ours(message, errors);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        read_field(message, f, listing, errors);
    }
    return errors->count == 0;
}

/* --- a patch --- */

/* add_unknown names a path that is no field; whoever sent it chose it, so not a long one. */
static void add_unknown(const char *path, struct listing_errors *errors)
{
    size_t count;
    const bool is_shown =
        strlen(path) <= SHOWN_PATH_BYTES && utf8_count(str_from(path), &count) && count > 0;
    add_error(errors, is_shown ? path : "update_mask",
              is_shown ? "is not a field that can be set" : "names no field");
}

static unsigned read_mask(const Google__Protobuf__FieldMask *mask, struct listing_errors *errors)
{
    unsigned fields = 0;
    for (size_t i = 0; i < mask->n_paths; i++) {
        enum listing_field field;
        if (strcmp(mask->paths[i], "*") == 0) {
            fields = LISTINGS_PATCH_ALL;
        } else if (listing_find_field(str_from(mask->paths[i]), &field)) {
            fields |= 1U << field;
        } else {
            add_unknown(mask->paths[i], errors);
        }
    }
    return fields;
}

static unsigned present_fields(const listing_message *message)
{
    unsigned fields = 0;
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        fields |= has_field(message, f) ? 1U << f : 0;
    }
    return fields;
}

bool listings_message_patch(const listing_message *message, const Google__Protobuf__FieldMask *mask,
                            struct listings_patch *ret_patch, struct listing_errors *errors)
{
    const bool has_mask = mask != NULL && mask->n_paths > 0;
    *errors = (struct listing_errors){.count = 0};
    ret_patch->fields = has_mask ? read_mask(mask, errors) : present_fields(message);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        if ((ret_patch->fields & 1U << f) != 0) {
            read_field(message, f, &ret_patch->listing, errors);
        }
    }
    return errors->count == 0;
}

void listings_patch_apply(const struct listings_patch *patch, struct listing *listing)
{
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        if ((patch->fields & 1U << f) != 0) {
            listing->fields[f] = patch->listing.fields[f];
        }
    }
}

/* --- what a page is asked for by --- */

/* One parameter: how HTTP names it and how the message does. */
struct param {
    const char *name;
    const char *field;
    bool is_given;
    struct str text;
};

static struct param text_param(const char *name, ProtobufCBinaryData data)
{
    return (struct param){name, name, data.len > 0, GRPC_TEXT(data)};
}

#define DIGITS_BYTES 21 /* of INT64_MIN, and a NUL */

static struct param number_param(const char *name, bool is_given, int64_t number, char *digits)
{
    const int len = snprintf(digits, DIGITS_BYTES, "%lld", (long long)number);
    return (struct param){name, name, is_given, {digits, (size_t)len}};
}

bool listings_message_query(struct arena *arena, const Toq__V1__ListListingsRequest *message,
                            struct listings_query *ret_query, struct listing_errors *errors)
{
    char digits[6][DIGITS_BYTES];
    const Toq__V1__ListListingsRequest *m = message;
    struct param params[] = {
        text_param("city", m->city),
        text_param("state", m->state),
        text_param("kind", m->kind),
        text_param("purpose", m->purpose),
        text_param("status", m->status),
        text_param("title", m->title),
        text_param("sort", m->sort),
        number_param("min_price_cents", m->has_min_price_cents, m->min_price_cents, digits[0]),
        number_param("max_price_cents", m->has_max_price_cents, m->max_price_cents, digits[1]),
        number_param("min_area_m2", m->has_min_area_m2, m->min_area_m2, digits[2]),
        number_param("max_area_m2", m->has_max_area_m2, m->max_area_m2, digits[3]),
        number_param("min_bedrooms", m->has_min_bedrooms, m->min_bedrooms, digits[4]),
        number_param("limit", m->page_size != 0, m->page_size, digits[5]),
        {"total", "with_total", m->with_total, STR("true")},
        text_param("cursor", m->page_token),
    };
    params[12].field = "page_size";
    params[14].field = "page_token";
    *errors = (struct listing_errors){.count = 0};
    listings_query_init(ret_query);
    for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
        const char *wrong = NULL;
        if (params[i].is_given) {
            wrong = listings_query_set(arena, ret_query, str_from(params[i].name), params[i].text);
        }
        if (wrong != NULL) {
            add_error(errors, params[i].field, wrong);
        }
    }
    const char *wrong = errors->count > 0 ? NULL : listings_query_finish(ret_query);
    if (wrong != NULL) {
        add_error(errors, "page_token", wrong);
    }
    return errors->count == 0;
}

/* --- errors --- */

typedef Google__Rpc__BadRequest__FieldViolation violation_message;

/* pack_violations makes the bytes of a google.rpc.BadRequest. */
static bool pack_violations(struct arena *arena, const struct listing_errors *errors,
                            ProtobufCBinaryData *ret_bytes)
{
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    violation_message violations[LISTING_ERRORS_MAX];
    violation_message *list[LISTING_ERRORS_MAX];
    for (size_t i = 0; i < errors->count; i++) {
        struct str field;
        if (!arena_copy(arena, errors->list[i].field, &field)) {
            return false;
        }
        google__rpc__bad_request__field_violation__init(&violations[i]);
        violations[i].field = (char *)(uintptr_t)field.ptr;
        violations[i].description = (char *)(uintptr_t)errors->list[i].message;
        list[i] = &violations[i];
    }
    bad.n_field_violations = errors->count;
    bad.field_violations = list;
    ret_bytes->len = google__rpc__bad_request__get_packed_size(&bad);
    ret_bytes->data = arena_alloc(arena, ret_bytes->len);
    if (ret_bytes->data == NULL) {
        return false;
    }
    (void)google__rpc__bad_request__pack(&bad, ret_bytes->data);
    return true;
}

const Google__Rpc__Status *listings_message_details(struct arena *arena, int code, const char *text,
                                                    const struct listing_errors *errors)
{
    struct details {
        Google__Rpc__Status status;
        Google__Protobuf__Any any;
        Google__Protobuf__Any *list[1];
    } *details = arena_alloc(arena, sizeof(*details));
    if (details == NULL) {
        return NULL;
    }
    google__rpc__status__init(&details->status);
    google__protobuf__any__init(&details->any);
    details->any.type_url = (char *)(uintptr_t) "type.googleapis.com/google.rpc.BadRequest";
    details->list[0] = &details->any;
    details->status.code = code;
    details->status.message = (char *)(uintptr_t)text;
    details->status.details = details->list;
    details->status.n_details = 1;
    return pack_violations(arena, errors, &details->any.value) ? &details->status : NULL;
}
