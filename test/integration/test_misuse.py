# SPDX-License-Identifier: MIT
"""Handlers that break what http.h asks of them: what the server makes of it, and that others are served."""

import signal
import urllib.parse

import pytest

import server as server_module
from http2_wire import Http2Peer
from wire import Peer, request

# --- fields that are not the handler's to send

FIELDS = [
    ("Content-Length", "7", "it is the server's to send"),
    ("content-length", "3", "it is the server's to send"),
    ("Transfer-Encoding", "chunked", "it is the server's to send"),
    ("Connection", "close", "it is the server's to send"),
    ("Date", "Thu, 01 Jan 1970 00:00:00 GMT", "it is the server's to send"),
    ("Content-Type", "text/html", "it is the server's to send"),
    ("X Y", "bad", "its name is no token"),
    ("X:", "bad", "its name is no token"),
    ("", "bad", "its name is no token"),
    (":status", "500", "its name is no token"),
    ("X", "a\r\nSet-Cookie: b=c", "its value has a control byte"),
]
IDS = [f"{name or 'no name'} {index}" for index, (name, *_) in enumerate(FIELDS)]
OWN = {"content-type": "text/plain; charset=utf-8", "content-length": "3"}


def target(name, value):
    query = urllib.parse.urlencode({"name": name, "value": value})
    return f"/test/misuse/field?{query}"


@pytest.fixture(scope="module")
def lenient(test_server_binary):
    """A server whose handlers' fields are wrong, which it survives."""
    shared = server_module.start(test_server_binary)
    yield shared
    shared.close()


def await_lines(server, seen, count, name, reason):
    """Waits for the lines that say which field was left out, behind the `seen` ones."""
    def are_there():
        lines = [line for line in server.lines[seen:] if "a response field was left out" in line]
        return len(lines) >= count and lines
    lines = server_module.wait_until(are_there, f"the lines about {name!r}")
    assert len(lines) == count and all(reason in line and name in line for line in lines), lines


@pytest.mark.parametrize("name, value, reason", FIELDS, ids=IDS)
def test_a_field_of_http1(lenient, name, value, reason):
    seen = len(lenient.lines)
    with Peer(lenient) as peer:
        answer = peer.ask(target(name, value))
        assert answer.status == 200 and answer.body == b"ok\n"
        names = [one.lower() for one, _ in answer.fields]
        assert sorted(names) == ["content-length", "content-type", "date", "x-good"]
        assert {one: answer[one] for one in OWN} == OWN
        assert peer.ask("/test/params/a/b").body == b'"a""b"'  # the connection is as good as before
    await_lines(lenient, seen, 1, name, reason)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name, value, reason", FIELDS, ids=IDS)
def test_a_field_of_http2(lenient, name, value, reason, method):
    """POST's has trailers, too."""
    seen = len(lenient.lines)
    with Http2Peer(lenient) as peer:
        answer = peer.ask(target(name, value), method=method, body=b"" if method == "POST" else None)
        assert answer.status == 200 and answer.body == b"ok\n"
        assert sorted(one for one, _ in answer.fields) == [
            ":status", "content-length", "content-type", "date", "x-good"]
        assert {one: answer[one] for one in OWN} == OWN
        assert answer.trailers == ([("x-good", "yes")] if method == "POST" else [])
        assert peer.ask(stream=3).body == b'"a""b"'
    await_lines(lenient, seen, 2 if method == "POST" else 1, name, reason)


# --- what must outlive the handler

def end_of(server, path):
    """What a server says that is asked for what it does not survive."""
    with Peer(server) as peer:
        peer.send(request(path))
        assert peer.rest() == b""
    assert server.wait_exit() == -signal.SIGABRT
    return server.stderr()


def test_a_query_on_the_stack(start_server):
    """Its callback comes when the handler has returned."""
    said = end_of(start_server(), "/test/misuse/query-on-stack")
    assert "toq: REQUIRE(sql_query_start: its struct outlives the callback" in said


def test_a_command_on_the_stack(start_server):
    said = end_of(start_server(), "/test/misuse/command-on-stack")
    assert "toq: REQUIRE(redis_send: its struct outlives the callback" in said
