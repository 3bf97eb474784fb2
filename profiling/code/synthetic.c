/* SPDX-License-Identifier: MIT
 *
 * synthetic.c - made-up addresses: a page per kind in a range that neither processor can map (bits
 * 62 and below 48 are set differently), the number within it times 16, so that return address and
 * call are told apart as with real code.
 */
#include "profiling/code/synthetic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/task/label.h"

#define BASE       UINT64_C(0x4000000000000000)
#define KIND_BYTES UINT64_C(0x100000)
#define STEP       16u

enum kind { KIND_ROUTE, KIND_STATE, KIND_LOST, KIND_COUNT };

static const char *states[SYNTHETIC_STATES_MAX];
static _Atomic uint32_t state_count;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static uint64_t address_of(enum kind kind, uint64_t number)
{
    return BASE + (uint64_t)kind * KIND_BYTES + number * STEP;
}

/* number_of takes an address apart; any byte of a step stands for its number. */
static bool number_of(uint64_t address, enum kind kind, uint32_t *ret_number)
{
    const uint64_t start = address_of(kind, 0);
    if (address < start || address >= start + KIND_BYTES) {
        return false;
    }
    *ret_number = (uint32_t)((address - start) / STEP);
    return true;
}

uint64_t synthetic_route(uint32_t label)
{
    return address_of(KIND_ROUTE, label);
}

/* find_state looks among the states from `from` on. Returns: its number, or how many there are. */
static uint32_t find_state(const char *state, uint32_t from)
{
    const uint32_t count = atomic_load_explicit(&state_count, memory_order_acquire);
    while (from < count && states[from] != state && strcmp(states[from], state) != 0) {
        from++;
    }
    return from;
}

/* add_state adds a state that was not among the first `from`. Returns: its number. */
static uint32_t add_state(const char *state, uint32_t from)
{
    (void)pthread_mutex_lock(&adding);
    uint32_t number = find_state(state, from);
    if (number == SYNTHETIC_STATES_MAX) {
        number--;
    } else if (number == atomic_load_explicit(&state_count, memory_order_relaxed)) {
        states[number] = state;
        atomic_store_explicit(&state_count, number + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&adding);
    return number;
}

uint64_t synthetic_state(const char *state)
{
    uint32_t number = find_state(state, 0);
    if (number == atomic_load_explicit(&state_count, memory_order_acquire)) {
        number = add_state(state, number);
    }
    return address_of(KIND_STATE, number);
}

uint64_t synthetic_lost(void)
{
    return address_of(KIND_LOST, 0);
}

bool synthetic_is(uint64_t address)
{
    return address >= BASE && address < BASE + KIND_COUNT * KIND_BYTES;
}

bool synthetic_label(uint64_t address, uint32_t *ret_label)
{
    return number_of(address, KIND_ROUTE, ret_label);
}

static void name_label(uint32_t number, char *out)
{
    const struct label label = label_get(number);
    if (label.route != NULL) {
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[%s %s]", label.method, label.route);
    } else {
        const char *name = label.rpc != NULL ? label.rpc : label.toq;
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[%s]", name == NULL ? "no route" : name);
    }
}

void synthetic_name(uint64_t address, char *out)
{
    uint32_t number;
    if (number_of(address, KIND_ROUTE, &number) && number < LABEL_MAX) {
        name_label(number, out);
    } else if (number_of(address, KIND_STATE, &number) &&
               number < atomic_load_explicit(&state_count, memory_order_acquire)) {
        const bool is_bracketed = states[number][0] == '['; /* "[loop]" */
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, is_bracketed ? "%s" : "[%s]", states[number]);
    } else if (number_of(address, KIND_LOST, &number)) {
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "lostProfileEvent");
    } else {
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[unknown]");
    }
}
