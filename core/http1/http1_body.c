/* SPDX-License-Identifier: MIT
 *
 * http1_body.c - counts the bytes of a request's body, and keeps them when the handler wants them.
 * In a chunked body, sizes are checked, extensions and trailers are checked and dropped.
 *
 * llhttp 8 is not used for chunks: it refuses extensions that RFC 9112 allows ("5;a=b;c", a quoted
 * string with an escape), and accepts bare LFs and folded trailers, which have smuggled requests
 * past proxies. The grammar here is that of the RFC, and nothing more.
 *
 * Failure: 400 for bytes outside of the grammar, and for more than HTTP1_FRAMING_MAX_BYTES of
 *          framing in one run or of extensions together; 413 for a chunk that makes the body too
 *          big, before its data comes.
 * Source:  RFC 9112 7.1.
 */
#include "core/base/hex.h"
#include "core/http/http_field.h"
#include "core/http1/http1_exchange.h"

enum chunk_state {
    SIZE_FIRST, /* before the first digit of a size */
    SIZE,
    SIZE_LF,  /* after the CR */
    EXT_NEXT, /* blanks, which the next extension must follow */
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_NAME_END, /* blanks after a name */
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* at the start of a line of the trailer section, perhaps the empty one */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    MALFORMED,
};

static const char framing_name[] = "transfer-encoding";

static bool refuse(struct http1_exchange *ex, int status, const char *detail)
{
    ex->fault = (struct http1_fault){status, detail};
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* is_text: what may stand in a field's value or a quoted string. */
static bool is_text(char c)
{
    return ((unsigned char)c >= ' ' && c != 0x7F) || c == '\t';
}

/* --- sizes and extensions --- */

static enum chunk_state step_size(struct http1_chunks *chunks, char c)
{
    const int digit = hex_value_any(c);
    if (digit >= 0) {
        if (chunks->left_bytes >> 60 != 0) {
            return MALFORMED; /* above 64 bits */
        }
        chunks->left_bytes = chunks->left_bytes << 4 | (unsigned)digit;
        return SIZE;
    }
    if (chunks->state == SIZE_FIRST) {
        return MALFORMED;
    }
    return is_blank(c) ? EXT_NEXT : c == ';' ? EXT_NAME_FIRST : c == '\r' ? SIZE_LF : MALFORMED;
}

/* end_extension is the state after a byte that follows a name, a value or a quoted string. */
static enum chunk_state end_extension(char c, enum chunk_state on_blank)
{
    return is_blank(c) ? on_blank : c == ';' ? EXT_NAME_FIRST : c == '\r' ? SIZE_LF : MALFORMED;
}

static enum chunk_state step_extension(enum chunk_state state, char c)
{
    const bool is_token = http_field_is_token_byte(c);
    switch (state) {
    case EXT_NEXT:
        return is_blank(c) ? EXT_NEXT : c == ';' ? EXT_NAME_FIRST : MALFORMED;
    case EXT_NAME_FIRST:
        return is_blank(c) ? EXT_NAME_FIRST : is_token ? EXT_NAME : MALFORMED;
    case EXT_NAME:
        return is_token ? EXT_NAME : c == '=' ? EXT_VALUE_FIRST : end_extension(c, EXT_NAME_END);
    case EXT_NAME_END:
        return c == '=' ? EXT_VALUE_FIRST : c == '\r' ? MALFORMED : end_extension(c, EXT_NAME_END);
    case EXT_VALUE_FIRST:
        return is_blank(c) ? EXT_VALUE_FIRST
               : c == '"'  ? EXT_QUOTED
               : is_token  ? EXT_VALUE
                           : MALFORMED;
    case EXT_VALUE:
        return is_token ? EXT_VALUE : end_extension(c, EXT_NEXT);
    case EXT_QUOTED:
        return c == '"'     ? EXT_QUOTED_END
               : c == '\\'  ? EXT_ESCAPED
               : is_text(c) ? EXT_QUOTED
                            : MALFORMED;
    case EXT_ESCAPED:
        return is_text(c) ? EXT_QUOTED : MALFORMED;
    default: /* EXT_QUOTED_END */
        return end_extension(c, EXT_NEXT);
    }
}

/* --- trailers --- */

/* match_name notes whether a trailer's name is Transfer-Encoding: RFC 9110 6.5.1 forbids it there,
 * and a proxy that merges trailers into the head would act on it. */
static void match_name(struct http1_chunks *chunks, char c)
{
    const size_t at = chunks->name_bytes;
    chunks->is_name_of_framing = chunks->is_name_of_framing && at < sizeof(framing_name) - 1 &&
                                 (c | 0x20) == (framing_name[at] | 0x20);
    chunks->name_bytes += chunks->is_name_of_framing;
}

static enum chunk_state step_trailer(struct http1_chunks *chunks, char c)
{
    const bool is_token = http_field_is_token_byte(c);
    switch (chunks->state) {
    case TRAILER_FIRST:
        if (c == '\r') {
            return LAST_LF;
        }
        chunks->name_bytes = 0;
        chunks->is_name_of_framing = true;
        match_name(chunks, c);
        return is_token ? TRAILER_NAME : MALFORMED;
    case TRAILER_NAME:
        if (c == ':') {
            return chunks->is_name_of_framing && chunks->name_bytes == sizeof(framing_name) - 1
                       ? MALFORMED
                       : TRAILER_VALUE;
        }
        match_name(chunks, c);
        return is_token ? TRAILER_NAME : MALFORMED;
    case TRAILER_VALUE:
        return c == '\r' ? TRAILER_LF : is_text(c) ? TRAILER_VALUE : MALFORMED;
    default: /* TRAILER_LF */
        return c == '\n' ? TRAILER_FIRST : MALFORMED;
    }
}

/* --- the body --- */

/* keep keeps data when the handler wants it.
 *
 * Returns: whether there was memory; if not, ex->fault is set. */
static bool keep(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->is_body_wanted) {
        if (ex->body.max_bytes == 0) {
            const struct http_server *server = ex->req.server;
            buf_init_charged(&ex->body, server->limits.body_bytes, server->quota);
        }
        buf_append(&ex->body, data, len);
        if (ex->body.is_failed) {
            ex->fault = (struct http1_fault){503, "out of memory"};
            return false;
        }
    }
    return true;
}

