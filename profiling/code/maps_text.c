/* SPDX-License-Identifier: MIT
 *
 * maps_text.c - lines of text like that of /proc/self/maps.
 */
#include "profiling/code/maps_text.h"

#include "core/base/hex.h"

/* Cuts a number of 1 to 16 digits and the character behind it off *text. */
static bool next_hex(struct str *text, char end, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t len = 0;
    for (; len < text->len && len < 16 && hex_value(text->ptr[len]) >= 0; len++) {
        number = number << 4 | (uint64_t)hex_value(text->ptr[len]);
    }
    if (len == 0 || len == text->len || text->ptr[len] != end) {
        return false;
    }
    *text = (struct str){text->ptr + len + 1, text->len - len - 1};
    *ret_number = number;
    return true;
}

/* "55d0c0-55d1c0 r-xp 00001000 fe:00 1234    /path with spaces" */
static bool parse_line(struct str text, struct maps_line *ret_line)
{
    struct maps_line line = {0};
    struct str permissions;
    struct str device;
    struct str inode;
    if (!next_hex(&text, '-', &line.start) || !next_hex(&text, ' ', &line.end) ||
        line.start >= line.end || !str_next_field(&text, ' ', &permissions) ||
        permissions.len != 4 || text.ptr == NULL || !next_hex(&text, ' ', &line.offset) ||
        !str_next_field(&text, ' ', &device) || !str_next_field(&text, ' ', &inode)) {
        return false;
    }
    line.is_exec = permissions.ptr[2] == 'x';
    line.path = text.ptr == NULL ? STR("") : str_trim(text);
    const struct str deleted = STR(MAPS_DELETED_SUFFIX);
    if (line.path.len > deleted.len &&
        memcmp(line.path.ptr + line.path.len - deleted.len, deleted.ptr, deleted.len) == 0) {
        line.path.len -= deleted.len;
    }
    *ret_line = line;
    return true;
}

bool maps_text_next(struct str *text, struct maps_line *ret_line)
{
    struct str line;
    while (str_next_field(text, '\n', &line)) {
        if (parse_line(line, ret_line)) {
            return true;
        }
    }
    return false;
}
