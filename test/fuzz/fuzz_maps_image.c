/* SPDX-License-Identifier: MIT
 *
 * fuzz_maps_image.c - any bytes as the image of an object in memory: a bias of whole pages, and a
 * build id that stands in the image.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiling/code/maps_image.h"

#define START      UINT64_C(0x10000)
#define PAGE_BYTES UINT64_C(4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_image(const uint8_t *data, size_t size)
{
    static int mem = -1;
    if (mem < 0) {
        mem = memfd_create("image", MFD_CLOEXEC);
        INVARIANT(mem >= 0);
    }
    INVARIANT(ftruncate(mem, (off_t)START) == 0);
    INVARIANT(pwrite(mem, data, size, (off_t)START) == (ssize_t)size);
    return mem;
}

/* has_id tells whether the bytes of a build id stand in the image. */
static bool has_id(const uint8_t *data, size_t size, const char *build_id)
{
    uint8_t id[MAPS_BUILD_ID_BYTES / 2];
    const size_t len = strlen(build_id) / 2;
    INVARIANT(strlen(build_id) < MAPS_BUILD_ID_BYTES && strlen(build_id) % 2 == 0);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        INVARIANT(sscanf(build_id + 2 * i, "%2x", &byte) == 1);
        id[i] = (uint8_t)byte;
    }
    return memmem(data, size, id, len) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maps_image image;
    maps_image_read(write_image(data, size), START, &image);
    INVARIANT(image.bias % PAGE_BYTES == 0);
    INVARIANT(image.build_id[0] == '\0' || has_id(data, size, image.build_id));
    return 0;
}
