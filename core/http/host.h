/* SPDX-License-Identifier: MIT
 *
 * host.h - whether a request names this server by an address, or by a name that no other site's DNS
 * can point here.
 *
 * A page of evil.example may resolve its own name to 127.0.0.1 and then read what a loopback port
 * answers, since a browser takes both for one origin (DNS rebinding). Its requests still carry the
 * name. A page of another site may also send requests without reading the answers; a browser says
 * with each request where it comes from.
 *
 * Thread: any.
 * Source: Fetch Metadata Request Headers (W3C).
 */
#ifndef TOQ_CORE_HTTP_HOST_H
#define TOQ_CORE_HTTP_HOST_H

#include "core/base/base.h"
#include "core/base/str.h"

/* host_is_local tells whether a host, with or without a port, is an address, "localhost", or an
 * allowed name. An empty host is local: no browser sends it.
 *
 * allowed: names with commas between them, compared without case.
 */
bool host_is_local(struct str host, struct str allowed);

/* host_is_foreign tells whether a page of another site made a request; a page of another port or
 * subdomain of the same site counts too, unless the user followed a link. Without the fields it did
 * not: the client is no browser, or one from before 2023.
 *
 * site: the value of Sec-Fetch-Site. mode: the value of Sec-Fetch-Mode.
 */
bool host_is_foreign(struct str site, struct str mode);

#endif
