/* SPDX-License-Identifier: MIT
 *
 * field_error.h - what is wrong with one field of a request.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_FIELD_ERROR_H
#define TOQ_CORE_BASE_FIELD_ERROR_H

#include "core/base/str.h"

struct field_error {
    struct str field; /* as the client named it, cut when it is long; "" for the whole document */
    const char *message; /* a literal, or in the request's arena */
};

#endif
