/* SPDX-License-Identifier: MIT
 *
 * sql_dial.c - why a server cannot be reached: each address of its name, and the system's words.
 */
#include "core/sql/sql_dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/loop/loop.h"

#define TEXT_BYTES 128

/* wait_connected waits for a socket that connects. Returns: 0; a negative UV_*. */
static int wait_connected(int fd, uint64_t timeout_ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    const int n = poll(&pfd, 1, (int)timeout_ms);
    if (n == 0) {
        return UV_ETIMEDOUT;
    }
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        return -errno;
    }
    return -error;
}

static int try_address(const struct sockaddr *address, socklen_t len, uint64_t timeout_ms)
{
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int rc = connect(fd, address, len) == 0 ? 0 : -errno;
    if (rc == -EINPROGRESS) {
        rc = wait_connected(fd, timeout_ms);
    }
    (void)close(fd);
    return rc;
}

static bool explain_socket(const char *path, char *out, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char why[TEXT_BYTES];
    if (strlen(path) >= sizeof(address.sun_path)) {
        return false; /* the library's text says so */
    }
    memcpy(address.sun_path, path, strlen(path));
    const int rc = try_address((const struct sockaddr *)&address, sizeof(address), 0);
    if (rc == 0) {
        return false;
    }
    (void)uv_strerror_r(rc, why, sizeof(why));
    (void)snprintf(out, size, "cannot connect to %s: %s", path, why);
    return true;
}

/* explain_addresses writes the error of the last address: if a name has several, it is as good as
 * any. */
static bool explain_addresses(const struct addrinfo *addresses, uint16_t port, uint64_t timeout_ms,
                              char *out, size_t size)
{
    bool is_explained = false;
    for (const struct addrinfo *one = addresses; one != NULL; one = one->ai_next) {
        char numeric[TEXT_BYTES] = "?";
        char why[TEXT_BYTES];
        const int rc = try_address(one->ai_addr, one->ai_addrlen, timeout_ms);
        if (rc == 0) {
            return false;
        }
        (void)getnameinfo(one->ai_addr, one->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                          NI_NUMERICHOST);
        (void)uv_strerror_r(rc, why, sizeof(why));
        (void)snprintf(out, size, "cannot connect to %s port %u: %s", numeric, (unsigned)port, why);
        is_explained = true;
    }
    return is_explained;
}

bool sql_dial_explain(const char *host, uint16_t port, uint64_t timeout_ms, char *out, size_t size)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses;
    char service[8];
    if (host[0] == '/') {
        return explain_socket(host, out, size);
    }
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    const int rc = getaddrinfo(host, service, &hints, &addresses);
    if (rc != 0) {
        (void)snprintf(out, size, "no address of %s: %s", host, gai_strerror(rc));
        return true;
    }
    const bool is_explained = explain_addresses(addresses, port, timeout_ms, out, size);
    freeaddrinfo(addresses);
    return is_explained;
}
