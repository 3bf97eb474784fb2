/* SPDX-License-Identifier: MIT
 *
 * http1_head.c - the request line and the fields: first our own checks of the raw lines, then
 * llhttp, then the rules that need several fields. llhttp does not see the body: http1_body.c.
 *
 * llhttp 8.1, even in strict mode, accepts a bare LF after the version, HTTP/0.9 request lines and
 * folded fields, all of which have smuggled requests past proxies.
 * Source: RFC 9112 2.2, 3, 5, 6.1; RFC 9110 7.2, 10.1.1.
 */
#include "core/http/http_field.h"
#include "core/http1/http1_exchange.h"

/* Method, version and blanks of a request line, generously: "OPTIONS " and " HTTP/1.1\r". */
#define REQUEST_LINE_EXTRA_BYTES 64

static struct http1_fault fault(int status, const char *detail)
{
    return (struct http1_fault){status, detail};
}

/* --- raw lines --- */

/* has_version tells whether a request line, with its CR, names a version of HTTP. One of HTTP/0.9
 * does not, and nothing follows it. Which versions are accepted is decided later. */
static bool has_version(struct str line)
{
    static const struct str mark = {" HTTP/", 6};
    const size_t tail_bytes = mark.len + sizeof("1.1\r") - 1; /* where it is in nearly all */
    const bool is_at_end =
        line.len >= tail_bytes && memcmp(line.ptr + line.len - tail_bytes, mark.ptr, mark.len) == 0;
    return is_at_end || memmem(line.ptr, line.len, mark.ptr, mark.len) != NULL;
}

/* check_line checks one line. len: without its LF. */
static struct http1_fault check_line(const char *line, size_t len, size_t number,
                                     const struct http_limits *limits)
{
    if (len == 0 || line[len - 1] != '\r') {
        return fault(400, "a line ends in a bare LF");
    }
    if (len > 1 && memchr(line, '\r', len - 1) != NULL) {
        return fault(400, "a bare CR in a line");
    }
    if (number == 0 && len > limits->target_bytes + REQUEST_LINE_EXTRA_BYTES) {
        return fault(414, "the request target is too long");
    }
    if (number == 0 && !has_version((struct str){line, len})) {
        return fault(400, "the request line has no version of HTTP");
    }
    if (number > 0 && (line[0] == ' ' || line[0] == '\t')) {
        return fault(400, "a folded header field");
    }
    if (number > 0 && line[0] == ':') {
        return fault(400, "a header field without a name"); /* llhttp would keep the value */
    }
    if (number > limits->header_count && len > 1) {
        return fault(431, "too many header fields");
    }
    return fault(0, NULL);
}

/* check_partial checks an incomplete head; `scan` has seen a part of its last line. A bare CR in
 * the first line is no fault before http1_head_is_http holds: so the answer is the same however the
 * bytes are split. */
static struct http1_fault check_partial(struct str data, struct http1_scan *scan,
                                        const struct http_limits *limits)
{
    /* the last byte seen before, and the last one of `data`, may be a CR: the next byte decides */
    const size_t from = scan->seen_bytes > scan->line_at ? scan->seen_bytes - 1 : scan->line_at;
    if (data.len > 0 && data.ptr[0] != '\r' && !http_field_is_token_byte(data.ptr[0])) {
        return fault(400, "not an HTTP request");
    }
    if (data.len > from + 1) {
        const size_t len = data.len - from;
        scan->has_cr = scan->has_cr || memchr(data.ptr + from, '\r', len - 1) != NULL;
        scan->has_slash = scan->has_slash || memchr(data.ptr + from, '/', len) != NULL;
    }
    if (scan->has_cr && (scan->line_count > 0 || scan->has_slash || data.ptr[0] == '\r')) {
        return fault(400, "a bare CR in a line");
    }
    if (scan->line_count == 0 && data.len > limits->target_bytes + REQUEST_LINE_EXTRA_BYTES) {
        return fault(414, "the request target is too long");
    }
    if (data.len > limits->header_bytes) {
        return fault(431, "the header block is too big");
    }
    return fault(0, NULL);
}

bool http1_head_scan(struct str data, struct http1_scan *scan, const struct http_limits *limits,
                     size_t *ret_len, size_t *ret_field_count, struct http1_fault *ret_fault)
{
    for (;;) {
        const size_t seen = scan->seen_bytes;
        const char *lf = seen < data.len ? memchr(data.ptr + seen, '\n', data.len - seen) : NULL;
        if (lf == NULL) {
            *ret_fault = check_partial(data, scan, limits);
            scan->seen_bytes = data.len;
            return ret_fault->status != 0;
        }
        const char *line = data.ptr + scan->line_at;
        const size_t len = (size_t)(lf - line);
        *ret_fault = check_line(line, len, scan->line_count, limits);
        if (ret_fault->status == 0 && (size_t)(lf - data.ptr) >= limits->header_bytes) {
            *ret_fault = fault(431, "the header block is too big");
        }
        if (ret_fault->status != 0) {
            return true;
        }
        scan->line_at = scan->seen_bytes = (size_t)(lf + 1 - data.ptr);
        if (len == 1 && scan->line_count > 0) {
            *ret_len = scan->line_at;
            *ret_field_count = scan->line_count - 1;
            return true;
        }
        scan->line_count++;
    }
}

