/* SPDX-License-Identifier: MIT
 *
 * synthetic.c - made-up addresses: a page per kind in a range that neither processor can map (bits
 * 62 and below 48 are set differently), the number within it times 16, so that return address and
 * call are told apart as with real code.
 */
#include "profiling/synthetic.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/loop/label.h"

#define BASE       UINT64_C(0x4000000000000000)
#define KIND_BYTES UINT64_C(0x100000)
#define STEP       16u

enum kind { KIND_ROUTE, KIND_STATE, KIND_COUNT };

static const char *states[SYNTHETIC_STATES_MAX];
static _Atomic uint32_t state_count;

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

uint64_t synthetic_state(const char *state)
{
    const uint32_t count = atomic_load_explicit(&state_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (states[i] == state || strcmp(states[i], state) == 0) {
            return address_of(KIND_STATE, i);
        }
    }
    if (count == SYNTHETIC_STATES_MAX) {
        return address_of(KIND_STATE, SYNTHETIC_STATES_MAX - 1);
    }
    states[count] = state;
    atomic_store_explicit(&state_count, count + 1, memory_order_release);
    return address_of(KIND_STATE, count);
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
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[%s]",
                       label.rpc == NULL ? "no route" : label.rpc);
    }
}

void synthetic_name(uint64_t address, char *out)
{
    uint32_t number;
    if (number_of(address, KIND_ROUTE, &number) && number < LABEL_MAX) {
        name_label(number, out);
    } else if (number_of(address, KIND_STATE, &number) &&
               number < atomic_load_explicit(&state_count, memory_order_acquire)) {
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[%s]", states[number]);
    } else {
        (void)snprintf(out, SYNTHETIC_NAME_BYTES, "[unknown]");
    }
}
