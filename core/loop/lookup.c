/* SPDX-License-Identifier: MIT
 *
 * lookup.c - a look-up belongs to its job, so its memory lives as long as the thread needs it.
 */
#include "core/loop/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_BYTES 6 /* "65535" and a NUL */

/* Freed when its job is done. */
struct lookup {
    struct pool_job job;
    struct list link;       /* in lookups->out */
    lookup_done_fn on_done; /* NULL: given up */
    void *arg;
    int status;
    struct addrinfo *addresses;
    char port[PORT_BYTES];
    char host[];
};

/* --- on a thread --- */

/* status_of maps what getaddrinfo returned to UV_*. */
static int status_of(int error)
{
    switch (error) {
    case EAI_ADDRFAMILY:
        return UV_EAI_ADDRFAMILY;
    case EAI_AGAIN:
        return UV_EAI_AGAIN;
    case EAI_FAMILY:
        return UV_EAI_FAMILY;
    case EAI_MEMORY:
        return UV_EAI_MEMORY;
    case EAI_NODATA:
        return UV_EAI_NODATA;
    case EAI_NONAME:
        return UV_EAI_NONAME;
    case EAI_SYSTEM:
        return -errno;
    default:
        return UV_EAI_FAIL; /* the others mean wrong hints */
    }
}

static void work(struct pool_job *job)
{
    struct lookup *lookup = CONTAINER_OF(job, struct lookup, job);
    const struct addrinfo hints = lookup_hints(AI_ADDRCONFIG | AI_NUMERICSERV);
    const int error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    if (error != 0) {
        lookup->addresses = NULL;
        lookup->status = status_of(error);
    }
}

/* --- on the loop --- */

static void finish(struct pool_job *job, int status)
{
    struct lookup *lookup = CONTAINER_OF(job, struct lookup, job);
    const lookup_done_fn on_done = lookup->on_done;
    void *arg = lookup->arg;
    struct addrinfo *addresses = lookup->addresses;
    status = status == 0 ? lookup->status : status;
    list_unlink(&lookup->link);
    free(lookup);
    if (on_done != NULL) {
        on_done(arg, status, addresses);
    } else if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
}

struct addrinfo lookup_hints(int flags)
{
    return (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
}

void lookups_init(struct lookups *lookups, struct loop *loop, struct pool *pool)
{
    *lookups = (struct lookups){.loop = loop, .pool = pool};
    list_init(&lookups->out);
}

static size_t count_out(struct lookups *lookups, const char *host)
{
    size_t count = 0;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &lookups->out)
    {
        count += strcmp(CONTAINER_OF(pos, struct lookup, link)->host, host) == 0;
    }
    return count;
}

int lookup_start(struct lookups *lookups, const char *host, uint16_t port, lookup_done_fn on_done,
                 void *arg, struct lookup **ret_lookup)
{
    REQUIRE(on_done != NULL);
    if (count_out(lookups, host) >= LOOKUPS_MAX) {
        return UV_EBUSY;
    }
    const size_t host_bytes = strlen(host) + 1;
    struct lookup *lookup = calloc(1, sizeof(*lookup) + host_bytes);
    if (lookup == NULL) {
        return UV_ENOMEM;
    }
    lookup->job.work = work;
    lookup->job.done = finish;
    lookup->on_done = on_done;
    lookup->arg = arg;
    memcpy(lookup->host, host, host_bytes);
    (void)snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)port);
    const int rc = pool_submit(lookups->pool, lookups->loop, &lookup->job);
    if (rc < 0) {
        free(lookup);
        return rc;
    }
    list_push_back(&lookups->out, &lookup->link);
    *ret_lookup = lookup;
    return 0;
}

void lookup_cancel(struct lookup *lookup)
{
    lookup->on_done = NULL;
    (void)pool_cancel(&lookup->job);
}
