/* SPDX-License-Identifier: MIT
 *
 * html.h - escapes text for HTML pages.
 */
#ifndef TOQ_HANDLERS_KIT_HTML_H
#define TOQ_HANDLERS_KIT_HTML_H

#include "core/base/buf.h"

/* html_append appends text so that it is text wherever it stands, in attributes with quotes as
 * well; with Go's choice of references. Bytes that are not UTF-8, and control characters, become
 * U+FFFD. */
void html_append(struct buf *page, struct str text);

#endif
