/* SPDX-License-Identifier: MIT
 *
 * http1_body.c - the bytes of a request's body: counted, kept when the handler wants them.
 */
#include "core/http1/http1_exchange.h"

bool http1_body_keep(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->is_body_wanted) {
        buf_append(&ex->body, data, len);
        if (ex->body.is_failed) {
            ex->fault = (struct http1_fault){503, "out of memory"};
            return false;
        }
    }
    return true;
}

size_t http1_body_feed(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->body_kind == BODY_CHUNKED) {
        return http1_chunks_feed(ex, data, len);
    }
    const size_t take = len < ex->body_left_bytes ? len : (size_t)ex->body_left_bytes;
    if (!http1_body_keep(ex, data, take)) {
        return 0;
    }
    ex->body_left_bytes -= take;
    ex->is_body_done = ex->body_left_bytes == 0;
    return take;
}
