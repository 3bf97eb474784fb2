# SPDX-License-Identifier: MIT
"""HTTP/2 at work: many streams on a connection, flow control, cancellation, streamed bodies, and what a
client sees of the limits that all protocols share."""

import socket
import subprocess

import pytest
from http2_wire import (ACK, CANCEL, DATA, END_STREAM, FLOW_CONTROL_ERROR, GOAWAY, HEADERS,
                        INITIAL_WINDOW_SIZE, NO_ERROR, PING, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
                        Http2Peer, fields, frame, ping, rst, window_update)
from scrape import Scrape
from server import wait_until
from wire import Peer, request

WINDOW = 1 << 20


@pytest.fixture
def peer(test_server):
    with Http2Peer(test_server) as one:
        yield one


def curl(server, path, *arguments):
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_code} %{http_version}",
         *arguments, server.url(path)], capture_output=True, check=True, timeout=60)
    body, line = done.stdout.decode().rsplit("\n", 1)
    return body, line


def number(server, path):
    with Peer(server) as one:
        return int(one.ask(path).body)


# --- the same requests as over HTTP/1


def test_curl(test_server):
    assert curl(test_server, "/test/params/a/b") == ('"a""b"', "200 2")
    assert curl(test_server, "/test/echo", "-d", "hello") == ("hello", "200 2")
    assert curl(test_server, "/health/live")[1] == "200 2"
    assert curl(test_server, "/nothing")[1] == "404 2"


@pytest.mark.parametrize("listener, path", [("metrics", "/metrics"), ("pprof", "/debug/pprof/")])
def test_every_listener(test_server, listener, path):
    with Http2Peer(test_server, listener) as peer:
        assert peer.ask(path).status == 200


@pytest.mark.parametrize("target, method, status", [
    ("/test/nothing", "GET", 404),
    ("/test/echo", "GET", 405),
    ("/test/echo", "OPTIONS", 204),
    ("*", "OPTIONS", 204),
    ("/test/echo", "TRACE", 501),
    ("/test/params/%zz/b", "GET", 400),
    ("/test/params/a/b#c", "GET", 400),
    ("/test/params/\xe9/b", "GET", 400),
    ("/" + "q" * 8192, "GET", 414),
])
def test_statuses(peer, target, method, status):
    answer = peer.ask(target, method=method)
    assert answer.status == status
    if status in (204, 405):
        assert "OPTIONS" in answer["allow"]
    assert peer.ask(stream=3).status == 200


def test_connect(peer):
    peer.send(peer.headers(1, [(":method", "CONNECT"), (":authority", "test:80")], end=False))
    assert peer.answer().status == 501


