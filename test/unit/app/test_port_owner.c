/* SPDX-License-Identifier: MIT
 *
 * test_port_owner.c - the process that listens on a port is found: this one, one of IPv6, a child;
 * and nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/app/port_owner.h"
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* bind_any takes a free port of an address. */
static int bind_any(int family, uint16_t *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    memset(&address, 0, sizeof(address));
    socklen_t len = family == AF_INET ? sizeof(address.v4) : sizeof(address.v6);
    address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        address.v6.sin6_addr = in6addr_loopback;
    }
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (bind(fd, &address.any, len) != 0) {
        assert_int_equal(close(fd), 0);
        return -1;
    }
    assert_int_equal(getsockname(fd, &address.any, &len), 0);
    *ret_port = ntohs(family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return fd;
}

/* bind_alone takes a port on which nobody listens at another address either, as other tests do. */
static int bind_alone(int family, uint16_t *ret_port)
{
    struct port_owner owner;
    int fd = bind_any(family, ret_port);
    while (fd >= 0 && port_owner_find(*ret_port, &owner)) {
        assert_int_equal(close(fd), 0);
        fd = bind_any(family, ret_port);
    }
    return fd;
}

static void assert_own(int family)
{
    struct port_owner owner;
    char name[PORT_OWNER_NAME_BYTES];
    uint16_t port;
    const int fd = bind_alone(family, &port);
    if (fd < 0 && family == AF_INET6) {
        return; /* the machine has no ::1 */
    }
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_true(port_owner_find(port, &owner));
    assert_int_equal(owner.pid, getpid());
    assert_string_equal(owner.name, name);
    assert_int_equal(close(fd), 0);
    assert_false(port_owner_find(port, &owner));
}

static void test_this_process(void **state)
{
    (void)state;
    assert_own(AF_INET);
    assert_own(AF_INET6);
}

static void test_a_port_that_is_bound_but_not_listened_on(void **state)
{
    (void)state;
    struct port_owner owner;
    uint16_t port;
    const int fd = bind_alone(AF_INET, &port);
    assert_true(fd >= 0);
    assert_false(port_owner_find(port, &owner));
    assert_int_equal(close(fd), 0);
}

/* A name with a space and a parenthesis, which end fields in other files of /proc. */
static void test_another_process(void **state)
{
    (void)state;
    int named[2];
    uint16_t port;
    const int fd = bind_alone(AF_INET, &port);
    assert_true(fd >= 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(pipe(named), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_NAME, "a (b) c");
        (void)!write(named[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(named[0], &byte, 1), 1);
    assert_int_equal(close(fd), 0); /* the child has it alone */
    struct port_owner owner;
    assert_true(port_owner_find(port, &owner));
    assert_int_equal(owner.pid, child);
    assert_string_equal(owner.name, "a (b) c");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(close(named[0]) + close(named[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_process),
        cmocka_unit_test(test_a_port_that_is_bound_but_not_listened_on),
        cmocka_unit_test(test_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
