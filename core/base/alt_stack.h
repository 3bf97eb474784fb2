/* SPDX-License-Identifier: MIT
 *
 * alt_stack.h - a second stack for the signal handlers of a thread, so that they run when the
 * thread has used up its own.
 *
 * Memory: as much as the kernel's frame of a signal needs and ALT_STACK_BYTES more, above a page
 *         that nobody may touch; pages that no handler has used cost nothing.
 * Thread: the thread that the stack is for.
 */
#ifndef TOQ_CORE_BASE_ALT_STACK_H
#define TOQ_CORE_BASE_ALT_STACK_H

#include "core/base/base.h"

#define ALT_STACK_BYTES 65536

/* alt_stack_start gives the calling thread its second stack. Without memory it goes without; so it
 * does in sanitized builds, where AddressSanitizer has given it one, and ThreadSanitizer none. */
void alt_stack_start(void);

/* alt_stack_stop takes it back, at the end of the thread. */
void alt_stack_stop(void);

#endif