def test_head_of_a_streamed_answer(peer):
    answer = peer.ask("/test/stream?bytes=100000", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("more, status", [
    ([("x-pad", "p" * 16384)], 431),
    ([(f"x-{i}", "v") for i in range(100)], 431),
    ([("content-length", "1048577")], 413),
    ([("expect", "100-continue-not")], 417),
    ([("host", "another")], 400),
])
def test_refused_heads(peer, more, status):
    """The answer comes though the body does not; the stream is given back when too much of that comes."""
    peer.send(*in_frames(peer, fields("/test/echo", *more, method="POST")))
    assert peer.answer().status == status
    peer.send(*[frame(DATA, 0, 1, bytes(16384))] * 5)
    assert peer.await_frame(RST_STREAM, stream=1).code == NO_ERROR
    assert peer.ask(stream=3).status == 200


def ask_too_much(peer, *behind):
    """A request that is refused before its body comes; returns the kinds of frames on stream 1 that come
    up to the answer to a PING behind it."""
    pairs = fields("/test/echo", ("content-length", "1048577"), method="POST")
    peer.send(peer.headers(1, pairs, end=False), *behind, ping(b"and then"))
    kinds = []
    for one in peer.frames():
        if one.kind == PING and one.payload == b"and then":
            return kinds
        if one.stream == 1:
            kinds.append(one.kind)
    raise AssertionError("the connection ended")


def test_a_refusal_leaves_time_to_end_the_request(peer):
    """A peer that has not read it yet is not reset for what it still sends, and errors in that are told."""
    assert ask_too_much(peer) == [HEADERS, DATA]
    peer.send(frame(DATA, 0, 1, bytes(16384)), frame(DATA, END_STREAM, 1, bytes(16384)))
    assert peer.await_frame(RST_STREAM, stream=1).code == PROTOCOL_ERROR  # it is not as long as it said
    assert peer.ask(stream=3).status == 200


def test_a_refusal_ends_a_request_that_goes_on(peer):
    assert ask_too_much(peer, *[frame(DATA, 0, 1, bytes(16384))] * 4) == [HEADERS, DATA]
    peer.send(frame(DATA, 0, 1, bytes(16384)), ping(b"too much"))
    assert peer.await_frame(RST_STREAM, stream=1).code == NO_ERROR
    peer.await_frame(PING, ACK)
    peer.send(frame(DATA, END_STREAM, 1, bytes(16384)))  # on its way
    assert peer.ask(stream=3).status == 200


def in_frames(peer, pairs, stream=1):
    """HEADERS without END_STREAM and as many CONTINUATIONs as it takes."""
    block = peer.block(pairs)
    pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
    for i, piece in enumerate(pieces):
        yield frame(HEADERS if i == 0 else 9, 4 if i + 1 == len(pieces) else 0, stream, piece)


@pytest.mark.parametrize("pairs", [
    [("host", "test")], [("host", "test"), (":authority", "test")]])
def test_host(peer, pairs):
    pseudo = [pair for pair in fields() if pair[0] != ":authority"]
    peer.send(peer.headers(1, pseudo + sorted(pairs)))
    assert peer.answer().status == 200


def test_bad_authority(peer):
    pairs = [(name, "a/b" if name == ":authority" else value) for name, value in fields()]
    peer.send(peer.headers(1, pairs))
    for one in peer.frames():
        if one.stream == 1 and one.kind in (HEADERS, RST_STREAM):
            assert one.kind == RST_STREAM or dict(one.pairs)[":status"] == "400"
            return


def test_body_over_the_limit(peer):
    peer.send(peer.headers(1, fields("/test/echo", method="POST"), end=False))
    for _ in range(65):
        peer.send(frame(DATA, 0, 1, bytes(16384)))
    assert peer.answer().status == 413
    peer.send(*[frame(DATA, 0, 1, bytes(16384))] * 5)
    assert peer.await_frame(RST_STREAM, stream=1).code == NO_ERROR
    assert peer.ask(stream=3).status == 200


def test_expect_continue(peer):
    peer.send(peer.headers(1, fields("/test/echo", ("expect", "100-continue"), method="POST"),
                           end=False))
    assert dict(peer.await_frame(HEADERS, stream=1).pairs)[":status"] == "100"
    peer.send(frame(DATA, END_STREAM, 1, b"test"))
    assert peer.answer().body == b"test"


def test_response_fields(peer):
    answer = peer.ask("/test/header?value=some")
    assert answer["x-test"] == "some" and answer["date"].endswith(" GMT")
    assert answer["connection"] is None
    assert peer.ask("/test/header?value=a%0ab", stream=3)["x-test"] is None


def test_byte_by_byte(peer):
    for byte in peer.headers(1, fields("/test/echo", method="POST"), end=False) + frame(
            DATA, END_STREAM, 1, b"test"):
        peer.send(bytes([byte]))
    assert peer.answer().body == b"test"


def test_counted(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        assert peer.ask("/test/echo", method="POST", body=b"test").status == 200
        assert peer.ask("/test/params/a/b", stream=3).status == 200
        peer.send(peer.headers(5, fields("/test/relay", method="POST"), end=False),
                  frame(DATA, END_STREAM, 5, bytes(1000)))
        assert peer.answer(5).status == 200
    scrape = Scrape(server)
    assert scrape.requests("/test/echo", method="POST") == 1
    assert scrape.requests("/test/params/:a/:b") == 1
    assert scrape.get("http_server_request_body_size_bytes_sum", http_route="/test/relay") == 1000
    assert scrape.get("http_server_response_body_size_bytes_sum", http_route="/test/relay") == 1000


# --- many streams


def test_a_slow_stream_holds_up_no_other(peer):
    peer.send(peer.headers(1, fields("/test/sleep?ms=300")), peer.headers(3))
    assert peer.answer(3).status == 200
    assert peer.answer(1).body == b"slept\n"


def test_1000_streams_at_once(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 1000})
    with Http2Peer(server) as peer:
        peer.send(*[peer.headers(1 + 2 * i, fields("/test/sleep?ms=3000")) for i in range(1000)])
        wait_until(lambda: Scrape(server).get("http_server_active_requests") >= 1000, "all at work")
        ended = set()
        for one in peer.frames():
            if one.kind == HEADERS:
                assert dict(one.pairs)[":status"] == "200"
            if one.is_end:
                ended.add(one.stream)
            if len(ended) == 1000:
                break
        peer.assert_alive()


def test_h2load(test_server):
    done = subprocess.run(["h2load", "-n", "20000", "-c", "8", "-m", "100",
                           test_server.url("/test/params/a/b")], capture_output=True, check=True,
                          timeout=60)
    assert b"20000 succeeded, 0 failed" in done.stdout, done.stdout


def test_handlers_of_reset_streams_count(start_server):
    """Else a client could keep any number of them at work by resetting each."""
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 10})
    with Http2Peer(server) as peer:
        for stream in range(1, 21, 2):
            peer.send(peer.headers(stream, fields("/test/stubborn?ms=1000")), rst(stream))
        peer.send(peer.headers(21))
        assert peer.await_frame(RST_STREAM, stream=21).code == REFUSED_STREAM
        peer.assert_alive()
        wait_until(lambda: Scrape(server).get("http_server_active_requests") <= 1, "their end")
        assert peer.ask(stream=23).status == 200


