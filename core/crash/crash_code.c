/* SPDX-License-Identifier: MIT
 *
 * crash_code.c - lines of /proc/self/maps:
 *
 * 55d0c8a40000-55d0c8a95000 r-xp 00012000 fe:01 1315 /usr/bin/toq_server
 */
#include "core/crash/crash_code.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 512 /* of a longer line the rest is left out */

/* Where this program's own code lies; the linker's. */
extern const char __executable_start[];
extern const char etext[];

static struct crash_object objects[CRASH_OBJECTS_MAX];
static size_t object_count;

/* Of the file that the lines read last belong to. */
static uint64_t base;
static char base_path[CRASH_PATH_BYTES];

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* read_hex takes a number from the front of a line. */
static uint64_t read_hex(const char **at, const char *end)
{
    uint64_t value = 0;
    for (; *at < end && hex_digit(**at) >= 0; (*at)++) {
        value = value << 4 | (uint64_t)hex_digit(**at);
    }
    return value;
}

static void skip_field(const char **at, const char *end)
{
    while (*at < end && **at != ' ') {
        (*at)++;
    }
    while (*at < end && **at == ' ') {
        (*at)++;
    }
}

static void copy_path(char *to, const char *from, const char *end)
{
    const size_t len = (size_t)(end - from);
    const size_t fitting = len < CRASH_PATH_BYTES ? len : CRASH_PATH_BYTES - 1;
    memcpy(to, from, fitting);
    to[fitting] = '\0';
}

void crash_code_parse(const char *line, size_t len)
{
    const char *at = line;
    const char *end = line + len;
    char path[CRASH_PATH_BYTES];
    const uint64_t start = read_hex(&at, end);
    at += at < end; /* the hyphen */
    const uint64_t stop = read_hex(&at, end);
    skip_field(&at, end);
    const bool is_code = end - at >= 4 && at[2] == 'x';
    skip_field(&at, end);
    const uint64_t offset = read_hex(&at, end);
    skip_field(&at, end); /* behind the offset */
    skip_field(&at, end); /* the device */
    skip_field(&at, end); /* the inode */
    copy_path(path, at, end);
    if (offset == 0 || strcmp(path, base_path) != 0) {
        base = start - offset;
        memcpy(base_path, path, sizeof(path));
    }
    if (is_code && object_count < CRASH_OBJECTS_MAX) {
        struct crash_object *object = &objects[object_count++];
        *object = (struct crash_object){.start = start, .end = stop, .base = base};
        memcpy(object->path, path, sizeof(path));
    }
}

/* parse_bytes parses whole lines out of what was read; the start of the next one is kept. */
static void parse_bytes(const char *data, size_t len, char *line, size_t *line_len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            crash_code_parse(line, *line_len);
            *line_len = 0;
        } else if (*line_len < LINE_BYTES) {
            line[(*line_len)++] = data[i];
        }
    }
}

void crash_code_read(void)
{
    static char data[4096];
    static char line[LINE_BYTES];
    size_t line_len = 0;
    object_count = 0;
    base_path[0] = '\0';
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    ssize_t count;
    while ((count = read(fd, data, sizeof(data))) > 0) {
        parse_bytes(data, (size_t)count, line, &line_len);
    }
    (void)close(fd);
}

const struct crash_object *crash_code_find(uint64_t address)
{
    for (size_t i = 0; i < object_count; i++) {
        if (address >= objects[i].start && address < objects[i].end) {
            return &objects[i];
        }
    }
    return NULL;
}

void crash_code_put(struct crash_out *out, uint64_t address)
{
    const struct crash_object *object = crash_code_find(address);
    if (object == NULL || object->path[0] == '\0') {
        crash_out_hex(out, address);
        return;
    }
    crash_out_text(out, object->path);
    crash_out_text(out, "+");
    crash_out_hex(out, address - object->base);
}

bool crash_code_is_own(uint64_t address)
{
    return address >= (uintptr_t)__executable_start && address < (uintptr_t)etext;
}
