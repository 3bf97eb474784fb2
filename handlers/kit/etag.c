/* SPDX-License-Identifier: MIT
 *
 * etag.c - parses lists of tags, and evaluates a request's conditions.
 */
#include "handlers/kit/etag.h"

struct tag {
    struct str opaque; /* between the quotes */
    bool is_weak;
};

struct str etag_format(uint64_t version, char *out)
{
    out[0] = '"';
    const size_t len = str_format_u64(out + 1, version);
    out[1 + len] = '"';
    return (struct str){out, len + 2};
}

static struct str cut(struct str s, size_t len)
{
    return (struct str){s.ptr + len, s.len - len};
}

static bool is_tag_char(char c)
{
    const unsigned char u = (unsigned char)c;
    return u >= 0x21 && u != '"' && u != 0x7F;
}

/* read_tag cuts one tag off the front. */
static bool read_tag(struct str *rest, struct tag *ret_tag)
{
    struct str s = *rest;
    ret_tag->is_weak = s.len >= 2 && s.ptr[0] == 'W' && s.ptr[1] == '/';
    if (ret_tag->is_weak) {
        s = cut(s, 2);
    }
    if (s.len == 0 || s.ptr[0] != '"') {
        return false;
    }
    size_t len = 1;
    while (len < s.len && is_tag_char(s.ptr[len])) {
        len++;
    }
    if (len == s.len || s.ptr[len] != '"') {
        return false;
    }
    ret_tag->opaque = (struct str){s.ptr + 1, len - 1};
    *rest = cut(s, len + 1);
    return true;
}

/* skip_separator cuts blanks and commas; a list may have empty members.
 *
 * Returns: whether there was a comma.
 */
static bool skip_separator(struct str *rest)
{
    bool has_comma = false;
    while (rest->len > 0 && strchr(" \t,", rest->ptr[0]) != NULL) {
        has_comma = has_comma || rest->ptr[0] == ',';
        *rest = cut(*rest, 1);
    }
    return has_comma;
}

static bool is_version(const struct tag *tag, uint64_t version)
{
    char text[ETAG_BYTES];
    const struct str quoted = etag_format(version, text);
    return str_equal(tag->opaque, (struct str){quoted.ptr + 1, quoted.len - 2});
}

enum etag_match etag_compare(struct str field, uint64_t version, bool is_weak)
{
    enum etag_match match = ETAG_NONE;
    struct str rest = str_trim(field);
    struct tag tag;
    if (str_equal(rest, STR("*"))) {
        return ETAG_SOME;
    }
    (void)skip_separator(&rest);
    if (rest.len == 0) {
        return ETAG_BROKEN;
    }
    while (rest.len > 0) {
        if (!read_tag(&rest, &tag) || (!skip_separator(&rest) && rest.len > 0)) {
            return ETAG_BROKEN;
        }
        if ((is_weak || !tag.is_weak) && is_version(&tag, version)) {
            match = ETAG_SOME;
        }
    }
    return match;
}

bool etag_is_one(struct str field, uint64_t *ret_version)
{
    struct str rest = str_trim(field);
    struct tag tag;
    uint64_t version;
    if (!read_tag(&rest, &tag) || tag.is_weak || rest.len > 0 ||
        !str_parse_u64(tag.opaque, UINT64_MAX, &version) || !is_version(&tag, version)) {
        return false; /* also "007", which is another tag than that of 7 */
    }
    *ret_version = version;
    return true;
}

/* --- conditions --- */

static bool is_broken(struct str field)
{
    return field.ptr != NULL && etag_compare(field, 0, false) == ETAG_BROKEN;
}

int etag_conditions_read(struct http_request *req, struct etag_conditions *ret_conditions,
                         const char **ret_wrong)
{
    struct etag_conditions conditions;
    int rc = http_header_join(req, STR("if-match"), &conditions.if_match);
    if (rc == 0) {
        rc = http_header_join(req, STR("if-none-match"), &conditions.if_none_match);
    }
    if (rc < 0) {
        return rc;
    }
    *ret_wrong = is_broken(conditions.if_match)        ? "If-Match is no list of entity tags"
                 : is_broken(conditions.if_none_match) ? "If-None-Match is no list of entity tags"
                                                       : NULL;
    *ret_conditions = conditions;
    return 0;
}

enum etag_verdict etag_conditions_judge(const struct etag_conditions *conditions, uint64_t version,
                                        bool is_read)
{
    const struct str match = conditions->if_match;
    const struct str none = conditions->if_none_match;
    if (match.ptr != NULL && etag_compare(match, version, false) != ETAG_SOME) {
        return ETAG_FAILED;
    }
    if (none.ptr != NULL && etag_compare(none, version, true) == ETAG_SOME) {
        return is_read ? ETAG_NOT_MODIFIED : ETAG_FAILED;
    }
    return ETAG_GO_ON;
}
