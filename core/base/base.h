/* SPDX-License-Identifier: MIT
 *
 * base.h - what every file may use: checks that stay on, and the few attributes the tree relies on.
 */
#ifndef TOQ_CORE_BASE_BASE_H
#define TOQ_CORE_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* REQUIRE states the caller's duty, INVARIANT our own logic. Both are always on and abort with the
 * place; neither is ever used on input, peers, disk or allocation. */
#define REQUIRE(cond)   ((cond) ? (void)0 : base_fail("REQUIRE", #cond, __FILE__, __LINE__))
#define INVARIANT(cond) ((cond) ? (void)0 : base_fail("INVARIANT", #cond, __FILE__, __LINE__))

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* CONTAINER_OF: the object of `type` whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#define BASE_REASON_BYTES 256

/* base_fail prints the broken check to stderr and aborts; it never returns.
 *
 * Thread: any.
 */
_Noreturn void base_fail(const char *kind, const char *cond, const char *file, int line);

/* base_abort prints why the process ends to stderr and aborts; it never returns.
 *
 * reason: without a line's end; what is behind BASE_REASON_BYTES is cut.
 * Thread: any.
 */
_Noreturn void base_abort(const char *reason);

/* base_abort_reason is what base_abort, or base_fail, was given; "" until one of them runs.
 *
 * Thread: any, signal.
 */
const char *base_abort_reason(void);

/* base_abort_frame is the frame of base_abort, which abort() leaves no way back to; NULL until it
 * runs.
 *
 * Thread: any, signal.
 */
const void *base_abort_frame(void);

#endif
