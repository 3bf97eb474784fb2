# SPDX-License-Identifier: MIT
"""Profiles name gRPC calls by an rpc label, where requests have route and method."""

import threading
import urllib.request

import grpc
import pytest

from pprof_decode import decode_cpu, decode_named
from pprof_load import is_sanitized
from rpc import Client, Request
from server import PATIENCE_S, wait_until

UNARY = "toq.test.v1.Echo/Unary"
CHAT = "toq.test.v1.Echo/Chat"


def fetch(server, path):
    url = f"http://127.0.0.1:{server.ports['pprof']}/debug/pprof/{path}"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def client(test_server):
    with Client(test_server) as one:
        yield one


def samples_of(profile, rpc):
    assert not [sample for sample in profile.samples if sample.labels.get("route") == f"/{rpc}"]
    found = [sample for sample in profile.samples if sample.labels.get("rpc") == rpc]
    for sample in found:
        assert "route" not in sample.labels and "method" not in sample.labels
    return found


@pytest.fixture
def load(client):
    """Calls of Unary one after the other, each of which compresses and allocates."""
    is_over = threading.Event()

    def call():
        while not is_over.is_set():
            client.echo.Unary(Request(size=3_000_000, compression="COMPRESSION_ON"),
                              timeout=PATIENCE_S)
    thread = threading.Thread(target=call)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_cpu(test_server, load):
    profile = decode_cpu(fetch(test_server, "profile?seconds=1"), 1)
    assert samples_of(profile, UNARY)
    assert any("grpc_gzip_deflate" in [frame.function for frame in sample.frames]
               for sample in samples_of(profile, UNARY))


def test_heap(test_server, load):
    if is_sanitized(test_server.binary):
        return  # it has its sanitizer's malloc

    def found():
        return samples_of(decode_named(fetch(test_server, "allocs"), "allocs"), UNARY)
    wait_until(found, "an allocation of a call to be sampled")


def test_goroutine_and_block(test_server, client):
    call = client.echo.Unary.future(Request(is_stuck=True))
    chat = client.echo.Chat(iter(threading.Event().wait, True))

    def parked():
        profile = decode_named(fetch(test_server, "goroutine"), "goroutine")
        return [sample.labels.get("state") for sample in samples_of(profile, UNARY)] == ["stuck"] \
            and samples_of(profile, CHAT)
    wait_until(parked, "the calls to be parked")
    dump = fetch(test_server, "goroutine?debug=2").decode()
    assert f"[stuck] {{rpc: {UNARY}}}:\n" in dump
    assert f"{{rpc: {CHAT}}}:\n" in dump
    call.cancel()
    chat.cancel()

    def waited():
        profile = decode_named(fetch(test_server, "block"), "block")
        return samples_of(profile, UNARY)
    wait_until(waited, "the wait to be counted")
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
        call.result()
