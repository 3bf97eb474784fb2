/* SPDX-License-Identifier: MIT
 *
 * literal.h - texts that are made at run time and live as long as the process, as literals do: for
 * what other threads point to and nobody may free.
 *
 * Memory: LITERALS_MAX texts of at most LITERAL_MAX_BYTES, in the program's image.
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_LITERAL_H
#define TOQ_CORE_BASE_LITERAL_H

#include "core/base/str.h"

#define LITERALS_MAX      512
#define LITERAL_MAX_BYTES 64

/* literal_keep finds the copy of a text that lives as long as the process, or makes it.
 *
 * text: never what a peer chose freely: the table would be full of it. Cut to LITERAL_MAX_BYTES.
 * Returns: "other" when the table is full.
 */
const char *literal_keep(struct str text);

#endif
