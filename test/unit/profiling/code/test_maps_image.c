/* SPDX-License-Identifier: MIT
 *
 * test_maps_image.c - bias and build id of made-up images.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiling/code/maps_image.h"

#define START     UINT64_C(0x7000)
#define LINKED_AT UINT64_C(0x400000)

/* An object of two segments, linked at LINKED_AT. */
struct image {
    Elf64_Ehdr elf;
    Elf64_Phdr programs[2];
    Elf64_Nhdr other; /* a note that is no build id */
    char other_name[8];
    uint8_t other_text[4];
    Elf64_Nhdr note;
    char name[4];
    uint8_t id[4];
};

static const struct image whole = {
    .elf = {.e_ident = ELFMAG,
            .e_phoff = offsetof(struct image, programs),
            .e_phentsize = sizeof(Elf64_Phdr),
            .e_phnum = 2},
    .programs = {{.p_type = PT_LOAD, .p_vaddr = LINKED_AT + 0x10},
                 {.p_type = PT_NOTE,
                  .p_vaddr = LINKED_AT + offsetof(struct image, other),
                  .p_memsz = sizeof(struct image) - offsetof(struct image, other)}},
    .other = {.n_namesz = 5, .n_descsz = 3, .n_type = NT_GNU_BUILD_ID},
    .other_name = "else",
    .note = {.n_namesz = 4, .n_descsz = 4, .n_type = NT_GNU_BUILD_ID},
    .name = "GNU",
    .id = {0xde, 0xad, 0x0b, 0xee},
};

static struct maps_image read_image(const struct image *image, size_t size)
{
    struct maps_image read;
    const int mem = memfd_create("image", MFD_CLOEXEC);
    assert_true(mem >= 0);
    assert_int_equal(pwrite(mem, image, size, (off_t)START), size);
    maps_image_read(mem, START, &read);
    assert_int_equal(close(mem), 0);
    return read;
}

static void test_bias_and_build_id(void **state)
{
    (void)state;
    const struct maps_image image = read_image(&whole, sizeof(whole));
    assert_int_equal(image.bias, START - LINKED_AT);
    assert_string_equal(image.build_id, "dead0bee");
}

static void test_an_image_that_is_cut(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(whole); size++) {
        const struct maps_image image = read_image(&whole, size);
        const bool has_bias = size >= offsetof(struct image, programs[1]);
        assert_int_equal(image.bias, has_bias ? START - LINKED_AT : 0);
        assert_string_equal(image.build_id, "");
    }
}

static void test_what_is_no_object(void **state)
{
    (void)state;
    struct image image = whole;
    image.elf.e_ident[1] = 'e';
    assert_int_equal(read_image(&image, sizeof(image)).bias, 0);
    image = whole;
    image.elf.e_phentsize = sizeof(Elf32_Phdr);
    assert_int_equal(read_image(&image, sizeof(image)).bias, 0);
}

static void test_notes_with_wrong_lengths(void **state)
{
    (void)state;
    const uint32_t lengths[] = {12, 4096, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        struct image image = whole;
        image.note.n_descsz = lengths[i];
        assert_string_equal(read_image(&image, sizeof(image)).build_id, "");
        image = whole;
        image.other.n_namesz = lengths[i];
        assert_string_equal(read_image(&image, sizeof(image)).build_id, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bias_and_build_id),
        cmocka_unit_test(test_an_image_that_is_cut),
        cmocka_unit_test(test_what_is_no_object),
        cmocka_unit_test(test_notes_with_wrong_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