/* is_for_parser tells whether llhttp reads a field itself; it splits the value at spaces alone. */
static bool is_for_parser(struct str name)
{
    static const struct str names[] = {
        {"upgrade", 7},           {"connection", 10},        {"content-length", 14},
        {"proxy-connection", 16}, {"transfer-encoding", 17},
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (name.len == names[i].len && str_equal_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void replace_tabs(char *from, const char *to)
{
    for (; from < to; from++) {
        *from = *from == '\t' ? ' ' : *from;
    }
}

/* copy_head copies a head for the parser: in the fields that llhttp reads itself an HTAB becomes an
 * SP, so that both may surround every value (RFC 9110 5.6.3). */
static void copy_head(char *copy, struct str head)
{
    memcpy(copy, head.ptr, head.len);
    if (memchr(copy, '\t', head.len) == NULL) {
        return;
    }
    char *end = copy + head.len;
    for (char *line = copy; line < end;) {
        char *lf = memchr(line, '\n', (size_t)(end - line));
        char *next = lf == NULL ? end : lf + 1;
        char *colon = memchr(line, ':', (size_t)(next - line));
        if (colon != NULL && is_for_parser((struct str){line, (size_t)(colon - line)})) {
            replace_tabs(colon, next);
        }
        line = next;
    }
}

bool http1_head_is_http(struct str head, const struct http_limits *limits)
{
    const char *lf = memchr(head.ptr, '\n', head.len);
    const size_t line = lf == NULL ? head.len : (size_t)(lf - head.ptr);
    const size_t limit = limits->target_bytes + REQUEST_LINE_EXTRA_BYTES;
    return head.len > 0 && (!http_field_is_token_byte(head.ptr[0]) ||
                            memchr(head.ptr, '/', line < limit ? line : limit) != NULL);
}

/* --- llhttp's callbacks --- */

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct http1_exchange *ex = parser->data;
    ex->req.target = (struct str){at, len};
    return 0;
}

/* A field comes in one piece because the head does. */
static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct http1_exchange *ex = parser->data;
    ex->req.headers[ex->req.header_count++] = (struct http_header){{at, len}, STR("")};
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http1_exchange *ex = parser->data;
    if (ex->req.header_count > 0) {
        ex->req.headers[ex->req.header_count - 1].value = str_trim((struct str){at, len});
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http1_exchange *ex = parser->data;
    parser->upgrade =
        0; /* we speak no other protocol: an Upgrade field is ignored, as RFC 9110 7.8 allows */
    ex->is_keep_alive = llhttp_should_keep_alive(parser) == 1;
    if ((parser->flags & F_CHUNKED) != 0) {
        ex->body_kind = BODY_CHUNKED;
    } else if (parser->content_length > 0) {
        ex->body_kind = BODY_LENGTH;
        ex->body_left_bytes = parser->content_length;
    }
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http1_exchange *ex = parser->data;
    ex->is_body_done = true;
    return HPE_PAUSED; /* what follows is the next request */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* --- rules over the parsed head --- */

static enum http_method map_method(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return METHOD_GET;
    case HTTP_HEAD:
        return METHOD_HEAD;
    case HTTP_POST:
        return METHOD_POST;
    case HTTP_PUT:
        return METHOD_PUT;
    case HTTP_PATCH:
        return METHOD_PATCH;
    case HTTP_DELETE:
        return METHOD_DELETE;
    case HTTP_OPTIONS:
        return METHOD_OPTIONS;
    default:
        return METHOD_OTHER;
    }
}

/* cut_scheme cuts "http://" or "https://" off a target; a proxy in front may speak TLS. */
static bool cut_scheme(struct str *target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        const size_t len = schemes[i].len;
        if (target->len >= len && str_equal_nocase((struct str){target->ptr, len}, schemes[i])) {
            *target = (struct str){target->ptr + len, target->len - len};
            return true;
        }
    }
    return false;
}

/* cut_authority leaves the path of an absolute-form target; RFC 9112 3.2.2 has servers accept it,
 * and use its authority in place of the Host field.
 *
 * Returns: the path; an empty one when the authority is missing, which RFC 9110 4.2.1 refuses. */
static struct str cut_authority(struct str target, struct str *ret_host)
{
    struct str rest = target;
    if (!cut_scheme(&rest)) {
        return target;
    }
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?') {
        len++;
    }
    const struct str host = {rest.ptr, len};
    if (len == 0) {
        return STR("");
    }
    *ret_host = host;
    const bool has_path = len < rest.len && rest.ptr[len] == '/';
    return has_path ? (struct str){rest.ptr + len, rest.len - len} : STR("/");
}

