/* SPDX-License-Identifier: MIT
 *
 * export_text.c - parses the variables: lists of key=value, and endpoints.
 *
 * Source: OpenTelemetry specification: resource SDK and protocol/exporter; values as in W3C
 *         Baggage, percent-encoded.
 */
#include <stdio.h>
#include <unistd.h>

#include "core/base/hex.h"
#include "core/base/random.h"
#include "core/export/export.h"

/* keep copies a text behind the others, decoded.
 *
 * Returns: NULL when there is no room, or an escape is bad. */
static char *keep(char *room, size_t *used, struct str s, bool is_encoded)
{
    char *out = room + *used;
    size_t len = 0;
    if (*used + s.len + 1 > EXPORT_TEXT_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (is_encoded && c == '%') {
            const int high = i + 2 < s.len ? hex_value_any(s.ptr[i + 1]) : -1;
            const int low = i + 2 < s.len ? hex_value_any(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    *used += len + 1;
    return out;
}

/* next_pair takes a pair from the list. Returns: 1; 0: none is left; -1: it is malformed. */
static int next_pair(struct str *list, struct str *ret_key, struct str *ret_value)
{
    struct str member;
    while (str_next_field(list, ',', &member)) {
        struct str value = str_trim(member);
        if (value.len == 0) {
            continue;
        }
        struct str key;
        if (!str_next_field(&value, '=', &key) || value.ptr == NULL || str_trim(key).len == 0) {
            return -1;
        }
        *ret_key = str_trim(key);
        *ret_value = str_trim(value);
        return 1;
    }
    return 0;
}

/* --- the resource --- */

static bool add(struct export_resource *resource, const char *key, const char *text)
{
    if (text == NULL || resource->attr_count == EXPORT_RESOURCE_MAX) {
        return false;
    }
    resource->attrs[resource->attr_count++] = (struct export_attr){key, text};
    return true;
}

static const char *find(const struct export_resource *resource, const char *key)
{
    for (size_t i = 0; i < resource->attr_count; i++) {
        if (strcmp(resource->attrs[i].key, key) == 0) {
            return resource->attrs[i].text;
        }
    }
    return NULL;
}

/* add_own adds what the server knows unless a variable has said it. */
static bool add_own(struct export_resource *resource, const char *key, const char *text)
{
    return find(resource, key) != NULL ||
           add(resource, key, keep(resource->text, &resource->text_len, str_from(text), false));
}

static bool add_process(struct export_resource *resource)
{
    char host[256] = "";
    char pid[24];
    char id[40];
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    (void)snprintf(id, sizeof(id), "%016llx%016llx", (unsigned long long)random_u64(),
                   (unsigned long long)random_u64());
    return add_own(resource, "service.instance.id", id) && add_own(resource, "host.name", host) &&
           add_own(resource, "process.pid", pid) && add_own(resource, "os.type", "linux") &&
           add_own(resource, "process.executable.name", "toq_server");
}

bool export_resource_init(struct export_resource *resource, const char *name,
                          const char *attributes, const char *version)
{
    struct str list = str_from(attributes);
    struct str key;
    struct str value;
    *resource = (struct export_resource){.version = version};
    if (name[0] != '\0' && !add_own(resource, "service.name", name)) {
        return false;
    }
    int rc;
    while ((rc = next_pair(&list, &key, &value)) == 1) {
        const char *kept_key = keep(resource->text, &resource->text_len, key, true);
        const char *kept_value = keep(resource->text, &resource->text_len, value, true);
        if (kept_key == NULL || kept_value == NULL) {
            return false;
        }
        if (find(resource, kept_key) == NULL && !add(resource, kept_key, kept_value)) {
            return false;
        }
    }
    const bool is_added = rc == 0 && add_own(resource, "service.name", "toq") &&
                          add_own(resource, "service.version", version) &&
                          add_own(resource, "telemetry.sdk.name", "toq") &&
                          add_own(resource, "telemetry.sdk.language", "c") &&
                          add_own(resource, "telemetry.sdk.version", version) &&
                          add_process(resource);
    resource->service_name = find(resource, "service.name");
    return is_added;
}

/* --- fields and endpoints --- */

bool export_headers_parse(struct export_headers *headers, const char *text)
{
    struct str list = str_from(text);
    struct str key;
    struct str value;
    *headers = (struct export_headers){0};
    int rc;
    while ((rc = next_pair(&list, &key, &value)) == 1) {
        const char *kept_key = keep(headers->text, &headers->text_len, key, false);
        const char *kept_value = keep(headers->text, &headers->text_len, value, true);
        if (kept_key == NULL || kept_value == NULL || headers->count == EXPORT_HEADERS_MAX ||
            !http_is_safe(str_from(kept_value)) || !http_is_safe(str_from(kept_key)) ||
            strpbrk(kept_key, " \t:") != NULL) {
            return false;
        }
        headers->list[headers->count++] =
            (struct http_header){str_from(kept_key), str_from(kept_value)};
    }
    return rc == 0;
}

static bool is_url(const char *text)
{
    const char *rest = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    return rest != NULL && rest[0] != '\0' && rest[0] != '/' && strpbrk(text, " #?\"<>\\") == NULL;
}

bool export_endpoint_make(const char *traces, const char *generic, char *out)
{
    const bool is_whole = traces[0] != '\0';
    const char *base = is_whole ? traces : generic;
    out[0] = '\0';
    if (base[0] == '\0') {
        return true;
    }
    if (!is_url(base)) {
        return false;
    }
    const char *path = strchr(strstr(base, "//") + 2, '/');
    const bool has_slash = path != NULL && base[strlen(base) - 1] == '/';
    const char *tail = is_whole    ? (path == NULL ? "/" : "")
                       : has_slash ? "v1/traces"
                                   : "/v1/traces";
    const int len = snprintf(out, EXPORT_URL_BYTES, "%s%s", base, tail);
    return len < EXPORT_URL_BYTES;
}
