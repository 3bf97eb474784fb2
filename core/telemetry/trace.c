/* SPDX-License-Identifier: MIT
 *
 * trace.c - W3C trace context: the two fields read and written, and ids.
 */
#include "core/telemetry/trace.h"

#include <endian.h>

#include "core/base/hex.h"
#include "core/base/random.h"

/* Where the parts of "00-<trace id>-<span id>-<flags>" begin. */
#define TRACE_ID_AT 3
#define SPAN_ID_AT  (TRACE_ID_AT + TRACE_ID_LEN + 1)
#define FLAGS_AT    (SPAN_ID_AT + TRACE_SPAN_ID_LEN + 1)

#define MEMBERS_MAX       32 /* of a tracestate */
#define KEY_MAX_BYTES     256
#define TENANT_MAX_BYTES  241
#define SYSTEM_MAX_BYTES  14
#define VALUE_MAX_BYTES   256
#define VERSION_FORBIDDEN 0xFF
#define KNOWN_FLAGS       (TRACE_SAMPLED | TRACE_RANDOM)

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        all |= bytes[i];
    }
    return all == 0;
}

/* --- traceparent --- */

/* parse_hex takes lower case alone. */
static bool parse_hex(const char *text, size_t size, uint8_t *ret_bytes)
{
    for (size_t i = 0; i < size; i++) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* is_shaped looks at the version, and at the length and the dashes that go with it: a later one
 * than ours may have more parts behind those that we know. */
static bool is_shaped(struct str s)
{
    uint8_t version;
    if (s.len < TRACE_PARENT_LEN || !parse_hex(s.ptr, 1, &version) ||
        version == VERSION_FORBIDDEN) {
        return false;
    }
    const bool is_longer = s.len > TRACE_PARENT_LEN;
    if (is_longer && (version == 0 || s.ptr[TRACE_PARENT_LEN] != '-')) {
        return false;
    }
    return s.ptr[TRACE_ID_AT - 1] == '-' && s.ptr[SPAN_ID_AT - 1] == '-' &&
           s.ptr[FLAGS_AT - 1] == '-';
}

static bool parse_traceparent(struct str s, struct trace_context *ret_caller)
{
    return is_shaped(s) && parse_hex(s.ptr + TRACE_ID_AT, TRACE_ID_BYTES, ret_caller->trace_id) &&
           parse_hex(s.ptr + SPAN_ID_AT, TRACE_SPAN_ID_BYTES, ret_caller->span_id) &&
           parse_hex(s.ptr + FLAGS_AT, 1, &ret_caller->flags) &&
           !is_zero(ret_caller->trace_id, TRACE_ID_BYTES) &&
           !is_zero(ret_caller->span_id, TRACE_SPAN_ID_BYTES);
}

/* --- tracestate --- */

static bool is_key_part(struct str s, size_t max_bytes)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool is_alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        const bool is_mark = c == '_' || c == '-' || c == '*' || c == '/';
        if (!is_alnum && (!is_mark || i == 0)) {
            return false;
        }
    }
    return s.len > 0 && s.len <= max_bytes;
}

/* is_key: "vendor", or "tenant@vendor". */
static bool is_key(struct str key)
{
    struct str system = key;
    struct str tenant;
    if (!str_next_field(&system, '@', &tenant) || system.ptr == NULL) {
        return is_key_part(key, KEY_MAX_BYTES);
    }
    const bool begins_with_digit = system.len > 0 && system.ptr[0] <= '9';
    return is_key_part(tenant, TENANT_MAX_BYTES) && is_key_part(system, SYSTEM_MAX_BYTES) &&
           !begins_with_digit;
}

static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == '=') {
            return false;
        }
    }
    return value.len > 0 && value.len <= VALUE_MAX_BYTES; /* a blank at its end was cut off */
}

static bool has_key(const struct str *keys, size_t count, struct str key)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(keys[i], key)) {
            return true;
        }
    }
    return false;
}

static bool is_tracestate(struct str s)
{
    struct str keys[MEMBERS_MAX];
    size_t count = 0;
    struct str member;
    while (str_next_field(&s, ',', &member)) {
        struct str value = str_trim(member);
        struct str key;
        if (value.len == 0) {
            continue; /* empty ones may stand in a list */
        }
        if (!str_next_field(&value, '=', &key) || value.ptr == NULL || !is_key(key) ||
            !is_value(value) || count == MEMBERS_MAX || has_key(keys, count, key)) {
            return false;
        }
        keys[count++] = key;
    }
    return count > 0;
}

bool trace_parse(struct str traceparent, struct str tracestate, struct trace_context *ret_caller)
{
    struct trace_context caller = {.tracestate = STR("")};
    if (!parse_traceparent(traceparent, &caller)) {
        return false;
    }
    if (is_tracestate(tracestate)) {
        caller.tracestate = str_trim(tracestate);
    }
    *ret_caller = caller;
    return true;
}

/* --- ids --- */

/* The random numbers of a span: the two halves of its trace's id, and its own id. */
enum id_part { PART_START, PART_END, PART_SPAN, PARTS };

/* part_of is one of them; never 0, for ids of zeros alone are none. */
static uint64_t part_of(uint64_t number, enum id_part part)
{
    const uint64_t bits = random_at(number * PARTS + part);
    return LIKELY(bits != 0) ? bits : 1;
}

/* The end goes in as trace_own_end tells it: the highest byte first. */
void trace_own_ids(uint64_t number, struct trace_ids *ret_ids)
{
    ret_ids->trace_id[0] = part_of(number, PART_START);
    ret_ids->trace_id[1] = htobe64(part_of(number, PART_END));
    ret_ids->span_id = part_of(number, PART_SPAN);
}

uint64_t trace_own_end(uint64_t number)
{
    return part_of(number, PART_END);
}

void trace_begin(const struct trace_context *caller, uint64_t number,
                 struct trace_context *ret_context)
{
    struct trace_context context = {.flags = TRACE_RANDOM, .tracestate = STR("")};
    struct trace_ids own;
    trace_own_ids(number, &own);
    if (caller != NULL) {
        context = *caller;
        context.flags &= KNOWN_FLAGS;
        memcpy(context.parent_id, caller->span_id, sizeof(context.parent_id));
    } else {
        memcpy(context.trace_id, own.trace_id, sizeof(context.trace_id));
    }
    memcpy(context.span_id, &own.span_id, sizeof(context.span_id));
    *ret_context = context;
}

/* No two numbers give the same id for one parent: random_mix has an inverse. */
void trace_child_id(const uint8_t parent[TRACE_SPAN_ID_BYTES], uint32_t number,
                    uint8_t ret_id[TRACE_SPAN_ID_BYTES])
{
    uint64_t z;
    memcpy(&z, parent, sizeof(z));
    z = random_mix(z + (number + UINT64_C(1)) * RANDOM_STEP);
    z = z == 0 ? 1 : z;
    memcpy(ret_id, &z, sizeof(z));
}

bool trace_has_begun(const struct trace_context *context)
{
    uint64_t id;
    memcpy(&id, context->span_id, sizeof(id));
    return id != 0;
}

/* --- as text --- */

void trace_format(const struct trace_context *context, char *out)
{
    memcpy(out, "00-", TRACE_ID_AT);
    hex_encode(context->trace_id, TRACE_ID_BYTES, out + TRACE_ID_AT);
    out[SPAN_ID_AT - 1] = '-';
    hex_encode(context->span_id, TRACE_SPAN_ID_BYTES, out + SPAN_ID_AT);
    out[FLAGS_AT - 1] = '-';
    hex_encode(&context->flags, 1, out + FLAGS_AT);
}
