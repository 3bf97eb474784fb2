/* SPDX-License-Identifier: MIT
 *
 * port_owner.h - which process listens on a TCP port, as far as /proc shows it to this user.
 *
 * Thread: any; it reads many files.
 */
#ifndef TOQ_CORE_APP_PORT_OWNER_H
#define TOQ_CORE_APP_PORT_OWNER_H

#include <sys/types.h>

#include "core/base/base.h"

#define PORT_OWNER_NAME_BYTES 16 /* TASK_COMM_LEN */

struct port_owner {
    pid_t pid;
    char name[PORT_OWNER_NAME_BYTES];
};

/* port_owner_find looks for a process of this network namespace that listens on a port, on any
 * address.
 *
 * Returns: true with *ret_owner set; false when there is none, or it is another user's.
 */
MUST_USE bool port_owner_find(uint16_t port, struct port_owner *ret_owner);

#endif
