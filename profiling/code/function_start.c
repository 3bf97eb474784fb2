/* SPDX-License-Identifier: MIT
 *
 * function_start.c - asks libdw whether an address has unwind rules, and finds the start of their
 * function in .eh_frame_hdr.
 */
#include "profiling/code/function_start.h"

#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_AT 12 /* behind the head: four bytes of form, a pointer, a count */
#define TABLE_ROW_BYTES                                                                            \
    8 /* where a function begins, and its rules: both from the table's address on */

/* DW_EH_PE_*: which libdw's headers do not have. */
#define ENCODED_UDATA4         0x03
#define ENCODED_PCREL_SDATA4   0x1b
#define ENCODED_DATAREL_SDATA4 0x3b

/* The table of .eh_frame_hdr: where each function begins, whether or not a symbol says so. Linkers
 * write it in this form alone.
 *
 * Source: LSB Core, "Exception Frames". */
static Elf_Data *find_table(Elf *elf, GElf_Addr *ret_table_addr)
{
    size_t count;
    GElf_Phdr program;
    if (elf == NULL || elf_getphdrnum(elf, &count) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (gelf_getphdr(elf, (int)i, &program) != NULL && program.p_type == PT_GNU_EH_FRAME) {
            static const uint8_t form[] = {1, ENCODED_PCREL_SDATA4, ENCODED_UDATA4,
                                           ENCODED_DATAREL_SDATA4};
            Elf_Data *data =
                elf_getdata_rawchunk(elf, (int64_t)program.p_offset, program.p_filesz, ELF_T_BYTE);
            *ret_table_addr = program.p_vaddr;
            return data != NULL && data->d_size > TABLE_AT &&
                           memcmp(data->d_buf, form, sizeof(form)) == 0
                       ? data
                       : NULL;
        }
    }
    return NULL;
}

/* The last function of the table that begins no later than at `addr`, by the file's addresses. */
static bool search_table(const Elf_Data *table, GElf_Addr table_addr, GElf_Addr addr,
                         GElf_Addr *ret_start)
{
    const char *bytes = table->d_buf;
    size_t first = 0;
    size_t end = (table->d_size - TABLE_AT) / TABLE_ROW_BYTES;
    bool is_found = false;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        int32_t from_table;
        memcpy(&from_table, bytes + TABLE_AT + middle * TABLE_ROW_BYTES, sizeof(from_table));
        const GElf_Addr start = table_addr + (uint64_t)(int64_t)from_table;
        if (start <= addr) {
            *ret_start = start;
            is_found = true;
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return is_found;
}

bool function_start(Dwfl_Module *module, uint64_t addr, GElf_Addr *ret_bias, GElf_Addr *ret_start)
{
    Dwarf_CFI *rules = dwfl_module_eh_cfi(module, ret_bias);
    Dwarf_Frame *frame;
    if (rules == NULL || dwarf_cfi_addrframe(rules, addr - *ret_bias, &frame) != 0) {
        return false;
    }
    free(frame);
    GElf_Addr table_addr;
    Elf_Data *table = find_table(dwfl_module_getelf(module, ret_bias), &table_addr);
    return table != NULL && search_table(table, table_addr, addr - *ret_bias, ret_start);
}