static enum chunk_state step(struct http1_chunks *chunks, char c)
{
    switch (chunks->state) {
    case SIZE_FIRST:
    case SIZE:
        return step_size(chunks, c);
    case SIZE_LF:
        return c != '\n' ? MALFORMED : chunks->left_bytes > 0 ? DATA : TRAILER_FIRST;
    case DATA_CR:
        return c == '\r' ? DATA_LF : MALFORMED;
    case DATA_LF:
        return c == '\n' ? SIZE_FIRST : MALFORMED;
    case TRAILER_FIRST:
    case TRAILER_NAME:
    case TRAILER_VALUE:
    case TRAILER_LF:
        return step_trailer(chunks, c);
    default:
        return step_extension((enum chunk_state)chunks->state, c);
    }
}

/* take_framing takes one byte of framing. Returns: true; false with ex->fault set. */
static bool take_framing(struct http1_exchange *ex, char c)
{
    struct http1_chunks *chunks = &ex->chunks;
    if (chunks->state == LAST_LF) {
        ex->is_body_done = c == '\n';
        return ex->is_body_done || refuse(ex, 400, "a malformed end of the trailers");
    }
    const enum chunk_state next = step(chunks, c);
    chunks->extension_bytes += next >= EXT_NEXT && next <= EXT_QUOTED_END;
    chunks->framing_bytes++;
    chunks->state = (uint8_t)next;
    if (next == MALFORMED) {
        return refuse(ex, 400, "malformed framing of the body");
    }
    if (chunks->framing_bytes > HTTP1_FRAMING_MAX_BYTES) {
        return refuse(ex, 400, "the body's framing is too big");
    }
    if (chunks->extension_bytes > HTTP1_FRAMING_MAX_BYTES) {
        return refuse(ex, 400, "the chunk extensions are too big");
    }
    /* each chunk is checked before its data, so seen_bytes is within the limit */
    if (next == DATA &&
        chunks->left_bytes > ex->req.server->limits.body_bytes - chunks->seen_bytes) {
        return refuse(ex, 413, NULL);
    }
    return true;
}

static size_t take_data(struct http1_exchange *ex, const char *data, size_t len)
{
    struct http1_chunks *chunks = &ex->chunks;
    const size_t take = len < chunks->left_bytes ? len : (size_t)chunks->left_bytes;
    if (!keep(ex, data, take)) {
        return 0;
    }
    chunks->seen_bytes += take;
    chunks->left_bytes -= take;
    chunks->framing_bytes = 0;
    if (chunks->left_bytes == 0) {
        chunks->state = DATA_CR;
    }
    return take;
}

static size_t feed_chunks(struct http1_exchange *ex, const char *data, size_t len)
{
    size_t used = 0;
    while (used < len && !ex->is_body_done && ex->fault.status == 0) {
        if (ex->chunks.state == DATA) {
            used += take_data(ex, data + used, len - used);
        } else {
            used += take_framing(ex, data[used]) ? 1 : 0;
        }
    }
    return used;
}

size_t http1_body_feed(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->body_kind == BODY_CHUNKED) {
        return feed_chunks(ex, data, len);
    }
    const size_t take = len < ex->body_left_bytes ? len : (size_t)ex->body_left_bytes;
    if (!keep(ex, data, take)) {
        return 0;
    }
    ex->body_left_bytes -= take;
    ex->is_body_done = ex->body_left_bytes == 0;
    return take;
}
