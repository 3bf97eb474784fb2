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

/* own_stack_follow goes on from addresses[0], a return address, to those of its callers, up to the
 * first one that is not this program's code, which may have no frame pointer.
 *
 * frame: the frame that addresses[0] was read from. max: room in addresses, at least 1.
 * Returns: how many there are, at least 1.
 */
size_t own_stack_follow(const void *const *frame, const void **addresses, size_t max);

/* own_stack_format writes the stack of its caller for a log line: offsets into the executable,
 * which addr2line takes, the innermost first: "+0x1a2b +0x3c4d".
 *
 * out: OWN_STACK_TEXT_BYTES; what does not fit is left out.
 */
void own_stack_format(char *out);

/* own_stack_offset writes where code lies in the executable, as own_stack_format does: "+0x1a2b";
 * "?" for what is not this program's.
 *
 * out: OWN_STACK_OFFSET_BYTES.
 */
void own_stack_offset(const void *code, char *out);

#endif
