/* SPDX-License-Identifier: MIT
 *
 * replay.c - runs a fuzz target once on each file given, so that a corpus is tested without a
 * fuzzing engine.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX_BYTES (16U << 20)

/* The entry point that libFuzzer calls, defined by each fuzz_*.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* read_file reads at most INPUT_MAX_BYTES into memory of exactly the file's size, so that a
 * sanitizer sees a read behind its end. */
static uint8_t *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    uint8_t *data = malloc(INPUT_MAX_BYTES);
    if (data == NULL) {
        (void)fclose(file);
        return NULL;
    }
    const size_t size = fread(data, 1, INPUT_MAX_BYTES, file);
    (void)fclose(file);
    *ret_size = size;
    return realloc(data, size > 0 ? size : 1);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t size = 0;
        uint8_t *data = read_file(argv[i], &size);
        if (data == NULL) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        (void)printf("%s\n", argv[i]);
        (void)fflush(stdout);
        (void)LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    return EXIT_SUCCESS;
}
