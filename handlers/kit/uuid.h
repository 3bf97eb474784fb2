/* SPDX-License-Identifier: MIT
 *
 * uuid.h - identifiers that sort by the time they were made: UUID version 7.
 *
 * Thread: one at a time for a source; the rest any.
 * Source: RFC 9562.
 */
#ifndef TOQ_HANDLERS_KIT_UUID_H
#define TOQ_HANDLERS_KIT_UUID_H

#include "core/base/str.h"

#define UUID_BYTES    16
#define UUID_TEXT_LEN 36

/* What the last identifier of a source was made of; all zero at first. */
struct uuid_source {
    uint64_t last_ms;
    uint32_t counter; /* within last_ms; 12 bits */
};

/* uuid_make makes the text of an identifier that sorts behind all that this source made before,
 * also when the clock has gone back.
 *
 * wall_ns: clock_wall_ns. text: UUID_TEXT_LEN bytes, without a NUL.
 * Returns: 0; what getrandom says, as UV_*.
 * Source:  RFC 9562 5.7, 6.2 method 1 (a counter of 12 bits in rand_a).
 */
MUST_USE int uuid_make(struct uuid_source *source, uint64_t wall_ns, char *text);

/* uuid_parse reads the text form, in lower case, of any version.
 *
 * Returns: true with the UUID_BYTES of ret_bytes set; false for anything else.
 */
MUST_USE bool uuid_parse(struct str text, unsigned char *ret_bytes);

/* uuid_format writes the text form.
 *
 * bytes: UUID_BYTES. text: UUID_TEXT_LEN bytes, without a NUL.
 */
void uuid_format(const unsigned char *bytes, char *text);

#endif
