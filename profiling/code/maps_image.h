/* SPDX-License-Identifier: MIT
 *
 * maps_image.h - what the image of an object in memory says of it.
 *
 * Source: elf(5).
 * Thread: any.
 */
#ifndef TOQ_PROFILING_CODE_MAPS_IMAGE_H
#define TOQ_PROFILING_CODE_MAPS_IMAGE_H

#include "core/base/base.h"

#define MAPS_BUILD_ID_BYTES 65 /* 32 bytes in hexadecimal and a NUL */

struct maps_image {
    uint64_t bias;                      /* added to the addresses of its ELF file */
    char build_id[MAPS_BUILD_ID_BYTES]; /* lower-case hexadecimal; "" when the object has none */
};

/* maps_image_read reads what the image that begins at `start` says.
 *
 * mem: a descriptor of /proc/self/mem: an object may be unmapped meanwhile, so that no pointer may
 *      be followed.
 * ret_image: all zero when it cannot be read, or is no ELF file of 64 bits.
 */
void maps_image_read(int mem, uint64_t start, struct maps_image *ret_image);

#endif
