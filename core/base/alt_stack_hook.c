/* SPDX-License-Identifier: MIT
 *
 * alt_stack_hook.c - calls sigaltstack for the calling thread.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/alt_stack.h"

#define GUARD_BYTES 4096 /* a page, on the processors that toq runs on */

static size_t stack_bytes(void)
{
    const long frame = sysconf(_SC_SIGSTKSZ); /* with AVX-512 alone 3 KiB */
    const size_t bytes = ALT_STACK_BYTES + (frame > 0 ? (size_t)frame : 0);
    return (bytes + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES;
}

void alt_stack_start(void)
{
    const size_t bytes = stack_bytes();
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is what mmap(2) wants beside MAP_ANONYMOUS */
    char *memory = mmap(NULL, GUARD_BYTES + bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        return;
    }
    const stack_t stack = {.ss_sp = memory + GUARD_BYTES, .ss_size = bytes};
    if (mprotect(memory, GUARD_BYTES, PROT_NONE) != 0 || sigaltstack(&stack, NULL) != 0) {
        (void)munmap(memory, GUARD_BYTES + bytes);
    }
}

void alt_stack_stop(void)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    stack_t stack;
    if (sigaltstack(&none, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0) {
        (void)munmap((char *)stack.ss_sp - GUARD_BYTES, GUARD_BYTES + stack.ss_size);
    }
}
