/* SPDX-License-Identifier: MIT
 *
 * config_foreign.h - variables of the Go runtime that toq does not use: the server starts in spite
 * of them and logs toq's counterpart.
 */
#ifndef TOQ_CONFIG_CONFIG_FOREIGN_H
#define TOQ_CONFIG_CONFIG_FOREIGN_H

#include "core/base/str.h"

/* A variable of another program. */
struct config_foreign {
    const char *name;
    const char *instead; /* what toq has in its place */
};

/* config_foreign_find looks a name up.
 *
 * Returns: true with *ret_bit set, the variable's in struct config's foreign; false if it is none.
 */
MUST_USE bool config_foreign_find(struct str name, uint32_t *ret_bit);

/* config_foreign_at is the variable of the `index`th bit, from 0; NULL behind the last. */
const struct config_foreign *config_foreign_at(size_t index);

#endif