# --- cancellation


def test_reset_cancels(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, fields("/test/sleep?ms=60000")), rst(1))
        wait_until(lambda: number(server, "/test/cancelled") == 1, "the handler to be cancelled")
        assert peer.ask(stream=3).status == 200
        peer.send(peer.headers(5, fields("/test/hold", method="POST"), end=False), rst(5, CANCEL))
        wait_until(lambda: number(server, "/test/cancelled") == 2, "it to see the code")


def test_the_end_of_the_connection_cancels(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        for stream in (1, 3, 5):
            peer.send(peer.headers(stream, fields("/test/sleep?ms=60000")))
        peer.send(peer.headers(7, fields("/test/stream?bytes=100000000")))
        peer.await_frame(DATA, stream=7)
    wait_until(lambda: number(server, "/test/cancelled") == 4, "the handlers to be cancelled")


def test_a_connection_error_cancels(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, fields("/test/sleep?ms=60000")), peer.headers(2))
        peer.assert_connection_error(PROTOCOL_ERROR)
    wait_until(lambda: number(server, "/test/cancelled") == 1, "the handler to be cancelled")


def test_deadlines(start_server):
    server = start_server({"REQUEST_TIMEOUT_MS": 200})
    with Http2Peer(server) as peer:
        answer = peer.ask("/test/sleep?ms=60000")
        assert (answer.status, answer["retry-after"]) == (503, "1")
        peer.send(peer.headers(3, fields("/test/relay", method="POST"), end=False))
        answer = peer.answer(3)
        assert (answer.status, dict(answer.trailers)["x-end"]) == (200, "yes")
        assert peer.ask(stream=5).status == 200


# --- answers and windows


@pytest.mark.parametrize("window, size", [(1, 300), (1000, 300000), (65535, 5000000),
                                          (2**31 - 1, 5000000)])
def test_stream_through_any_window(test_server, window, size):
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, window)]) as peer:
        peer.send(peer.headers(1, fields(f"/test/stream?bytes={size}")))
        assert len(peer.answer().body) == size


def test_big_answer_waits_for_the_window(peer):
    """The whole answer is given at once; what the windows do not take waits, and holds up no other."""
    peer.send(peer.headers(1, fields("/test/echo", method="POST"), end=False))
    for at in range(0, 1000000, 10000):
        peer.send(frame(DATA, END_STREAM if at == 990000 else 0, 1, bytes(10000)))
    got = 0
    while got < 65535:
        got += len(peer.await_frame(DATA, stream=1).payload)
    assert peer.ask("/test/header?value=x", stream=3, method="HEAD").status == 200
    peer.send(window_update(0, 1 << 20), window_update(1, 1 << 20))
    is_end = False
    while not is_end:
        one = peer.await_frame(DATA, stream=1)
        got += len(one.payload)
        is_end = one.is_end
    assert got == 1000000


def test_a_reader_that_stops_stops_the_handler(start_server):
    server = start_server()
    total = 64 << 20
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 2**31 - 1)],
                   receive_buffer_bytes=65536) as peer:
        peer.send(window_update(0, 2**31 - 1 - 65535),
                  peer.headers(1, fields(f"/test/stream?bytes={total}")))
        peer.await_frame(DATA, stream=1)
        wait_until(lambda: "write" in task_states(server), "the handler to wait")
        assert number(server, "/test/streamed") < 16 << 20
        assert len(peer.answer(credit=False).body) > total - 65536


def task_states(server):
    with Peer(server) as one:
        return [line.split()[2] for line in one.ask("/test/tasks").body.decode().splitlines()]