/* is_strict tells whether single spaces separate the parts of the request line, and its protocol is
 * HTTP: llhttp accepts several spaces, and RTSP for some methods. */
static bool is_strict(struct str target)
{
    return target.ptr[-2] != ' ' && memcmp(target.ptr + target.len, " HTTP/", 6) == 0;
}

static struct http1_fault split_target(struct http_request *req)
{
    if (req->target.len > req->server->limits.target_bytes) {
        return fault(414, "the request target is too long");
    }
    const struct str rest = cut_authority(req->target, &req->host);
    const char *wrong = http_request_split(req, rest);
    return fault(wrong == NULL ? 0 : 400, wrong);
}

/* refuse_coding: RFC 9112 6.1 has 501 for an unknown coding, and 6.3 has 400 where the end of the
 * body cannot be found because the last coding is not chunked. */
static struct http1_fault refuse_coding(struct str value)
{
    static const struct str chunked = {"chunked", 7};
    const size_t tail_len = value.len < chunked.len ? value.len : chunked.len;
    const struct str tail = {value.ptr + value.len - tail_len, tail_len};
    return str_equal_nocase(tail, chunked) ? fault(501, "a transfer coding other than chunked")
                                           : fault(400, "the last transfer coding is not chunked");
}

static struct http1_fault check_fields(struct http1_exchange *ex)
{
    struct http_request *req = &ex->req;
    struct str host = {NULL, 0};
    size_t hosts = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header h = req->headers[i];
        if (h.name.len == 4 && str_equal_nocase(h.name, STR("host"))) {
            host = h.value;
            hosts++;
        } else if (h.name.len == 17 && str_equal_nocase(h.name, STR("transfer-encoding"))) {
            if (req->version_minor == 0) {
                return fault(400, "Transfer-Encoding in HTTP/1.0");
            }
            if (!str_equal_nocase(h.value, STR("chunked"))) {
                return refuse_coding(h.value);
            }
        } else if (h.name.len == 6 && str_equal_nocase(h.name, STR("expect"))) {
            if (!str_equal_nocase(h.value, STR("100-continue"))) {
                return fault(417, "an unknown expectation");
            }
            ex->is_continue_expected = req->version_minor == 1;
        }
    }
    if (hosts == 0 && req->version_minor == 1) {
        return fault(400, "the Host field is missing");
    }
    if (hosts > 1 || (hosts == 1 && !http_is_host(host))) {
        return fault(400, "a doubled or malformed Host field");
    }
    if (req->host.ptr == NULL) {
        req->host = host;
    } else if (!http_is_host(req->host)) {
        return fault(400, "a malformed authority in the request target");
    }
    return fault(0, NULL);
}

static struct http1_fault explain(const llhttp_t *parser, llhttp_errno_t error, struct str head)
{
    const char *space = memchr(head.ptr, ' ', head.len);
    const struct str method = {head.ptr, space == NULL ? 0 : (size_t)(space - head.ptr)};
    switch (error) {
    case HPE_INVALID_METHOD:
        return http_field_is_token(method) ? fault(501, "the method is not supported")
                                           : fault(400, "a malformed method");
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE:
        return fault(505, NULL);
    default:
        return fault(400, llhttp_get_error_reason(parser));
    }
}

struct http1_fault http1_head_parse(struct http1_exchange *ex, struct str head, size_t field_count)
{
    struct http_request *req = &ex->req;
    llhttp_init(&ex->parser, HTTP_REQUEST, &settings);
    ex->parser.data = ex;
    const size_t fields_bytes = (field_count + 1) * sizeof(req->headers[0]);
    req->headers = arena_alloc(&req->arena, fields_bytes + head.len);
    if (req->headers == NULL) {
        return fault(503, "out of memory");
    }
    char *copy = (char *)req->headers + fields_bytes;
    copy_head(copy, head);
    const llhttp_errno_t error = llhttp_execute(&ex->parser, copy, head.len);
    if (error != HPE_OK && error != HPE_PAUSED) {
        return explain(&ex->parser, error, head);
    }
    if (ex->parser.http_major == 0) {
        return fault(400, "HTTP/0.9 is not supported");
    }
    if (!is_strict(req->target)) {
        return fault(400, "a malformed request line");
    }
    if (ex->parser.http_major != 1 || ex->parser.http_minor > 1) {
        return fault(505, "the version must be 1.1 or 1.0");
    }
    req->method = map_method(ex->parser.method);
    req->version_minor = ex->parser.http_minor;
    ex->is_body_done = ex->body_kind == BODY_NONE;
    const struct http1_fault bad_target = split_target(req);
    return bad_target.status != 0 ? bad_target : check_fields(ex);
}
