# SPDX-License-Identifier: MIT
"""W3C trace context: what is logged for a request has the ids of its caller's trace, or of one of its own."""

import json
import re

import pytest

import server as server_module
from http2_wire import Http2Peer
from rpc import Client, Request
from server import PATIENCE_S, wait_until
from wire import Peer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
MALFORMED = {
    "upper case": f"00-{TRACE.upper()}-{SPAN.upper()}-01",
    "version ff": f"ff-{TRACE}-{SPAN}-01",
    "no flags": f"00-{TRACE}-{SPAN}",
    "more than version 00 has": f"{PARENT}-00",
    "no span": f"00-{TRACE}-{'0' * 16}-01",
    "empty": "",
}


@pytest.fixture(scope="module", params=["text", "json"])
def server(request, test_server_binary):
    """A server that logs in one format or the other, shared by this module's tests."""
    shared = server_module.start(test_server_binary,
                                 {"LOG_LEVEL": "debug", "LOG_FORMAT": request.param})
    yield shared
    shared.close()


def over_http1(server, *parents):
    with Peer(server) as peer:
        assert peer.ask("/health/live", *(f"TraceParent: {one}" for one in parents)).status == 200


def over_http2(server, *parents):
    with Http2Peer(server) as peer:
        assert peer.ask("/health/live", *(("traceparent", one) for one in parents)).status == 200


def over_grpc(server, *parents):
    metadata = [("traceparent", one) for one in parents]
    with Client(server) as client:
        client.echo.Unary(Request(payload=b"x"), timeout=PATIENCE_S, metadata=metadata)


@pytest.fixture(params=[over_http1, over_http2, over_grpc])
def ask(request, server):
    """ask(*traceparents) makes a request with such fields, and returns the ids in its access line."""
    def ask_and_read(*parents):
        seen = len(lines_of(server, "request"))
        request.param(server, *parents)
        lines = wait_until(lambda: lines_of(server, "request")[seen:], "the access line")
        return ids_of(*lines)
    return ask_and_read


def lines_of(server, message):
    """But for those of the look for leaks after each test."""
    return [line for line in list(server.lines)
            if re.search(rf'(: |message":"){message}\b', line) and "/debug/pprof/goroutineleak" not in line]


def ids_of(line):
    """The trace_id and span_id of a line."""
    if line.startswith("{"):
        event = json.loads(line)
        ids = event["trace_id"], event["span_id"]
    else:
        ids = re.search(r" trace_id=(\S+) span_id=(\S+)$", line).groups()
    assert re.fullmatch("[0-9a-f]{32}", ids[0]) and int(ids[0], 16) != 0
    assert re.fullmatch("[0-9a-f]{16}", ids[1]) and int(ids[1], 16) != 0
    return ids


def test_a_caller_s_trace_goes_on(ask):
    first, second = ask(PARENT), ask(PARENT)
    assert first[0] == second[0] == TRACE
    assert len({first[1], second[1], SPAN}) == 3


def test_each_request_without_a_caller_begins_a_trace(ask):
    ids = [ask() for _ in range(3)]
    assert len({trace for trace, _ in ids}) == len({span for _, span in ids}) == 3


@pytest.mark.parametrize("parent", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_field_is_as_good_as_none(ask, parent):
    trace, span = ask(parent)
    assert trace.upper() != TRACE.upper() and span.upper() != SPAN.upper()


def test_a_doubled_field_is_malformed(ask):
    assert ask(PARENT, PARENT)[0] != TRACE


def test_what_a_request_logs_has_its_ids(server):
    """Every line that is written while a request is served, not its access line alone."""
    seen = len(lines_of(server, "request"))
    with Peer(server) as peer:
        answer = peer.ask("/test/header?value=a%0ab", f"traceparent: {PARENT}")
        assert answer.status == 200
    [access] = wait_until(lambda: lines_of(server, "request")[seen:], "the access line")
    assert ids_of(lines_of(server, "response field left out")[-1]) == ids_of(access)
    assert ids_of(access)[0] == TRACE


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), keys
    return dict(pairs)


def fields_of(line):
    if line.startswith("{"):
        return json.loads(line, object_pairs_hook=unique)
    return unique([(key, value.strip('"')) for key, value in re.findall(r' ([a-z_]+)=("[^"]*"|\S+)', line)])


def test_what_a_handler_logs_says_whose_it_is(server):
    """Once each, whatever the line says itself."""
    seen = len(lines_of(server, "request"))
    with Peer(server) as peer:
        own = "127.0.0.1:%d" % peer.socket.getsockname()[1]
        assert peer.ask("/test/header?value=a%0ab").status == 200
    [access] = map(fields_of, wait_until(lambda: lines_of(server, "request")[seen:], "the access line"))
    inner = fields_of(lines_of(server, "response field left out")[-1])
    for line in (access, inner):
        assert (line["route"], line["peer"]) == ("/test/header", own)
    assert int(access["task"]) == int(inner["task"]) > 0
    # an interrupt counts as CPU time: less than USAGE_LONG_NS
    assert int(access["cpu_us"]) <= int(access["duration_us"]) + 100 and "cpu_us" not in inner
    seen = len(lines_of(server, "request"))
    over_grpc(server)
    [call] = map(fields_of, wait_until(lambda: lines_of(server, "request")[seen:], "the access line"))
    assert call["rpc"].endswith("/Unary") and int(call["task"]) > 0 and call["peer"].startswith("127.0.0.1:")


def test_requests_that_are_not_answered_have_ids(start_server):
    server = start_server({"LOG_LEVEL": "debug", "REQUEST_TIMEOUT_MS": 200})
    with Peer(server) as peer:
        assert peer.ask("/test/sleep?ms=3600000&late", f"traceparent: {PARENT}").status == 503
    with Peer(server) as peer:
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert peer.answer().status == 400
    assert ids_of(server.wait_line("&late"))[0] == TRACE
    assert ids_of(server.wait_line("status=400"))[0] != TRACE


def test_lines_of_no_request_have_no_ids(server):
    for message in ("listening", "ready"):
        assert all("trace_id" not in line for line in lines_of(server, message))
        assert lines_of(server, message)
