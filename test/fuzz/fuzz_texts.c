/* SPDX-License-Identifier: MIT
 *
 * fuzz_texts.c - any text as the short values of requests: a duration, a UUID, UTF-8, a host.
 */
#include <stdio.h>

#include "core/base/duration.h"
#include "core/base/utf8.h"
#include "core/http/host.h"
#include "handlers/kit/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written in the smallest unit. */
static void check_duration(struct str text)
{
    uint64_t ns;
    uint64_t again;
    char written[32];
    if (duration_parse(text, &ns)) {
        INVARIANT(text.len > 0 && ns <= (uint64_t)INT64_MAX);
        (void)snprintf(written, sizeof(written), "%lluns", (unsigned long long)ns);
        INVARIANT(duration_parse(str_from(written), &again) && again == ns);
    }
}

/* A UUID has one text. */
static void check_uuid(struct str text)
{
    unsigned char bytes[UUID_BYTES];
    char written[UUID_TEXT_LEN];
    if (uuid_parse(text, bytes)) {
        uuid_format(bytes, written);
        INVARIANT(str_equal(text, (struct str){written, sizeof(written)}));
    }
}

/* encode writes a code point in the one form that it has, as RFC 3629 3 says. */
static size_t encode(uint32_t point, unsigned char *out)
{
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    const size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; point >>= 6) {
        out[i] = (unsigned char)(0x80 | (point & 0x3F));
    }
    out[0] = (unsigned char)(leads[len] | point);
    return len;
}

/* find_len looks for a code point whose one form the text begins with. */
static size_t find_len(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    const size_t len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t point = p[0] & (len == 1 ? 0x7FU : 0xFFU >> (len + 1));
    unsigned char form[4];
    for (size_t i = 1; i < len && len <= text.len; i++) {
        point = point << 6 | (p[i] & 0x3F);
    }
    const bool is_point = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    const bool is_form = len <= text.len && is_point && encode(point, form) == len;
    return is_form && memcmp(p, form, len) == 0 ? len : 0;
}

static void check_utf8(struct str text)
{
    size_t wanted = 0;
    size_t count;
    bool is_valid = true;
    for (size_t i = 0; i < text.len && is_valid; wanted++) {
        const struct str rest = {text.ptr + i, text.len - i};
        const size_t len = find_len(rest);
        INVARIANT(utf8_len(rest) == len);
        is_valid = len > 0;
        i += len;
    }
    INVARIANT(utf8_count(text, &count) == is_valid);
    INVARIANT(!is_valid || count == wanted);
}

/* A name that DNS can point anywhere is local where it is allowed alone. */
static void check_host(struct str text)
{
    const bool is_local = host_is_local(text, STR(""));
    const bool is_allowed = host_is_local(text, STR("toq.example, other.example"));
    INVARIANT(is_allowed || !is_local);
    INVARIANT(!is_local || text.len == 0 || text.ptr[0] == '[' || (text.ptr[0] | 0x20) == 'l' ||
              (text.ptr[0] >= '0' && text.ptr[0] <= '9'));
    INVARIANT(!host_is_foreign(STR("same-origin"), text) && !host_is_foreign(STR("none"), text));
    INVARIANT(host_is_foreign(STR("cross-site"), text));
    INVARIANT(host_is_foreign(STR("same-site"), text) == !str_equal(text, STR("navigate")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {size == 0 ? "" : (const char *)data, size};
    check_duration(text);
    check_uuid(text);
    check_utf8(text);
    check_host(text);
    return 0;
}
