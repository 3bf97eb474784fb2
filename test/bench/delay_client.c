/* SPDX-License-Identifier: MIT
 *
 * delay_client.c - one connection that asks, waits for the answer, and asks again, for a time; then
 * prints how long the answers took.
 *
 * Output: "count p50 p99.9 max", then the SLOWEST_COUNT slowest as "when took". All are
 * nanoseconds; `when` is the wall clock's, so that it can be laid beside a profile's window.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S      1000000000u
#define SAMPLES_MAX   (4u << 20) /* of which a second brings some ten thousands */
#define SLOWEST_COUNT 5

struct sample {
    uint64_t when_ns;
    uint64_t took_ns;
};

static struct sample samples[SAMPLES_MAX];

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int open_connection(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        perror("delay_client: connect");
        return -1;
    }
    return fd;
}

/* The answers are short and come in one segment. */
static int ask(int fd, const char *request)
{
    char answer[4096];
    const size_t len = strlen(request);
    if (write(fd, request, len) != (ssize_t)len || read(fd, answer, sizeof(answer)) <= 0) {
        perror("delay_client: request");
        return -1;
    }
    return strncmp(answer, "HTTP/1.1 200", strlen("HTTP/1.1 200"));
}

static int by_took(const void *a, const void *b)
{
    const struct sample *left = a;
    const struct sample *right = b;
    return (left->took_ns > right->took_ns) - (left->took_ns < right->took_ns);
}

static void print(size_t count)
{
    qsort(samples, count, sizeof(*samples), by_took);
    printf("%zu %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", count, samples[count / 2].took_ns,
           samples[count - 1 - count / 1000].took_ns, samples[count - 1].took_ns);
    for (size_t i = 1; i <= SLOWEST_COUNT && i <= count; i++) {
        printf("%" PRIu64 " %" PRIu64 "\n", samples[count - i].when_ns, samples[count - i].took_ns);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fputs("usage: delay_client PORT PATH SECONDS\n", stderr);
        return 64;
    }
    char request[1024];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[2]);
    const int fd = open_connection(argv[1]);
    if (fd < 0) {
        return 1;
    }
    memset(samples, 0, sizeof(samples)); /* its pages are there before they are measured */
    size_t count = 0;
    const uint64_t end_ns = read_clock(CLOCK_MONOTONIC) + strtoul(argv[3], NULL, 10) * NS_PER_S;
    for (uint64_t now_ns = 0; now_ns < end_ns && count < SAMPLES_MAX; count++) {
        const uint64_t start_ns = read_clock(CLOCK_MONOTONIC);
        samples[count].when_ns = read_clock(CLOCK_REALTIME);
        if (ask(fd, request) != 0) {
            return 1;
        }
        now_ns = read_clock(CLOCK_MONOTONIC);
        samples[count].took_ns = now_ns - start_ns;
    }
    print(count);
    return 0;
}
