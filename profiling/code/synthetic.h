/* SPDX-License-Identifier: MIT
 *
 * synthetic.h - frames that are no code: the route a task serves and the state it waits in, as
 * addresses that no object is ever mapped at. They are the same as long as the process lives.
 *
 * Memory: SYNTHETIC_STATES_MAX states.
 * Thread: any.
 */
#ifndef TOQ_PROFILING_CODE_SYNTHETIC_H
#define TOQ_PROFILING_CODE_SYNTHETIC_H

#include "core/base/base.h"

#define SYNTHETIC_NAME_BYTES 320
#define SYNTHETIC_STATES_MAX 64 /* further ones share the last address */

/* synthetic_route is the address that stands for a label's route; never 0. */
uint64_t synthetic_route(uint32_t label);

/* synthetic_state is the address that stands for a state of tasks, a literal; never 0. */
uint64_t synthetic_state(const char *state);

/* synthetic_lost is the address that stands for samples that were lost, "lostProfileEvent" as Go
 * says; never 0. */
uint64_t synthetic_lost(void);

/* synthetic_is tells whether an address stands for something that is no code. */
bool synthetic_is(uint64_t address);

/* synthetic_label is the label of synthetic_route's address.
 *
 * Returns: true with *ret_label set; false when the address is none of them.
 */
MUST_USE bool synthetic_label(uint64_t address, uint32_t *ret_label);

/* synthetic_name writes what profiles call it: "[GET /v1/listings/:id]",
 * "[toq.v1.ListingService/Get]", "[mysql pool]".
 *
 * out: SYNTHETIC_NAME_BYTES.
 */
void synthetic_name(uint64_t address, char *out);

#endif
