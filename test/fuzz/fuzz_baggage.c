/* SPDX-License-Identifier: MIT
 *
 * fuzz_baggage.c - any text as baggage: what is passed on has no byte that ends a field, and is
 * within its limits.
 */
#include "core/telemetry/baggage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str baggage = {(const char *)data, size};
    if (!baggage_is_valid(baggage)) {
        return 0;
    }
    INVARIANT(size > 0 && size <= BAGGAGE_MAX_BYTES);
    size_t members = 1;
    for (size_t i = 0; i < size; i++) {
        INVARIANT((data[i] >= ' ' && data[i] <= '~') || data[i] == '\t');
        members += data[i] == ',';
    }
    INVARIANT(members <= BAGGAGE_MAX_MEMBERS);
    return 0;
}
