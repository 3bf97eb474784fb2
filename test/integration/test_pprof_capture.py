# SPDX-License-Identifier: MIT
"""A capture as a request: its length, its answer, who may have one, and what ends it."""

import gzip
import math
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import server as server_module
from pprof_decode import Profile, decode_cpu
from pprof_load import BUSY, capture, capture_when_free, get_profile, wait_captured
from wire import reset_on_close

CAP_S = 2


def open_capture(server, seconds):
    """Asks for a profile and returns the connection, when the capture has begun."""
    peer = server.connect("pprof")
    peer.sendall(f"GET /debug/pprof/profile?seconds={seconds} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    wait_captured(server)
    return peer


def query_length_s(server, query):
    """The length of the capture that a query string asks for, to the millisecond."""
    answer = httpx.get(server.url(f"/debug/pprof/profile?{query}", "pprof"),
                       timeout=server_module.PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return math.ceil(Profile(answer.content).message.duration_nanos / 1e6) / 1e3


def test_the_answer_is_a_gzip_file_to_save(server):
    answer = get_profile(server, 1)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="profile"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers and "x-go-pprof" not in answer.headers
    assert answer.content[:2] == b"\x1f\x8b" and gzip.decompress(answer.content)


def test_compression_that_a_client_accepts_is_not_announced(server):
    answer = get_profile(server, 1, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    decode_cpu(answer.content, 1)


def test_head_has_the_fields_and_no_body(server):
    answer = httpx.head(server.url("/debug/pprof/profile?seconds=1", "pprof"), timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="profile"'


@pytest.mark.parametrize("query", ["seconds=1", "seconds=%2B1", "seconds=01", "seconds=%31",
                                   "debug=1&gc=1&seconds=1"])
def test_seconds_is_a_whole_number(server, query):
    # 30, which stands for anything else, would be far off even on a busy machine.
    assert 1 <= query_length_s(server, query) < 20


def test_anything_but_a_number_of_seconds_is_thirty_and_all_is_capped(start_server):
    queries = ["", "seconds=", "seconds=0", "seconds=-1", "seconds=0.5", "seconds=abc", "seconds=+1",
               "seconds=1s", "seconds=0x1", "seconds=30", "seconds=9223372036854775807",
               "seconds=99999999999999999999", "Seconds=1"]
    servers = [start_server({"PPROF_MAX_SECONDS": CAP_S}) for _ in queries]
    with ThreadPoolExecutor(len(queries)) as pool:
        lengths = dict(zip(queries, pool.map(query_length_s, servers, queries)))
    assert all(CAP_S <= length < 20 for length in lengths.values()), lengths


def test_a_capture_outlasts_the_timeouts_of_other_requests(start_server):
    hasty = start_server({"REQUEST_TIMEOUT_MS": 300, "IDLE_TIMEOUT_MS": 300, "BODY_TIMEOUT_MS": 300,
                          "WRITE_TIMEOUT_MS": 300, "HEADER_TIMEOUT_MS": 300})
    capture(hasty, 2)


def test_a_second_capture_gets_gos_error(server):
    with open_capture(server, 2) as first:
        for method in ("GET", "HEAD"):
            answer = httpx.request(method, server.url("/debug/pprof/profile?seconds=1", "pprof"))
            assert answer.status_code == 500
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-go-pprof"] == "1"
            assert "content-disposition" not in answer.headers
            assert answer.text == (BUSY if method == "GET" else "")
        assert first.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")  # not disturbed


def test_other_routes_answer_during_a_capture(server):
    with open_capture(server, 60):
        for path in ("", "cmdline", "symbol", "symbol?0x1"):
            answer = httpx.get(server.url(f"/debug/pprof/{path}", "pprof"))
            assert answer.status_code == 200


@pytest.mark.parametrize("leave", ["close", "reset", "shut down both", "half", "unread"])
def test_a_client_that_leaves_ends_the_capture(start_server, leave):
    lonely = start_server()
    peer = open_capture(lonely, 60)
    if leave == "reset":
        reset_on_close(peer)
    elif leave == "shut down both":
        peer.shutdown(socket.SHUT_RDWR)
    elif leave == "half":
        peer.shutdown(socket.SHUT_WR)
    elif leave == "unread":
        peer.sendall(bytes(90000))
    if leave != "half":
        peer.close()
    capture_when_free(lonely, 1)
    peer.close()


@pytest.mark.parametrize("query, is_answered", [
    ("threadcreate", True), ("goroutine?debug=1", True), ("goroutine?seconds=60", False)])
def test_a_fin_ends_what_takes_a_window(server, query, is_answered):
    with server.connect("pprof") as peer:
        peer.sendall(f"GET /debug/pprof/{query} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        peer.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") == is_answered
    assert is_answered or answer == b""


def test_captures_back_to_back_on_one_connection(server):
    with httpx.Client(timeout=60) as client:
        for _ in range(2):
            url = server.url("/debug/pprof/profile?seconds=1", "pprof")
            decode_cpu(client.get(url).content, 1)


def test_a_drain_waits_for_a_capture(start_server):
    draining = start_server()
    with open_capture(draining, 2) as peer:
        draining.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    decode_cpu(body, 2)
    assert draining.wait_exit() == 0


def test_a_drain_that_runs_out_of_time_cancels_a_capture(start_server):
    draining = start_server({"SHUTDOWN_TIMEOUT_MS": 200})
    with open_capture(draining, 60) as peer:
        draining.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503 ")
    assert draining.wait_exit() == 0
    assert draining.has_line("shutdown timed out")
