# SPDX-License-Identifier: MIT
"""Handlers that break what http.h asks of them: what the server makes of it, and that others are served."""

import signal
import urllib.parse

import pytest

import rpc
import server as server_module
from flight_decode import Trace, check
from http2_wire import Http2Peer, fields
from wire import Peer, request, reset_on_close

# --- fields that are not the handler's to send

WRONG_FIELDS = [
    ("Content-Length", "7", "only the server may send it"),
    ("content-length", "3", "only the server may send it"),
    ("Transfer-Encoding", "chunked", "only the server may send it"),
    ("Connection", "close", "only the server may send it"),
    ("Date", "Thu, 01 Jan 1970 00:00:00 GMT", "only the server may send it"),
    ("Content-Type", "text/html", "only the server may send it"),
    ("X Y", "bad", "its name is not a token"),
    ("X:", "bad", "its name is not a token"),
    ("", "bad", "its name is not a token"),
    (":status", "500", "its name is not a token"),
    ("X", "a\r\nSet-Cookie: b=c", "its value has a control byte"),
]
IDS = [f"{name or 'no name'} {index}" for index, (name, *_) in enumerate(WRONG_FIELDS)]
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
        lines = [line for line in server.lines[seen:] if "response field left out" in line]
        return len(lines) >= count and lines
    lines = server_module.wait_until(are_there, f"the lines about {name!r}")
    assert len(lines) == count and all(reason in line and name in line for line in lines), lines


@pytest.mark.parametrize("name, value, reason", WRONG_FIELDS, ids=IDS)
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
@pytest.mark.parametrize("name, value, reason", WRONG_FIELDS, ids=IDS)
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


def test_an_answer_from_a_thread(start_server):
    said = end_of(start_server(), "/test/misuse/thread")
    assert "toq: REQUIRE(http_respond: called on the loop's own thread)" in said


# --- answers that are one too many

TWICE = ["/test/misuse/twice", "/test/misuse/end-twice"]
ENDED = "the request has ended already"


@pytest.mark.parametrize("protocol", [Peer, Http2Peer])
@pytest.mark.parametrize("path", [*TWICE, "/test/misuse/twice-later"])
def test_a_second_answer_aborts(start_server, path, protocol):
    """Under MISUSE=abort, which is what development has."""
    server = start_server()
    with protocol(server) as peer:
        if protocol is Peer:
            peer.send(request(path))
        else:
            peer.send(peer.headers(1, fields(path)))
        assert server.wait_exit() == -signal.SIGABRT
    said = server.stderr()
    call = "http_stream_write" if "end" in path else "http_respond"
    assert f"toq: misuse: {call} for GET {path}: {ENDED}; stack +0x" in said


@pytest.mark.parametrize("protocol", [Peer, Http2Peer])
@pytest.mark.parametrize("path", [*TWICE, "/test/misuse/twice-later"])
def test_a_second_answer_is_dropped(start_server, path, protocol):
    """Under MISUSE=log: the first is whole, and those of others are their own."""
    server = start_server({"MISUSE": "log"})
    with protocol(server) as peer, protocol(server) as other:
        for turn in range(20):
            number = {} if protocol is Peer else {"stream": 2 * turn + 1}
            assert peer.ask(path, **number).body == b"first\n"
            assert other.ask(f"/test/params/{turn}/b", **number).body == b'"%d""b"' % turn
        number = {} if protocol is Peer else {"stream": 41}
        assert peer.ask("/test/params/a/b", **number).body == b'"a""b"'
    line = server.wait_line("misuse by a handler")
    assert ENDED in line and path in line and " ERROR " in line
    assert active(server) == 1


@pytest.mark.parametrize("code", [0, 5])
def test_a_call_that_ends_twice_aborts(start_server, code):
    server = start_server()
    with rpc.Client(server) as client:
        rpc.refusal(lambda: client.echo.Unary(rpc.Request(ends_twice=True, code=code)))
    assert server.wait_exit() == -signal.SIGABRT
    name = "grpc_end" if code else "grpc_respond"
    assert f"toq: misuse: {name} for POST {rpc.UNARY}: {ENDED}" in server.stderr()