def test_a_window_that_stays_shut(start_server):
    """Whoever takes no byte of an answer for so long does not get it; the connection goes on."""
    server = start_server({"WRITE_TIMEOUT_MS": 300})
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        peer.send(peer.headers(1), peer.headers(3, fields("/test/stream?bytes=1000000")))
        codes = {one.stream: one.code for one in (peer.await_frame(RST_STREAM) for _ in range(2))}
        assert codes == {1: CANCEL, 3: CANCEL}
        assert number(server, "/test/cancelled") == 1
        peer.assert_alive()


# --- streamed bodies


def test_relay(peer):
    """Each piece comes back before the next one goes."""
    peer.send(peer.headers(1, fields("/test/relay", method="POST"), end=False))
    assert dict(peer.await_frame(HEADERS, stream=1).pairs)[":status"] == "200"
    for piece in (b"one", b"two", bytes(16384)):
        peer.send(frame(DATA, 0, 1, piece))
        got = b""
        while len(got) < len(piece):
            got += peer.await_frame(DATA, stream=1).payload
        assert got == piece
    peer.send(frame(DATA, END_STREAM, 1, b""))
    trailers = peer.await_frame(HEADERS, stream=1)
    assert trailers.is_end
    assert dict(trailers.pairs) == {"x-bytes": str(16384 + 6), "x-end": "yes"}
    assert peer.ask(stream=3).status == 200


@pytest.mark.parametrize("body", [b"", b"test"])
def test_relay_at_once(peer, body):
    answer = peer.ask("/test/relay", method="POST", body=body)
    assert (answer.body, dict(answer.trailers)["x-bytes"]) == (body, str(len(body)))


def test_relay_without_a_body(peer):
    answer = peer.ask("/test/relay", method="POST")
    assert (answer.body, dict(answer.trailers)["x-bytes"]) == (b"", "0")


def test_relay_with_request_trailers(peer):
    peer.send(peer.headers(1, fields("/test/relay", method="POST"), end=False),
              frame(DATA, 0, 1, b"test"), peer.headers(1, [("x-sum", "5")]))
    answer = peer.answer()
    assert (answer.body, dict(answer.trailers)["x-bytes"]) == (b"test", "4")


def test_relay_of_more_than_the_windows(test_server):
    """A client that sends and reads in turn moves any amount through fixed windows."""
    total = 24 << 20
    with Http2Peer(test_server, initial=[(INITIAL_WINDOW_SIZE, 65535)]) as peer:
        peer.send(peer.headers(1, fields("/test/relay", method="POST"), end=False))
        credit, connection_credit, sent, got = WINDOW, 8 << 20, 0, 0
        while got < total:
            while sent < total and min(credit, connection_credit) >= 16384:
                sent += 16384
                credit -= 16384
                connection_credit -= 16384
                peer.send(frame(DATA, END_STREAM if sent == total else 0, 1, bytes(16384)))
            one = peer.frame()
            if one.kind == DATA and one.payload:
                got += len(one.payload)
                peer.send(window_update(0, len(one.payload)), window_update(1, len(one.payload)))
            elif one.kind == 8:
                increment = int.from_bytes(one.payload, "big")
                if one.stream == 0:
                    connection_credit += increment
                else:
                    credit += increment
        peer.await_frame(HEADERS, stream=1)


