/* SPDX-License-Identifier: MIT
 *
 * maps_image.c - what the ELF header, the program headers and the notes of a mapped object say.
 */
#include "profiling/code/maps_image.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hex.h"

#define PAGE_BYTES      UINT64_C(4096)
#define NOTES_BYTES_MAX 1024

static bool read_memory(int mem, uint64_t address, void *out, size_t len)
{
    return pread(mem, out, len, (off_t)address) == (ssize_t)len;
}

/* Looks for the build id in one note segment. */
static bool find_build_id(const uint8_t *notes, size_t len, char *out)
{
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= len;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        size_t name_at = at + sizeof(note);
        size_t id_at = name_at + ((size_t)note.n_namesz + 3) / 4 * 4;
        if (id_at > len || note.n_descsz > len - id_at) {
            return false;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0 && note.n_descsz * 2 < MAPS_BUILD_ID_BYTES) {
            hex_encode(notes + id_at, note.n_descsz, out);
            out[2 * note.n_descsz] = '\0';
            return true;
        }
        at = id_at + ((size_t)note.n_descsz + 3) / 4 * 4;
    }
    return false;
}

static bool read_program(int mem, uint64_t start, const Elf64_Ehdr *elf, uint16_t i,
                         Elf64_Phdr *ret_program)
{
    const uint64_t at = start + elf->e_phoff + i * sizeof(*ret_program);
    return i < elf->e_phnum && read_memory(mem, at, ret_program, sizeof(*ret_program));
}

static uint64_t read_bias(int mem, uint64_t start, const Elf64_Ehdr *elf)
{
    Elf64_Phdr program;
    for (uint16_t i = 0; read_program(mem, start, elf, i, &program); i++) {
        if (program.p_type == PT_LOAD) {
            return start - (program.p_vaddr & ~(PAGE_BYTES - 1));
        }
    }
    return 0;
}

static void read_build_id(int mem, uint64_t start, const Elf64_Ehdr *elf, struct maps_image *image)
{
    Elf64_Phdr program;
    uint8_t notes[NOTES_BYTES_MAX];
    for (uint16_t i = 0; read_program(mem, start, elf, i, &program); i++) {
        if (program.p_type == PT_NOTE && program.p_memsz <= sizeof(notes) &&
            read_memory(mem, program.p_vaddr + image->bias, notes, program.p_memsz) &&
            find_build_id(notes, program.p_memsz, image->build_id)) {
            return;
        }
    }
}

void maps_image_read(int mem, uint64_t start, struct maps_image *ret_image)
{
    *ret_image = (struct maps_image){0};
    Elf64_Ehdr elf;
    if (read_memory(mem, start, &elf, sizeof(elf)) && memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 &&
        elf.e_phentsize == sizeof(Elf64_Phdr)) {
        ret_image->bias = read_bias(mem, start, &elf);
        read_build_id(mem, start, &elf, ret_image);
    }
}
