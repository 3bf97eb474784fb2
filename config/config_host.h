/* SPDX-License-Identifier: MIT
 *
 * config_host.h - the address that a *_HOST variable names, without asking a resolver.
 */
#ifndef TOQ_CONFIG_CONFIG_HOST_H
#define TOQ_CONFIG_CONFIG_HOST_H

#include <netinet/in.h>

#include "core/base/str.h"

/* config_host_parse reads an IPv4 or IPv6 literal, or "localhost", which is 127.0.0.1.
 *
 * Returns: true with *ret_address set, IPv4 in its IPv6-mapped form; false on anything else.
 * Source:  RFC 4291 2.5.5.2 for the mapped form.
 */
MUST_USE bool config_host_parse(struct str text, struct in6_addr *ret_address);

/* config_host_stored parses the value of a *_HOST option, which was checked when it was stored. */
struct in6_addr config_host_stored(const char *host);

/* config_host_is_loopback tells whether only this machine reaches the address: 127/8 or ::1. */
bool config_host_is_loopback(const struct in6_addr *address);

/* config_host_overlaps tells whether two listeners with one port would collide: the addresses are
 * equal, or one is the wildcard of the other's family ("::" also takes IPv4). */
bool config_host_overlaps(const struct in6_addr *a, const struct in6_addr *b);

#endif
