/* SPDX-License-Identifier: MIT
 *
 * unwind.c - the walk. Every address read from the stack is checked against the bounds before it is
 * used; the walk only moves towards the stack's start, so it ends.
 */
#include "profiling/walk/unwind.h"

#include <stdatomic.h>
#include <sys/uio.h>

#define PAGE_BYTES UINT64_C(4096)
#define COPY_PARTS (UNWIND_COPY_BYTES / PAGE_BYTES + 1) /* an unaligned start touches one more */

/* The walk reads stack frames of other functions, which the sanitizers take for errors. */
#define READS_FOREIGN_FRAMES __attribute__((no_sanitize("address", "thread", "undefined")))

/* A reader counts itself in before it reads the pointer and out when it is done with the table. */
static _Atomic(const struct unwind_table *) published_table;
static atomic_uint reader_count;

void unwind_publish(const struct unwind_table *table)
{
    atomic_store(&published_table, table);
}

const struct unwind_table *unwind_enter(void)
{
    atomic_fetch_add(&reader_count, 1);
    return atomic_load(&published_table);
}

void unwind_exit(void)
{
    atomic_fetch_sub(&reader_count, 1);
}

bool unwind_is_used(void)
{
    return atomic_load(&reader_count) != 0;
}

READS_FOREIGN_FRAMES
static bool load(const struct unwind_stack *stack, uint64_t address, uint64_t *ret_word)
{
    if (address < stack->low || address >= stack->high ||
        stack->high - address < sizeof(uint64_t) || address % sizeof(uint64_t) != 0) {
        return false;
    }
    *ret_word = *(const uint64_t *)(uintptr_t)(address + stack->shift);
    return true;
}

/* The last row whose pc is not above `pc`; the first row has pc 0, so there is one. */
static const struct unwind_row *search_row(const struct unwind_table *table, uint64_t pc)
{
    const struct unwind_row *base = table->rows;
    for (size_t left = table->count; left > 1;) {
        size_t half = left / 2;
        base = base[half].pc <= pc ? base + half : base;
        left -= half;
    }
    return base;
}

static const struct unwind_row *find_row(const struct unwind_table *table, uint64_t pc)
{
    const uint64_t tag = pc >> UNWIND_MEMO_BITS;
    if (table->memo == NULL || tag >= UINT64_C(1) << (64 - UNWIND_ROW_BITS)) {
        return search_row(table, pc);
    }
    _Atomic uint64_t *cell = &table->memo[pc % (UINT64_C(1) << UNWIND_MEMO_BITS)];
    const uint64_t known = atomic_load_explicit(cell, memory_order_relaxed);
    if (known >> UNWIND_ROW_BITS == tag) {
        return &table->rows[known % (UINT64_C(1) << UNWIND_ROW_BITS)];
    }
    const struct unwind_row *row = search_row(table, pc);
    atomic_store_explicit(cell, tag << UNWIND_ROW_BITS | (uint64_t)(row - table->rows),
                          memory_order_relaxed);
    return row;
}

static bool find_cfa(const struct unwind_row *row, const struct unwind_stack *stack,
                     const struct arch_regs *regs, uint64_t *ret_cfa)
{
    uint64_t offset = (uint64_t)(row->cfa_slot * 8);
    switch ((enum unwind_rule)row->rule) {
    case UNWIND_SP:
        *ret_cfa = regs->sp + offset;
        return true;
    case UNWIND_FP:
        *ret_cfa = regs->fp + offset;
        return true;
    case UNWIND_FP_DEREF:
        return load(stack, regs->fp + offset, ret_cfa);
    case UNWIND_PLT:
        *ret_cfa = regs->sp + 8 + ((regs->pc & 15) >= (uint64_t)row->cfa_slot ? 8 : 0);
        return true;
    default:
        return false;
    }
}

/* Moves regs to the caller. is_leaf: regs.lr is this frame's own. */
static bool step(const struct unwind_row *row, const struct unwind_stack *stack, bool is_leaf,
                 struct arch_regs *regs)
{
    uint64_t cfa;
    if (!find_cfa(row, stack, regs, &cfa) || cfa < regs->sp || (cfa == regs->sp && !is_leaf)) {
        return false;
    }
    uint64_t caller = regs->lr;
    if (row->ra_slot == UNWIND_KEPT) {
        if (!is_leaf) {
            return false;
        }
    } else if (!load(stack, cfa + (uint64_t)(row->ra_slot * 8), &caller)) {
        return false;
    }
    /* Below sp lies what an epilogue has popped already: the register is the caller's again. */
    uint64_t fp_base = row->rule == UNWIND_FP_DEREF ? regs->fp : cfa;
    uint64_t fp_at = fp_base + (uint64_t)(row->fp_slot * 8);
    if (row->fp_slot != UNWIND_KEPT && fp_at >= regs->sp && !load(stack, fp_at, &regs->fp)) {
        return false;
    }
    regs->pc = arch_code_address(caller);
    regs->sp = cfa;
    return true;
}

size_t unwind_walk(const struct unwind_table *table, const struct unwind_stack *stack,
                   struct arch_regs regs, uint64_t *ret_frames, size_t max, bool *ret_is_complete)
{
    size_t count = 0;
    uint64_t address = regs.pc;
    *ret_is_complete = false;
    for (;;) {
        const struct unwind_row *row = find_row(table, address);
        if (row->rule == UNWIND_OUTSIDE && count > 0) {
            return count; /* what was taken for a return address is none */
        }
        ret_frames[count] = address;
        count++;
        if (row->rule == UNWIND_ROOT) {
            *ret_is_complete = true;
            return count;
        }
        if (count == max || !step(row, stack, count == 1, &regs)) {
            return count;
        }
        if (regs.pc == 0) {
            *ret_is_complete = true; /* so a stack made by hand marks its start */
            return count;
        }
        /* A call can be the last instruction of its function: the return address is then the
         * next function's. */
        address = regs.pc - 1;
    }
}

__attribute__((noinline)) size_t unwind_here(const struct unwind_table *table,
                                             const struct unwind_stack *stack, uint64_t *ret_frames,
                                             size_t max, bool *ret_is_complete)
{
    struct arch_regs regs = arch_regs_here();
    const struct unwind_row *row = find_row(table, regs.pc);
    if (!step(row, stack, true, &regs)) {
        *ret_is_complete = false;
        return 0;
    }
    regs.pc--;
    return unwind_walk(table, stack, regs, ret_frames, max, ret_is_complete);
}

struct unwind_stack unwind_copy_stack(int pid, uint64_t sp, void *copy, size_t copy_bytes)
{
    /* One part per page: a transfer may stop between parts, not within one (man 2
     * process_vm_readv), and the stack may end at any page. */
    REQUIRE(copy_bytes <= UNWIND_COPY_BYTES);
    struct iovec parts[COPY_PARTS];
    uint64_t start = sp & ~UINT64_C(7);
    uint64_t end = start + copy_bytes;
    size_t count = 0;
    for (uint64_t at = start; at < end; count++) {
        uint64_t next = (at | (PAGE_BYTES - 1)) + 1;
        next = next < end ? next : end;
        parts[count] = (struct iovec){(void *)(uintptr_t)at, (size_t)(next - at)};
        at = next;
    }
    struct iovec to = {copy, copy_bytes};
    ssize_t got = process_vm_readv(pid, &to, 1, parts, count, 0);
    uint64_t bytes = got > 0 ? (uint64_t)got : 0;
    return (struct unwind_stack){start, start + bytes, (uint64_t)(uintptr_t)copy - start};
}
