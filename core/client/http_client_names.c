/* SPDX-License-Identifier: MIT
 *
 * http_client_names.c - resolves hosts on a thread, caches their addresses, and passes them to
 * libcurl as CURLOPT_RESOLVE.
 *
 * A look-up serves all calls that wait for the host. A call that is cancelled leaves the list; the
 * look-up goes on for the next one.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "core/client/http_client_internal.h"

#define KEEP_MS       30000
#define ADDRESSES_MAX 8

bool client_names_is_address(const char *name)
{
    struct in_addr address;
    return name[0] == '[' || inet_pton(AF_INET, name, &address) == 1 ||
           strcmp(name, "localhost") == 0;
}

static bool is_in_use(const struct http_client *client, const struct client_host *host)
{
    if (host->lookup != NULL || !list_is_empty(&host->waiting)) {
        return true;
    }
    for (const struct list *pos = client->transfers.next; pos != &client->transfers;
         pos = pos->next) {
        if (CONTAINER_OF(pos, struct http_client_transfer, link)->host == host) {
            return true;
        }
    }
    return false;
}

static void forget(struct client_host *host)
{
    curl_slist_free_all(host->resolve);
    host->resolve = NULL;
    host->name[0] = '\0';
}

struct client_host *client_names_find(struct http_client *client, const char *name, uint16_t port)
{
    struct client_host *oldest = NULL;
    if (strlen(name) >= HTTP_CLIENT_HOST_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < CLIENT_HOSTS_MAX; i++) {
        struct client_host *host = &client->hosts[i];
        if (host->name[0] != '\0' && host->port == port && strcmp(host->name, name) == 0) {
            host->used_ms = loop_now_ms(client->options.loop);
            return host;
        }
        if (host->name[0] == '\0' ||
            (!is_in_use(client, host) && (oldest == NULL || host->used_ms < oldest->used_ms))) {
            oldest = oldest != NULL && oldest->name[0] == '\0' ? oldest : host;
        }
    }
    if (oldest != NULL) {
        forget(oldest);
        (void)snprintf(oldest->name, sizeof(oldest->name), "%s", name);
        oldest->port = port;
        oldest->used_ms = loop_now_ms(client->options.loop);
        oldest->expires_ms = 0;
    }
    return oldest;
}

/* make_resolve writes "HOST:PORT:ADDRESS,ADDRESS". */
static struct curl_slist *make_resolve(const struct client_host *host,
                                       const struct addrinfo *addresses)
{
    char text[HTTP_CLIENT_HOST_BYTES + ADDRESSES_MAX * (INET6_ADDRSTRLEN + 3) + 16];
    int len = snprintf(text, sizeof(text), "%s:%u:", host->name, (unsigned)host->port);
    unsigned count = 0;
    for (const struct addrinfo *a = addresses; a != NULL && count < ADDRESSES_MAX; a = a->ai_next) {
        char address[INET6_ADDRSTRLEN];
        const bool is_v6 = a->ai_family == AF_INET6;
        const void *bytes =
            is_v6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr
                : (const void *)&((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr;
        if (inet_ntop(a->ai_family, bytes, address, sizeof(address)) != NULL) {
            len += snprintf(text + len, sizeof(text) - (size_t)len, is_v6 ? "%s[%s]" : "%s%s",
                            count == 0 ? "" : ",", address);
            count++;
        }
    }
    return count == 0 ? NULL : curl_slist_append(NULL, text);
}

static struct http_client_transfer *first_waiting(const struct client_host *host)
{
    return CONTAINER_OF(host->waiting.next, struct http_client_transfer, wait);
}

static void on_looked_up(void *arg, int status, struct addrinfo *addresses)
{
    struct client_host *host = arg;
    host->lookup = NULL;
    if (addresses != NULL) {
        struct curl_slist *resolve = make_resolve(host, addresses);
        freeaddrinfo(addresses);
        status = resolve == NULL ? UV_ENOMEM : 0;
        if (resolve != NULL) {
            curl_slist_free_all(host->resolve);
            host->resolve = resolve;
        }
    }
    while (!list_is_empty(&host->waiting)) {
        struct http_client_transfer *transfer = first_waiting(host);
        list_unlink(&transfer->wait);
        if (status < 0) {
            transfer->client->events->end(transfer, status);
        } else {
            host->expires_ms = loop_now_ms(transfer->client->options.loop) + KEEP_MS;
            transfer->client->events->start(transfer);
        }
    }
}

int client_names_want(struct http_client_transfer *transfer)
{
    struct client_host *host = transfer->host;
    const struct http_client *client = transfer->client;
    if (host->resolve != NULL && loop_now_ms(client->options.loop) < host->expires_ms) {
        return 1;
    }
    if (host->lookup == NULL) {
        const int rc = lookup_start(client->options.lookups, host->name, host->port, on_looked_up,
                                    host, &host->lookup);
        if (rc < 0) {
            return rc;
        }
    }
    list_push_back(&host->waiting, &transfer->wait);
    return 0;
}

void client_names_stop(struct http_client *client)
{
    for (size_t i = 0; i < CLIENT_HOSTS_MAX; i++) {
        struct client_host *host = &client->hosts[i];
        if (host->lookup != NULL) {
            lookup_cancel(host->lookup);
            host->lookup = NULL;
        }
        forget(host);
    }
}
