/* SPDX-License-Identifier: MIT
 *
 * log_limit.c - a table of the kinds of lines that were written lately.
 *
 * The lock is held while a line is queued: so no count is told before the line that it belongs to.
 * The writer's lock is taken inside it, never the other way round.
 */
#include "core/telemetry/log_limit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/clock.h"

#define SLOTS      64
#define FIELDS_MAX 8
#define TEXT_BYTES 1024 /* of all fields of a kind; a kind with more keeps what fits */

struct slot {
    uint64_t hash;
    uint64_t start_ns; /* 0: empty */
    uint64_t repeated; /* since the last line */
    enum log_level level;
    const char *component;
    const char *message;
    struct log_field fields[FIELDS_MAX]; /* their texts are in `text` */
    size_t count;
    char text[TEXT_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[SLOTS];
static atomic_size_t used_count;

static uint64_t mix(uint64_t hash, struct str text)
{
    return (hash ^ str_hash(text)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_of(enum log_level level, const char *component, const char *message,
                        const struct log_field *fields, size_t count)
{
    uint64_t hash = mix(mix((uint64_t)level + 1, str_from(component)), str_from(message));
    for (size_t i = 0; i < count; i++) {
        const bool is_text = fields[i].kind == LOG_FIELD_STR;
        const struct str number = {(const char *)&fields[i].u64, sizeof(fields[i].u64)};
        hash = mix(mix(hash, str_from(fields[i].key)), is_text ? fields[i].str : number);
    }
    return hash;
}

static void copy_fields(struct slot *slot, const struct log_field *fields, size_t count)
{
    size_t used = 0;
    slot->count = count < FIELDS_MAX ? count : FIELDS_MAX;
    for (size_t i = 0; i < slot->count; i++) {
        struct log_field *field = &slot->fields[i];
        *field = fields[i];
        if (field->kind == LOG_FIELD_STR && field->str.len > 0) {
            const size_t room = TEXT_BYTES - used;
            field->str.len = field->str.len < room ? field->str.len : room;
            memcpy(slot->text + used, fields[i].str.ptr, field->str.len);
            field->str.ptr = slot->text + used;
            used += field->str.len;
        }
    }
}

/* write_repeated writes the line of a slot with its count, which starts again at 0. */
static void write_repeated(struct slot *slot)
{
    struct log_field fields[FIELDS_MAX + 1];
    memcpy(fields, slot->fields, slot->count * sizeof(*fields));
    fields[slot->count] = log_u64("repeated", slot->repeated);
    slot->repeated = 0;
    log_event(slot->level, slot->component, slot->message, fields, slot->count + 1);
}

static void empty(struct slot *slot)
{
    if (slot->repeated > 0) {
        write_repeated(slot);
    }
    slot->start_ns = 0;
    atomic_fetch_sub_explicit(&used_count, 1, memory_order_relaxed);
}

static void flush(uint64_t now_ns)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].start_ns != 0 && now_ns >= slots[i].start_ns + LOG_LIMIT_NS) {
            empty(&slots[i]);
        }
    }
}

/* place_for finds the slot of a kind, or an empty one, or empties the oldest. */
static struct slot *place_for(uint64_t hash)
{
    struct slot *place = &slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].start_ns != 0 && slots[i].hash == hash) {
            return &slots[i];
        }
        place = slots[i].start_ns < place->start_ns ? &slots[i] : place;
    }
    if (place->start_ns != 0) {
        empty(place);
    }
    return place;
}

void log_limited(enum log_level level, const char *component, const char *message,
                 const struct log_field *fields, size_t count)
{
    if (!log_is_on(level)) {
        return;
    }
    const uint64_t hash = hash_of(level, component, message, fields, count);
    const uint64_t now_ns = clock_now_ns();
    (void)pthread_mutex_lock(&lock);
    flush(now_ns);
    struct slot *slot = place_for(hash);
    if (slot->start_ns != 0) {
        slot->repeated++;
    } else {
        slot->hash = hash;
        slot->start_ns = now_ns;
        slot->repeated = 0;
        slot->level = level;
        slot->component = component;
        slot->message = message;
        copy_fields(slot, fields, count);
        atomic_fetch_add_explicit(&used_count, 1, memory_order_relaxed);
        log_event(level, component, message, fields, count);
    }
    (void)pthread_mutex_unlock(&lock);
}

void log_limit_flush(uint64_t now_ns)
{
    (void)pthread_mutex_lock(&lock);
    if (now_ns == UINT64_MAX) {
        for (size_t i = 0; i < SLOTS; i++) {
            if (slots[i].start_ns != 0) {
                empty(&slots[i]);
            }
        }
    } else {
        flush(now_ns);
    }
    (void)pthread_mutex_unlock(&lock);
}

bool log_limit_is_pending(void)
{
    return atomic_load_explicit(&used_count, memory_order_relaxed) > 0;
}
