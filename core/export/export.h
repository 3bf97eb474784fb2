/* SPDX-License-Identifier: MIT
 *
 * export.h - the resource that all spans belong to, and the receivers that they go to; read from
 * the configuration once.
 */
#ifndef TOQ_CORE_EXPORT_EXPORT_H
#define TOQ_CORE_EXPORT_EXPORT_H

#include "core/base/buf.h"
#include "core/export/span.h"
#include "core/http/http.h"

#define EXPORT_RESOURCE_MAX  32
#define EXPORT_HEADERS_MAX   16
#define EXPORT_URL_BYTES     512
#define EXPORT_TEXT_BYTES    8192
#define EXPORT_REQUEST_BYTES (64u << 20) /* OTLP's limit */

/* One attribute of the resource. */
struct export_attr {
    const char *key;
    const char *text;
};

/* What all spans are of; texts lie in `text`. */
struct export_resource {
    const char *service_name;
    const char *version;
    size_t attr_count;
    struct export_attr attrs[EXPORT_RESOURCE_MAX]; /* the service's name among them */
    size_t text_len;
    char text[EXPORT_TEXT_BYTES];
};

/* Fields that a receiver wants; texts lie in `text`. */
struct export_headers {
    size_t count;
    struct http_header list[EXPORT_HEADERS_MAX];
    size_t text_len;
    char text[EXPORT_TEXT_BYTES];
};

/* export_resource_init says what the server is.
 *
 * name:       OTEL_SERVICE_NAME; "": what attributes say, else "toq".
 * attributes: OTEL_RESOURCE_ATTRIBUTES, "key=value,key=value", percent-encoded; may be "".
 * version:    borrowed.
 * Returns:    false: the attributes are malformed, or too many.
 */
MUST_USE bool export_resource_init(struct export_resource *resource, const char *name,
                                   const char *attributes, const char *version);

/* export_headers_parse reads OTEL_EXPORTER_OTLP_HEADERS, as export_resource_init does its
 * attributes.
 *
 * Returns: as that.
 */
MUST_USE bool export_headers_parse(struct export_headers *headers, const char *text);

/* export_endpoint_make makes the URL for traces of OTEL_EXPORTER_OTLP_ENDPOINT, to which the path
 * v1/traces is added, or of the endpoint for traces, which is taken as it is, with the path / where
 * it has none.
 *
 * traces:  "": not set. generic: as that.
 * out:     EXPORT_URL_BYTES; "" when neither is set.
 * Returns: false: what is set is no URL of http or https.
 */
MUST_USE bool export_endpoint_make(const char *traces, const char *generic, char *out);

/* An export_encode_fn appends spans, a whole body, to a buffer; the buffer fails when memory is
 * missing or its maximum reached. */
typedef void (*export_encode_fn)(const struct export_resource *resource, const struct span *spans,
                                 size_t count, struct buf *out);

/* otlp_encode is the export_encode_fn of OTLP/HTTP protobuf. Source: otlp.proto. */
void otlp_encode(const struct export_resource *resource, const struct span *spans, size_t count,
                 struct buf *out);

/* What a receiver says of a request that it took, or of an error. */
struct otlp_answer {
    bool is_read; /* it is well-formed */
    int64_t rejected_spans;
    char message[160]; /* "": none */
};

/* otlp_read_answer reads the body of an answer: of an error when is_error. */
struct otlp_answer otlp_read_answer(struct str body, bool is_error);

/* jaeger_encode is the export_encode_fn of Jaeger's Batch in Thrift's binary protocol.
 *
 * Source: jaeger-idl, thrift/jaeger.thrift; Thrift's specification of TBinaryProtocol.
 */
void jaeger_encode(const struct export_resource *resource, const struct span *spans, size_t count,
                   struct buf *out);

/* export_gzip compresses a text.
 *
 * Returns: false when it fails: out is failed, or memory is missing.
 */
MUST_USE bool export_gzip(struct str text, struct buf *out);

#endif
