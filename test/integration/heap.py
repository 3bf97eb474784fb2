# SPDX-License-Identifier: MIT
"""The profiles of memory of a server, and which builds have them."""

import httpx

import server as server_module
from conftest import binary_path
from pprof_decode import decode_named, has_frame

ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE = range(4)
MIB = 1 << 20
BIG = 8 * MIB  # missed by the sampler once in ten million times


def has_jemalloc():
    """Whether the tested build allocates with it; where a sanitizer does there are no profiles."""
    with open(binary_path("TOQ_TEST_SERVER", "build/release/toq_test_server"), "rb") as file:
        return b"libjemalloc.so" in file.read()


def ask(server, name):
    return httpx.get(server.url(f"/debug/pprof/{name}", "pprof"), timeout=server_module.PATIENCE_S)


def call(server, path):
    answer = httpx.get(server.url(path), timeout=server_module.PATIENCE_S)
    assert answer.status_code == 200


def wait_sampling(server):
    """Waits for what the sampling waits for: tables that tell how to walk stacks."""
    def is_sampling():
        call(server, f"/test/churn?count=1&bytes={BIG}")
        return 'toq_profiler_samples_total{profile="heap"} 0\n' not in httpx.get(
            server.url("/metrics", "metrics"), timeout=server_module.PATIENCE_S).text
    server_module.wait_until(is_sampling, "the sampling to begin")


def take(server, name="heap"):
    answer = ask(server, name)
    assert answer.status_code == 200, answer.text
    return decode_named(answer.content, name.partition("?")[0])


def total(profile, function, value):
    """What a function and all that it calls allocated."""
    return profile.total(lambda sample: has_frame(sample, function), value)
