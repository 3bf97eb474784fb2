/* SPDX-License-Identifier: MIT
 *
 * accept.h - which of several representations a client prefers, by the weights of its Accept field.
 *
 * Source: RFC 9110 12.4.2, 12.5.1.
 * Thread: any.
 */
#ifndef TOQ_CORE_HTTP_ACCEPT_H
#define TOQ_CORE_HTTP_ACCEPT_H

#include <stddef.h>

#include "core/base/str.h"

/* accept_choose chooses one of `offers`, media types that may have parameters.
 *
 * The most specific range that an offer is in gives its weight; q=0 excludes it. A range does not
 * match an offer that has one of its parameters with another value; parameters that the offer lacks
 * are ignored, as are ranges whose weight is malformed. Of two offers with the same weight, the one
 * that a more specific range names is chosen, then the one whose range comes first, then the first
 * offer.
 *
 * accept:  the fields' values, joined; ptr NULL when there is none.
 * Returns: an index of `offers`; 0 when no offer is accepted: RFC 9110 12.4.1 lets a server
 *          disregard the field then, and a scrape says more than a 406.
 */
size_t accept_choose(struct str accept, const struct str *offers, size_t count);

#endif
