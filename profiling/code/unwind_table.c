/* SPDX-License-Identifier: MIT
 *
 * unwind_table.c - reads the call frame information with libdw, and keeps the rules that a walk
 * needs.
 *
 * Flow:    each executable mapping -> ask libdw for the rule at its start -> one row -> ask again
 *          where that rule ends -> ... -> the next mapping
 */
#include "profiling/code/unwind_table.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <uv.h>

#include "core/base/lookup.h"
#include "profiling/code/object.h"
#include "profiling/walk/arch.h"

#define ROWS_MAX  (8u << 20)
#define GAP_BYTES 16 /* a PLT stub; also what functions are mostly aligned to */

struct builder {
    struct unwind_table *table;
    size_t cap;
};

static bool is_same_rule(const struct unwind_row *a, const struct unwind_row *b)
{
    return a->rule == b->rule && a->cfa_slot == b->cfa_slot && a->fp_slot == b->fp_slot &&
           a->ra_slot == b->ra_slot;
}

static bool add_row(struct builder *builder, struct unwind_row row)
{
    struct unwind_table *table = builder->table;
    if (table->count > 0 && is_same_rule(&table->rows[table->count - 1], &row)) {
        return true;
    }
    if (!array_grow(&table->rows, table->count, &builder->cap, sizeof(row), ROWS_MAX)) {
        return false;
    }
    table->rows[table->count++] = row;
    return true;
}

/* Stacks are made of words. A frame of more than 256 KiB is not followed. */
static bool to_slot(int64_t offset, int16_t *ret_slot)
{
    if (offset % 8 != 0 || offset / 8 <= INT16_MIN || offset / 8 > INT16_MAX) {
        return false;
    }
    *ret_slot = (int16_t)(offset / 8);
    return true;
}

/* A register that is not saved is kept; libdw says "undefined" by returning the caller's ops. */
enum saved { SAVED_AT_CFA, SAVED_AT_FP, SAVED_KEPT, SAVED_UNDEFINED, SAVED_ELSEWHERE };

/* The register and offset of a DW_OP_bregN or DW_OP_bregx. */
static bool read_base(const Dwarf_Op *op, unsigned *ret_regno, int64_t *ret_offset)
{
    if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
        *ret_regno = op->atom - DW_OP_breg0;
        *ret_offset = (int64_t)op->number;
        return true;
    }
    *ret_regno = (unsigned)op->number;
    *ret_offset = (int64_t)op->number2;
    return op->atom == DW_OP_bregx;
}

static enum saved find_saved(Dwarf_Frame *frame, int regno, int16_t *ret_slot)
{
    Dwarf_Op own_ops[3];
    Dwarf_Op *ops;
    size_t count;
    if (dwarf_frame_register(frame, regno, own_ops, &ops, &count) != 0) {
        return SAVED_ELSEWHERE;
    }
    if (count == 0) {
        *ret_slot = UNWIND_KEPT;
        return ops == NULL ? SAVED_KEPT : SAVED_UNDEFINED;
    }
    if (ops[0].atom != DW_OP_call_frame_cfa || count > 2) {
        return SAVED_ELSEWHERE;
    }
    unsigned base;
    int64_t from_base;
    if (count == 2 && read_base(&ops[1], &base, &from_base)) {
        return base == ARCH_DWARF_FP && to_slot(from_base, ret_slot) ? SAVED_AT_FP
                                                                     : SAVED_ELSEWHERE;
    }
    if (count == 2 && ops[1].atom != DW_OP_plus_uconst) {
        return SAVED_ELSEWHERE;
    }
    int64_t offset = count == 2 ? (int64_t)ops[1].number : 0;
    return to_slot(offset, ret_slot) ? SAVED_AT_CFA : SAVED_ELSEWHERE;
}

/* The linker's rule for PLT stubs: sp + 8, plus 8 once the stub has pushed its index:
 * breg_sp 8; breg_pc 0; lit15; and; litN; ge; lit3; shl; plus. */
static bool read_plt_rule(const Dwarf_Op *ops, size_t count, struct unwind_row *row)
{
    if (count != 9 || ops[1].atom != DW_OP_breg0 + ARCH_DWARF_RA || ops[2].atom != DW_OP_lit15 ||
        ops[3].atom != DW_OP_and || ops[4].atom < DW_OP_lit0 || ops[4].atom > DW_OP_lit31 ||
        ops[5].atom != DW_OP_ge || ops[7].atom != DW_OP_shl || ops[8].atom != DW_OP_plus) {
        return false;
    }
    row->rule = UNWIND_PLT;
    row->cfa_slot = (int16_t)(ops[4].atom - DW_OP_lit0);
    return true;
}

static bool read_cfa(Dwarf_Frame *frame, struct unwind_row *row)
{
    Dwarf_Op *ops;
    size_t count;
    unsigned regno;
    int64_t offset;
    if (dwarf_frame_cfa(frame, &ops, &count) != 0 || count == 0 ||
        !read_base(&ops[0], &regno, &offset) || !to_slot(offset, &row->cfa_slot)) {
        return false;
    }
    if (count == 1 && regno == ARCH_DWARF_SP) {
        row->rule = UNWIND_SP;
        return true;
    }
    if (count == 1 && regno == ARCH_DWARF_FP) {
        row->rule = UNWIND_FP;
        return true;
    }
    if (count == 2 && regno == ARCH_DWARF_FP && ops[1].atom == DW_OP_deref) {
        row->rule = UNWIND_FP_DEREF;
        return true;
    }
    return regno == ARCH_DWARF_SP && read_plt_rule(ops, count, row);
}

