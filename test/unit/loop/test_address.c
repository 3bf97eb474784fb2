/* SPDX-License-Identifier: MIT
 *
 * test_address.c - both families, and sockets that have neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <arpa/inet.h>

#include "core/loop/address.h"

static void assert_text(const struct sockaddr_storage *socket, uint16_t port, const char *expected)
{
    const struct address address = address_of(socket);
    char text[ADDRESS_TEXT_BYTES];
    address_format(&address, text);
    assert_int_equal(address.port, port);
    assert_string_equal(text, expected);
}

static void test_ipv4(void **state)
{
    (void)state;
    struct sockaddr_storage socket = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&socket;
    in->sin_family = AF_INET;
    in->sin_port = htons(8080);
    assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &in->sin_addr), 1);
    assert_text(&socket, 8080, "192.0.2.1:8080");
}

static void test_ipv6(void **state)
{
    (void)state;
    struct sockaddr_storage socket = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&socket;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(65535);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &in6->sin6_addr), 1);
    assert_text(&socket, 65535, "[2001:db8::1]:65535");
    assert_int_equal(
        inet_pton(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &in6->sin6_addr), 1);
    assert_text(&socket, 65535, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_an_ipv4_peer_of_an_ipv6_socket_reads_as_ipv4(void **state)
{
    (void)state;
    struct sockaddr_storage socket = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&socket;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(1);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr), 1);
    assert_text(&socket, 1, "127.0.0.1:1");
}

static void test_a_socket_without_an_address(void **state)
{
    (void)state;
    struct sockaddr_storage socket = {.ss_family = AF_UNIX};
    assert_text(&socket, 0, "[::]:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_an_ipv4_peer_of_an_ipv6_socket_reads_as_ipv4),
        cmocka_unit_test(test_a_socket_without_an_address),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
