/* SPDX-License-Identifier: MIT
 *
 * fuzz_export_text.c - any text as the variables of an exporter: attributes, fields, an endpoint.
 */
#include <string.h>

#include "core/export/export.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct export_resource resource;
    static struct export_headers headers;
    char text[TEXT_MAX];
    char url[EXPORT_URL_BYTES];
    if (size >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (export_resource_init(&resource, "", text, "1")) {
        INVARIANT(resource.service_name != NULL && resource.attr_count <= EXPORT_RESOURCE_MAX);
    }
    if (export_headers_parse(&headers, text)) {
        for (size_t i = 0; i < headers.count; i++) {
            INVARIANT(http_is_safe(headers.list[i].name) && http_is_safe(headers.list[i].value));
        }
    }
    if (export_endpoint_make("", text, url) && text[0] != '\0') {
        INVARIANT(strstr(url, "v1/traces") != NULL);
    }
    return 0;
}