static struct unwind_row read_frame(Dwarf_Frame *frame, uint64_t pc)
{
    struct unwind_row row = {.pc = pc, .rule = UNWIND_UNKNOWN};
    struct unwind_row found = row;
    enum saved ra = find_saved(frame, dwarf_frame_info(frame, NULL, NULL, NULL), &found.ra_slot);
    if (ra == SAVED_UNDEFINED) {
        row.rule = UNWIND_ROOT;
        return row;
    }
    enum saved fp = find_saved(frame, ARCH_DWARF_FP, &found.fp_slot);
    if (ra == SAVED_ELSEWHERE || ra == SAVED_AT_FP || fp == SAVED_ELSEWHERE ||
        !read_cfa(frame, &found)) {
        return row;
    }
    /* A function that realigns its stack knows the CFA by a word beside the saved fp alone. */
    return (fp == SAVED_AT_FP) == (found.rule == UNWIND_FP_DEREF) ? found : row;
}

/* The rules of one mapping, asked for by address in memory. */
struct rules {
    Dwarf_CFI *cfi; /* NULL: the object has none */
    uint64_t bias;  /* from the file's addresses to those in memory */
};

/* Returns: true with *ret_end set behind the last address that the rule at pc holds for. */
static bool read_row(const struct rules *rules, uint64_t pc, struct unwind_row *ret_row,
                     uint64_t *ret_end)
{
    Dwarf_Frame *frame;
    if (rules->cfi == NULL || dwarf_cfi_addrframe(rules->cfi, pc - rules->bias, &frame) != 0) {
        return false;
    }
    /* The start that libdw reports is too early after DW_CFA_restore_state; its end is right. */
    Dwarf_Addr start;
    Dwarf_Addr end;
    (void)dwarf_frame_info(frame, &start, &end, NULL);
    *ret_row = read_frame(frame, pc);
    *ret_end = end + rules->bias > pc ? end + rules->bias : pc + 1;
    free(frame);
    return true;
}

/* From an address without a rule to the next one that has a rule: in steps of a PLT stub, then back
 * to the very first byte, which need not be aligned. */
static uint64_t skip_gap(const struct rules *rules, uint64_t pc, uint64_t end)
{
    struct unwind_row row;
    uint64_t row_end;
    uint64_t probe = (pc / GAP_BYTES + 1) * GAP_BYTES;
    while (probe < end && !read_row(rules, probe, &row, &row_end)) {
        probe += GAP_BYTES;
    }
    uint64_t first = probe - GAP_BYTES > pc ? probe - GAP_BYTES : pc;
    for (uint64_t at = first + 1; at < probe; at++) {
        if (read_row(rules, at, &row, &row_end)) {
            return at;
        }
    }
    return probe;
}

static bool add_rules(struct builder *builder, const struct rules *rules, const struct map *map)
{
    for (uint64_t pc = map->start; pc < map->end;) {
        struct unwind_row row = {.pc = pc, .rule = UNWIND_UNKNOWN};
        uint64_t next;
        if (rules->cfi == NULL) {
            next = map->end;
        } else if (!read_row(rules, pc, &row, &next)) {
            next = skip_gap(rules, pc, map->end);
        }
        if (!add_row(builder, row)) {
            return false;
        }
        pc = next;
    }
    return add_row(builder, (struct unwind_row){.pc = map->end, .rule = UNWIND_OUTSIDE});
}

static bool add_map(struct builder *builder, const struct maps *maps, const struct map *map)
{
    struct rules rules = {0};
    struct object object;
    if (!object_has_room()) {
        return false;
    }
    if (!object_open(maps, map, &object)) {
        return add_rules(builder, &rules, map);
    }
    rules = (struct rules){dwarf_getcfi_elf(object.elf), map->bias};
    builder->table->object_count += rules.cfi != NULL;
    bool is_ok = add_rules(builder, &rules, map);
    (void)dwarf_cfi_end(rules.cfi);
    object_close(&object);
    return is_ok;
}

/* Where one mapping ends and the next begins at the same address, the next one's row counts. */
static int compare_rows(const void *left, const void *right)
{
    const struct unwind_row *a = left;
    const struct unwind_row *b = right;
    if (a->pc != b->pc) {
        return a->pc < b->pc ? -1 : 1;
    }
    return (b->rule == UNWIND_OUTSIDE) - (a->rule == UNWIND_OUTSIDE);
}

int unwind_table_create(const struct maps *maps, struct unwind_table **ret_table)
{
    struct builder builder = {.table = calloc(1, sizeof(*builder.table))};
    if (builder.table == NULL) {
        return UV_ENOMEM;
    }
    builder.table->memo = calloc(1u << UNWIND_MEMO_BITS, sizeof(*builder.table->memo));
    bool is_ok = builder.table->memo != NULL &&
                 add_row(&builder, (struct unwind_row){.pc = 0, .rule = UNWIND_OUTSIDE});
    for (size_t i = 0; is_ok && i < maps->count; i++) {
        is_ok = add_map(&builder, maps, &maps->items[i]);
    }
    if (!is_ok) {
        unwind_table_destroy(builder.table);
        return UV_ENOMEM;
    }
    qsort(builder.table->rows, builder.table->count, sizeof(*builder.table->rows), compare_rows);
    *ret_table = builder.table;
    return 0;
}

void unwind_table_destroy(struct unwind_table *table)
{
    if (table == NULL) {
        return;
    }
    free((void *)table->memo);
    free(table->rows);
    free(table);
}
