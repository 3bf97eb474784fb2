/* SPDX-License-Identifier: MIT
 *
 * own_stack.h - the calls of this program that led to a place, by their frame pointers: a few loads
 * a frame, so that each wait can keep its own.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_TASK_OWN_STACK_H
#define TOQ_CORE_TASK_OWN_STACK_H

#include "core/base/base.h"

#define OWN_STACK_TEXT_BYTES   256
#define OWN_STACK_OFFSET_BYTES 24

/* own_stack_follow appends the return addresses of the callers to addresses[0], up to and including
 * the first one outside of this program, whose code may have no frame pointers.
 *
 * frame:   the frame that addresses[0] was read from.
 * max:     room in addresses, at least 1.
 * Returns: how many there are, at least 1.
 */
size_t own_stack_follow(const void *const *frame, const void **addresses, size_t max);

/* own_stack_format writes the caller's stack for a log line: offsets into the executable, for
 * addr2line, the innermost first: "+0x1a2b +0x3c4d".
 *
 * out: OWN_STACK_TEXT_BYTES; frames that do not fit are left out.
 */
void own_stack_format(char *out);

/* own_stack_offset writes the offset of code in the executable, as own_stack_format does:
 * "+0x1a2b"; "?" for code outside of it.
 *
 * out: OWN_STACK_OFFSET_BYTES.
 */
void own_stack_offset(const void *code, char *out);

#endif
