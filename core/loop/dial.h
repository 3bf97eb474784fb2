/* SPDX-License-Identifier: MIT
 *
 * dial.h - from a host's name to a socket that is connecting, one address after the other.
 *
 * Flow:    dial_resolve -> [on_resolved] -> dial_connect for each address until one
 *          connects -> dial_forget, and from the start again
 * Memory:  the addresses, until dial_forget.
 * Thread:  the loop; a name that must be looked up is looked up on a thread: lookup.h.
 */
#ifndef TOQ_CORE_LOOP_DIAL_H
#define TOQ_CORE_LOOP_DIAL_H

#include "core/loop/lookup.h"

struct dial {
    struct lookups *lookups; /* borrowed; NULL: the host is an address */
    const char *host;        /* borrowed */
    uint16_t port;
    struct addrinfo *addresses;  /* owned */
    const struct addrinfo *next; /* the address to try next; NULL: none left */
    struct lookup *lookup;       /* under way; NULL: none */
    void (*on_resolved)(struct dial *dial, int status);
};

/* dial_init prepares to dial a host.
 *
 * lookups:     for a host that is a name; NULL where it is none.
 * host:        an address, "localhost" (127.0.0.1, as everywhere in toq), or a name for the
 *              resolver; borrowed.
 * on_resolved: runs on the loop after a dial_resolve that returned UV_EALREADY, once.
 */
void dial_init(struct dial *dial, struct lookups *lookups, const char *host, uint16_t port,
               void (*on_resolved)(struct dial *dial, int status));

/* dial_resolve finds the addresses of the host, in place of earlier ones.
 *
 * Returns: 0: they are there; UV_EALREADY: on_resolved will run; UV_EAI_NONAME: the host is a name,
 *          and there are no lookups; an error of lookup_start.
 */
MUST_USE int dial_resolve(struct dial *dial);

/* dial_connect begins to connect to the next address. The socket can be given to libuv at once:
 * writes wait until it is connected, and a read fails if it cannot be.
 *
 * Returns: 0 with the outputs set; UV_ENOENT: no address is left; an error of socket(2) or
 *          connect(2).
 * Owns:    the socket is the caller's.
 */
MUST_USE int dial_connect(struct dial *dial, int *ret_fd, struct sockaddr_storage *ret_peer);

/* dial_forget frees the addresses, and cancels a look-up: on_resolved does not run. */
void dial_forget(struct dial *dial);

#endif
