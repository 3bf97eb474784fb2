/* SPDX-License-Identifier: MIT
 *
 * parameter.h - the parts of a field's value: members of a list, parameters of a media type; a
 * quoted string is one token, whatever it holds.
 *
 * Source: RFC 9110 5.6.1, 5.6.4, 5.6.6.
 * Thread: any.
 */
#ifndef TOQ_CORE_HTTP_PARAMETER_H
#define TOQ_CORE_HTTP_PARAMETER_H

#include "core/base/base.h"
#include "core/base/str.h"

struct parameter {
    struct str name;
    struct str value; /* as it stands, quotes included; empty when there is none */
};

/* parameter_next_part cuts the next part off `rest`, up to a separator that is not within a quoted
 * string, or to the end. Blanks around it are left out.
 *
 * Returns: as str_next_field.
 */
MUST_USE bool parameter_next_part(struct str *rest, char sep, struct str *ret_part);

/* parameter_next cuts the next parameter off what follows a media type: "a=b;c=\"d;e\"".
 *
 * Returns: as str_next_field. A parameter without a name, as between two semicolons, has an empty
 *          one.
 */
MUST_USE bool parameter_next(struct str *rest, struct parameter *ret_parameter);

/* parameter_is_type tells whether a Content-Type is a type of text, in UTF-8: "application/json",
 * with no charset but that. Compared without case. */
bool parameter_is_type(struct str field, struct str type);

/* parameter_is tells whether a value equals `text`, compared without case; of a quoted string, what
 * is between the quotes, unescaped. */
bool parameter_is(struct str value, struct str text);

#endif
