/* SPDX-License-Identifier: MIT
 *
 * host.h - whether a request names this server by what no stranger's name service can point here.
 *
 * A page of evil.example may resolve its own name to 127.0.0.1 and then read what a loopback port
 * answers, for a browser takes both for one origin (DNS rebinding). Its requests still carry the
 * name. And a page of another site may send requests without reading the answers; a browser says
 * of each from where it comes.
 *
 * Thread: any.
 * Source: Fetch Metadata Request Headers (W3C).
 */
#ifndef TOQ_CORE_HTTP_HOST_H
#define TOQ_CORE_HTTP_HOST_H

#include "core/base/base.h"
#include "core/base/str.h"

/* host_is_local tells whether a host, with or without a port, is an address, "localhost", or a name
 * that is allowed; an empty one is, for no browser sends it.
 *
 * allowed: names with commas between them, compared without case.
 */
bool host_is_local(struct str host, struct str allowed);

/* host_is_foreign tells whether a request was made by a page of another site: by one of another
 * port or name of the same site, too, unless somebody followed a link there. No field: no browser,
 * or one of before 2023, and not foreign.
 *
 * site: of Sec-Fetch-Site. mode: of Sec-Fetch-Mode.
 */
bool host_is_foreign(struct str site, struct str mode);

#endif
