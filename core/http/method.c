/* SPDX-License-Identifier: MIT
 *
 * method.c - names of methods, as requests and metrics have them.
 */
#include "core/http/http.h"

const char *http_method_name(enum http_method method)
{
    static const char *const names[METHOD_COUNT] = {
        [METHOD_OTHER] = "_OTHER",  [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",
        [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",         [METHOD_PATCH] = "PATCH",
        [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
    };
    return names[method];
}