def test_a_body_that_nobody_uses_fills_its_window_alone(peer):
    peer.send(peer.headers(1, fields("/test/hold", method="POST"), end=False))
    for _ in range(WINDOW // 16384):
        peer.send(frame(DATA, 0, 1, bytes(16384)))
    answer = peer.ask("/test/relay", method="POST", stream=3, body=bytes(500000))
    assert len(answer.body) == 500000
    peer.send(frame(DATA, 0, 1, b"x"))
    peer.assert_connection_error(FLOW_CONTROL_ERROR)


def test_held_bodies_bound_the_connection(start_server):
    """Streams give the connection's credit back at once, until they hold a whole window of it together."""
    server = start_server({"HTTP2_CONNECTION_WINDOW_BYTES": 1 << 20})
    with Http2Peer(server) as peer:
        credit = 1 << 20
        held = 0
        for stream in (1, 3, 5):
            peer.send(peer.headers(stream, fields("/test/hold", method="POST"), end=False))
        for i in range(3 * 40):
            if credit < 16384:
                break
            peer.send(frame(DATA, 0, 1 + 2 * (i % 3), bytes(16384)))
            held += 16384
            credit -= 16384
            credit += connection_credit(peer)
        assert 1 << 20 <= held <= 2 << 20
        peer.send(rst(1), rst(3))
        credit += connection_credit(peer)
        assert credit >= 16384


def connection_credit(peer):
    """What the server has given up to its answer to a PING."""
    given = 0
    peer.send(frame(6, 0, 0, b"credit??"))
    for one in peer.frames():
        if one.kind == 8 and one.stream == 0:
            given += int.from_bytes(one.payload, "big")
        if one.kind == 6 and one.payload == b"credit??":
            return given
    raise AssertionError("the connection ended")


def test_a_handler_may_reset(peer):
    peer.send(peer.headers(1, fields("/test/reset?code=7", method="POST"), end=False))
    assert peer.await_frame(RST_STREAM, stream=1).code == REFUSED_STREAM
    assert peer.ask(stream=3).status == 200


def test_http_1_has_no_streamed_bodies(test_server):
    with Peer(test_server) as peer:
        peer.send(request("/test/relay", method="POST", body=b"test"))
        assert peer.answer().status == 505
        assert peer.is_closed()


def test_goaway_of_the_client_ends_it_when_its_streams_have_ended(peer):
    peer.send(peer.headers(1, fields("/test/sleep?ms=100")), frame(GOAWAY, 0, 0, bytes(8)))
    assert peer.answer().status == 200
    assert list(peer.frames()) == [] and not peer.is_reset


# --- the end of a connection


def test_a_half_closed_peer_gets_its_answers(peer):
    peer.send(*[peer.headers(stream) for stream in range(1, 98, 2)],
              peer.headers(99, fields("/test/sleep?ms=300")))
    peer.half_close()
    ended = [one.stream for one in peer.frames() if one.is_end]
    assert ended == list(range(1, 100, 2)) and not peer.is_reset


def cancelled(watcher):
    return int(watcher.ask("/test/cancelled").body)


@pytest.fixture
def watcher(test_server):
    with Peer(test_server) as one:
        yield one


def test_a_fin_ends_what_is_not_whole_or_long(peer, watcher):
    before = cancelled(watcher)
    peer.send(peer.headers(1, fields("/test/long?ms=3600000")),
              peer.headers(3, fields("/test/sleep?ms=300")),
              peer.headers(5, fields("/test/echo", method="POST"), end=False),
              peer.headers(7, fields("/test/hold", method="POST"), end=False))
    peer.assert_alive()
    peer.half_close()
    resets, ended = [], []
    for one in peer.frames():
        resets += [(one.stream, one.code)] if one.kind == RST_STREAM else []
        ended += [one.stream] if one.kind in (HEADERS, DATA) and one.is_end else []
    assert resets == [(1, 8), (5, 8), (7, 8)] and ended == [3] and not peer.is_reset
    assert cancelled(watcher) == before + 2


def test_a_fin_ends_the_last_that_is_long(peer, watcher):
    before = cancelled(watcher)
    peer.send(peer.headers(1, fields("/test/long?ms=3600000")))
    peer.assert_alive()
    peer.half_close()
    assert [one for one in peer.frames() if one.kind == HEADERS] == [] and not peer.is_reset
    wait_until(lambda: cancelled(watcher) == before + 1, "the request to be cancelled")


def test_a_peer_that_leaves_behind_its_fin(peer, watcher):
    before = cancelled(watcher)
    peer.send(peer.headers(1, fields("/test/sleep?ms=3600000")))
    peer.assert_alive()
    peer.socket.close()
    wait_until(lambda: cancelled(watcher) == before + 1, "the request to be cancelled")


def test_a_goaway_comes_behind_what_is_not_read_yet(start_server):
    """The peer reads nothing while an answer fills the socket and the queue, and breaks a rule meanwhile."""
    server = start_server()
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 2**31 - 1)],
                   receive_buffer_bytes=65536) as peer:
        peer.send(window_update(0, 2**31 - 1 - 65535),
                  peer.headers(1, fields("/test/stream?bytes=33554432")))
        wait_until(lambda: "write" in task_states(server), "the handler to wait")
        peer.send(frame(PING, 0, 1, bytes(8)), *[frame(DATA, 0, 3, bytes(16384))] * 10)
        kinds = [one.kind for one in peer.frames()]
        assert kinds[-1] == GOAWAY and kinds.count(DATA) > 10 and not peer.is_reset


def test_1000_requests_in_one_write(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 1000})
    with Http2Peer(server) as peer:
        peer.send(*[peer.headers(stream) for stream in range(1, 2001, 2)])
        ended = []
        while len(ended) < 1000:
            one = peer.frame()
            assert one.kind in (HEADERS, DATA), one
            ended += [one.stream] if one.is_end else []
        assert ended == list(range(1, 2001, 2))
        peer.assert_alive()