def test_a_call_that_ends_twice_is_dropped(start_server):
    """The calls behind it on its connection are served."""
    server = start_server({"MISUSE": "log"})
    with rpc.Client(server) as client:
        for turn in range(20):
            asked = rpc.Request(payload=b"first", ends_twice=True, code=turn % 2 * 5)
            if turn % 2:
                assert rpc.refusal(lambda: client.echo.Unary(asked)).code().value[0] == 5
            else:
                assert client.echo.Unary(asked).payload == b"first"
            assert client.echo.Unary(rpc.Request(payload=b"%d" % turn)).payload == b"%d" % turn
    assert ENDED in server.wait_line("misuse by a handler")
    assert active(server) == 1


@pytest.mark.parametrize("code", [0, 99, 100, 199, 600, 1000])
def test_a_status_that_is_none(start_server, code):
    """An interim one is none for an answer: what follows on the connection would be taken for its end."""
    said = end_of(start_server(), f"/test/misuse/status?code={code}")
    assert "toq: misuse: http_respond for GET /test/misuse/status: the status is not 200 to 599" in said
    server = start_server({"MISUSE": "log"})
    with Peer(server) as peer:
        assert peer.ask(f"/test/misuse/status?code={code}").status == 500
        assert peer.ask("/test/misuse/status?code=299").status == 299


# --- answers that come too late

LATE_MS = 3000  # the client leaves before, also on a slow machine

def late_answers(server, path):
    series = f'toq_late_answers_total{{route="{path}"}}'
    return rpc.scrape(server).get(series, 0)


def active(server):
    """How many requests are in flight, the one that asks included."""
    return sum(value for series, value in rpc.scrape(server).items()
               if series.startswith("http_server_active_requests"))


def ask_and_leave(server, protocol, path):
    with protocol(server) as peer:
        if protocol is Peer:
            peer.send(request(path))
        else:
            peer.send(peer.headers(1, fields(path)))
            peer.assert_alive()
        server_module.wait_until(lambda: active(server) > 1, "the request")
        reset_on_close(peer.socket)


@pytest.mark.parametrize("protocol", [Peer, Http2Peer])
def test_a_late_answer(start_server, protocol):
    """on_cancel ends the request, and what was started for it goes on: never an abort, for any peer that hangs up
    could cause it."""
    server, path = start_server(), "/test/misuse/late"
    with Peer(server) as other:
        for turn in range(5):
            ask_and_leave(server, protocol, f"{path}?ms={LATE_MS}")
            assert other.ask(f"/test/params/{turn}/b").body == b'"%d""b"' % turn
        server_module.wait_until(lambda: late_answers(server, path) == 5, "five late answers")
        assert other.ask(f"{path}?ms=1").body == b"late\n"  # in time
    server.wait_line("late answer dropped")
    lines = [line for line in server.lines if "late answer dropped" in line]
    assert len(lines) == 1 and f"route={path}" in lines[0] and "stack=" in lines[0], lines
    assert " WARN " in lines[0]


@pytest.mark.parametrize("protocol", [Peer, Http2Peer])
def test_a_reference_that_is_stale(start_server, protocol):
    server, path = start_server(), "/test/misuse/late-ref"
    with Peer(server) as other:
        for turn in range(3):
            ask_and_leave(server, protocol, f"{path}?ms={LATE_MS}")
        server_module.wait_until(lambda: other.ask("/test/misuse/stale").body == b"3", "the references")
        assert other.ask(f"{path}?ms=1").body == b"late\n"
    assert not server.has_line("late answer dropped")


def test_a_query_that_goes_on(start_server, services):
    """The classic mistake: its request is ended, and its answer comes."""
    server, path = start_server(services.variables), "/test/misuse/query-goes-on"
    with Peer(server) as other:
        assert other.ask(path).body == b"late\n"
        ask_and_leave(server, Peer, path)
        server_module.wait_until(lambda: late_answers(server, path) == 1, "a late answer")
        assert other.ask("/test/params/a/b").body == b'"a""b"'
    assert "late answer dropped" in server.wait_line("late answer dropped")
    with Peer(server, "pprof") as peer:
        trace = check(Trace(peer.ask("/debug/flight?ago=3600s").body))
    _, left = [one for one in trace.requests() if one.name == path]  # which ended when its client left
    assert "began" not in left.notes
    assert trace.callbacks(left.notes["id"])[-1].begin_ns > left.end_ns
