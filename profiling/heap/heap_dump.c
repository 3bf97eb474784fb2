/* SPDX-License-Identifier: MIT
 *
 * heap_dump.c - a dump line by line:
 *
 *     heap_v2/524288
 *       t*: 5: 1200 [7: 1900]        in use and, in brackets, since the start; of the process
 *       t0: ...                      of one thread
 *     @ 0x5581 0x5570 ...            a stack
 *       t*: 5: 1200 [7: 1900]
 *       t0: ...
 *
 *     MAPPED_LIBRARIES:              /proc/self/maps
 */
#include "profiling/heap/heap_dump.h"

#include <math.h>
#include <uv.h>

#include "core/base/hex.h"
#include "core/base/str.h"

#define LINE_BYTES 4096 /* "@" and 128 times " 0x0123456789abcdef" are 2,434 */
#define AMOUNT_MAX (INT64_C(1) << 60)

/* read_line reads a line without its end; one that is too long is given as an empty one. */
static bool read_line(FILE *file, char *line, struct str *ret_line)
{
    if (fgets(line, LINE_BYTES, file) == NULL) {
        return false;
    }
    *ret_line = str_from(line);
    if (ret_line->len + 1 < LINE_BYTES || line[ret_line->len - 1] == '\n') {
        ret_line->len -= ret_line->len > 0 && line[ret_line->len - 1] == '\n';
        return true;
    }
    ret_line->len = 0;
    for (int c = getc(file); c != EOF && c != '\n';) {
        c = getc(file);
    }
    return true;
}

static bool skip(struct str *text, struct str wanted)
{
    if (text->len < wanted.len || memcmp(text->ptr, wanted.ptr, wanted.len) != 0) {
        return false;
    }
    *text = (struct str){text->ptr + wanted.len, text->len - wanted.len};
    return true;
}

static bool skip_number(struct str *text, int64_t *ret_number)
{
    struct str digits = {text->ptr, 0};
    while (digits.len < text->len && digits.ptr[digits.len] >= '0' &&
           digits.ptr[digits.len] <= '9') {
        digits.len++;
    }
    uint64_t number;
    if (!str_parse_u64(digits, (uint64_t)AMOUNT_MAX, &number)) {
        return false;
    }
    *ret_number = (int64_t)number;
    return skip(text, digits);
}

static bool skip_amount(struct str *text, struct heap_amount *ret_amount)
{
    return skip_number(text, &ret_amount->objects) && skip(text, STR(": ")) &&
           skip_number(text, &ret_amount->bytes);
}

static bool parse_amounts(struct str line, struct heap_dump_stack *stack)
{
    return skip(&line, STR("  t*: ")) && skip_amount(&line, &stack->in_use) &&
           skip(&line, STR(" [")) && skip_amount(&line, &stack->allocated) &&
           skip(&line, STR("]")) && line.len == 0;
}

static bool skip_address(struct str *text, uint64_t *ret_address)
{
    if (!skip(text, STR("0x"))) {
        return false;
    }
    uint64_t address = 0;
    size_t len = 0;
    for (; len < text->len && hex_value(text->ptr[len]) >= 0; len++) {
        address = address << 4 | (uint64_t)hex_value(text->ptr[len]);
    }
    *text = (struct str){text->ptr + len, text->len - len};
    *ret_address = address;
    return len > 0 && len <= 16;
}

/* parse_frames leaves no frames when the line is no stack. */
static void parse_frames(struct str line, struct heap_dump_stack *stack)
{
    stack->frame_count = 0;
    if (!skip(&line, STR("@"))) {
        return;
    }
    while (stack->frame_count < HEAP_DUMP_FRAMES_MAX && skip(&line, STR(" ")) &&
           skip_address(&line, &stack->frames[stack->frame_count])) {
        stack->frame_count++;
    }
    if (line.len > 0) {
        stack->frame_count = 0;
    }
}

int heap_dump_read(FILE *file, heap_dump_fn on_stack, void *arg)
{
    char text[LINE_BYTES];
    struct str line;
    if (!read_line(file, text, &line) || !skip(&line, STR("heap_v2/"))) {
        return UV_EPROTO;
    }
    struct heap_dump_stack stack = {.frame_count = 0};
    while (read_line(file, text, &line) && !str_equal(line, STR("MAPPED_LIBRARIES:"))) {
        if (line.len > 0 && line.ptr[0] == '@') {
            parse_frames(line, &stack);
        } else if (stack.frame_count > 0 && parse_amounts(line, &stack)) {
            on_stack(arg, &stack);
            stack.frame_count = 0;
        }
    }
    return 0;
}

static int64_t scale(int64_t value, double factor)
{
    const double scaled = (double)value * factor;
    return scaled < (double)AMOUNT_MAX ? (int64_t)scaled : AMOUNT_MAX;
}

struct heap_amount heap_unsample(struct heap_amount sampled, uint64_t rate)
{
    if (sampled.objects == 0 || sampled.bytes == 0) {
        return (struct heap_amount){0, 0};
    }
    /* An allocation of n bytes was sampled with the probability 1 - e^(-n / rate). */
    const double average = (double)sampled.bytes / (double)sampled.objects;
    const double factor = -1 / expm1(-average / (double)rate);
    return (struct heap_amount){scale(sampled.objects, factor), scale(sampled.bytes, factor)};
}
