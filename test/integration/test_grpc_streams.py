# SPDX-License-Identifier: MIT
"""Streams of gRPC that are longer than the server may remember: its memory stays flat."""

import pytest

import streams
from pprof_load import is_deferring
from rpc import Client

WARM_COUNT = 16  # messages of 1 MiB
COUNT = 128
GROWTH_BYTES = 32 << 20  # of 128 MiB; a sanitizer's own memory grows with ours


@pytest.mark.parametrize("kind", list(streams.KINDS))
def test_memory_stays_flat_with_a_slow_reader(start_server, test_server_binary, kind):
    # The sanitizer would keep what is freed, up to 256 MiB.
    server = start_server({"ASAN_OPTIONS": "quarantine_size_mb=1"})
    with Client(server) as client:
        before, most = streams.run(server, client, kind, WARM_COUNT, COUNT)
    # ThreadSanitizer has a shadow of what is touched, which is larger than that.
    assert most - before < GROWTH_BYTES * (3 if is_deferring(test_server_binary) else 1)
