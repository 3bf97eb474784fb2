/* SPDX-License-Identifier: MIT
 *
 * crash_stack.c - frame pointers, followed by reads that fail instead of faulting.
 *
 * A library has no frame pointers, and uses the register for other things: then the stack is
 * searched for the next frame of the server's own, which begins with the address of the one behind
 * it.
 */
#include "core/crash/crash_stack.h"

#include <stdatomic.h>

#include "core/crash/crash_code.h"

#define FRAME_BYTES_MAX  65536
#define SEARCH_WORDS_MAX 4096
#define CHAIN_FRAMES     4

/* What a function of the server saves first. */
struct frame {
    uint64_t caller_fp;
    uint64_t return_address;
};

static _Atomic(crash_walk_fn) unwinder;

void crash_stack_use(crash_walk_fn walk)
{
    atomic_store(&unwinder, walk);
}

static bool read_frame(uint64_t fp, struct frame *ret_frame)
{
    return fp % sizeof(uint64_t) == 0 &&
           crash_read((const void *)(uintptr_t)fp, ret_frame, sizeof(*ret_frame));
}

static bool is_next(uint64_t fp, uint64_t caller_fp)
{
    return caller_fp > fp && caller_fp - fp <= FRAME_BYTES_MAX && caller_fp % 8 == 0;
}

/* is_frame tells whether `fp` points to a frame that was called by the server's code. */
static bool is_frame(uint64_t fp, struct frame *ret_frame)
{
    struct frame next;
    return read_frame(fp, ret_frame) && is_next(fp, ret_frame->caller_fp) &&
           crash_code_is_own(ret_frame->return_address) && read_frame(ret_frame->caller_fp, &next);
}

static bool is_code(uint64_t address)
{
    return crash_code_is_own(address) || crash_code_find(address) != NULL;
}

/* count_chain counts the frames that follow each other from `fp` on, up to CHAIN_FRAMES. */
static size_t count_chain(uint64_t fp)
{
    struct frame frame;
    size_t count = 0;
    while (count < CHAIN_FRAMES && fp != 0 && read_frame(fp, &frame) &&
           is_code(frame.return_address)) {
        fp = is_next(fp, frame.caller_fp) ? frame.caller_fp : 0;
        count++;
    }
    return count;
}

/* search_frame finds the next frame above sp: the first with a long chain behind it, or with the
 * longest, since words of calls that are over look like frames, too.
 *
 * Returns: 0 when there is none.
 */
static uint64_t search_frame(uint64_t sp)
{
    struct frame frame;
    uint64_t best = 0;
    size_t best_count = 0;
    uint64_t at = (sp + 7) & ~UINT64_C(7);
    for (size_t i = 0; i < SEARCH_WORDS_MAX && best_count < CHAIN_FRAMES; i++, at += 8) {
        const size_t count = is_frame(at, &frame) ? count_chain(at) : 0;
        if (count > best_count) {
            best = at;
            best_count = count;
        }
    }
    return best;
}

static size_t follow(const struct crash_place *place, uint64_t *ret_frames, size_t max)
{
    struct frame frame;
    uint64_t fp = place->fp;
    size_t count = 0;
    ret_frames[count++] = place->pc;
    const uint64_t leaf_caller = crash_regs_leaf_caller(place);
    if (crash_code_is_own(place->pc) && crash_code_is_own(leaf_caller)) {
        ret_frames[count++] = leaf_caller;
    }
    if (!crash_code_is_own(place->pc) || fp < place->sp || !is_frame(fp, &frame)) {
        const uint64_t abort_fp = (uint64_t)(uintptr_t)base_abort_frame();
        fp = is_next(place->sp, abort_fp) ? abort_fp : search_frame(place->sp);
    }
    while (fp != 0 && count < max && read_frame(fp, &frame) && is_code(frame.return_address)) {
        ret_frames[count++] = frame.return_address - 1; /* in the call */
        fp = is_next(fp, frame.caller_fp) ? frame.caller_fp : 0;
    }
    return count;
}

static size_t walk(const struct crash_place *place, uint64_t *ret_frames, size_t max,
                   bool *ret_is_walked)
{
    const crash_walk_fn fn = atomic_load(&unwinder);
    const size_t count = fn == NULL ? 0 : fn(place, ret_frames, max);
    *ret_is_walked = count > 1;
    return *ret_is_walked ? count : follow(place, ret_frames, max);
}

size_t crash_stack_take(const ucontext_t *context, uint64_t *ret_frames, bool *ret_is_walked)
{
    struct crash_place place = crash_regs_place(context);
    size_t count = 0;
    if (!is_code(place.pc)) {
        ret_frames[count++] = place.pc;
        if (!crash_regs_return(context, &place)) {
            *ret_is_walked = false;
            return count;
        }
    }
    return count + walk(&place, ret_frames + count, CRASH_FRAMES_MAX - count, ret_is_walked);
}
