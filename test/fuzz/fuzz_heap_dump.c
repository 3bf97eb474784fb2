/* SPDX-License-Identifier: MIT
 *
 * fuzz_heap_dump.c - any bytes as a dump of jemalloc's: stacks with frames and amounts within
 * bounds.
 */
#include <uv.h>

#include "profiling/heap/heap_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_stack(void *arg, const struct heap_dump_stack *stack)
{
    (void)arg;
    INVARIANT(stack->frame_count >= 1 && stack->frame_count <= HEAP_DUMP_FRAMES_MAX);
    const struct heap_amount *amounts[] = {&stack->in_use, &stack->allocated};
    for (size_t i = 0; i < ARRAY_COUNT(amounts); i++) {
        INVARIANT(amounts[i]->objects >= 0 && amounts[i]->bytes >= 0);
        const struct heap_amount scaled = heap_unsample(*amounts[i], 524288);
        INVARIANT(scaled.objects >= 0 && scaled.bytes >= 0);
        INVARIANT(amounts[i]->objects == 0 || amounts[i]->bytes == 0 ||
                  scaled.bytes / 2 >= amounts[i]->bytes / 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *file = size == 0 ? NULL : fmemopen((void *)(uintptr_t)data, size, "r");
    if (file != NULL) {
        const int status = heap_dump_read(file, on_stack, NULL);
        INVARIANT(status == 0 || status == UV_EPROTO);
        (void)fclose(file);
    }
    return 0;
}
