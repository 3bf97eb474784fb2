# SPDX-License-Identifier: MIT
"""HTTP/2 against peers that are slow, greedy or hostile; and the end, when the server drains."""

import collections
import re
import signal
import subprocess
import time

import pytest
from http2_wire import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM,
                        ENHANCE_YOUR_CALM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, NO_ERROR, PADDED,
                        PING, PREFACE, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
                        Http2Peer, fields, frame, ping, priority, rst, settings, window_update)
from scrape import Scrape
from server import PATIENCE_S, wait_until

POST = fields("/test/echo", method="POST")
STUBBORN = fields("/test/stubborn?ms=500")  # goes on when it is reset


def cut_off(server, reason):
    return Scrape(server).get("http2_connections_cut_off_total", reason=reason)


# --- time


@pytest.mark.parametrize("start, reason", [
    (lambda peer: PREFACE[:10], None),
    (lambda peer: PREFACE, "settings timeout"),
    (lambda peer: PREFACE + settings() + peer.headers(1)[:5], "idle"),
    (lambda peer: PREFACE + settings() + peer.headers(1)[:12], "header timeout"),
    (lambda peer: PREFACE + settings() + peer.headers(1, flags=0), "header timeout"),
])
def test_an_unfinished_beginning(start_server, start, reason):
    server = start_server({"HEADER_TIMEOUT_MS": 200, "IDLE_TIMEOUT_MS": 300})
    with Http2Peer(server, preface=False) as peer:
        peer.acks_settings = False  # that would be more than the beginning
        peer.send(start(peer))
        if reason is None:
            assert peer.socket.recv(100) == b""
            return
        goaways = [one.code for one in peer.frames() if one.kind == GOAWAY]
        assert goaways == [NO_ERROR if reason == "idle" else ENHANCE_YOUR_CALM]
        assert not peer.is_reset
    if reason != "idle":
        assert cut_off(server, reason) == 1


def test_bytes_do_not_move_the_header_timeout(start_server):
    server = start_server({"HEADER_TIMEOUT_MS": 300})
    with Http2Peer(server) as peer:
        data = peer.headers(1, fields("/", ("x-pad", "p" * 3000)))
        peer.socket.settimeout(0.03)
        for byte in data:
            peer.send(bytes([byte]))
            try:
                peer.received += peer.socket.recv(4096)
                break
            except TimeoutError:
                continue
        peer.socket.settimeout(PATIENCE_S)
        peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(server, "header timeout") == 1


def test_an_idle_connection_ends_though_it_pings(start_server):
    server = start_server({"IDLE_TIMEOUT_MS": 400})
    with Http2Peer(server) as peer:
        assert peer.ask().status == 200
        peer.send(ping())
        kinds = []
        for one in peer.frames():
            kinds.append(one.kind)
            if one.kind == GOAWAY:
                assert (one.code, one.last_stream) == (NO_ERROR, 1)
            elif one.kind == PING and len(kinds) < 1000:
                peer.send(ping())
        assert kinds[-1] == GOAWAY and not peer.is_reset


def test_a_body_that_stops(start_server):
    server = start_server({"BODY_TIMEOUT_MS": 300})
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, POST, end=False), frame(DATA, 0, 1, b"half"))
        assert peer.answer().status == 408
        assert peer.await_frame(RST_STREAM, stream=1).code == NO_ERROR
        assert peer.ask(stream=3).status == 200


# --- floods

BURST = {"HTTP2_CONTROL_BURST": 50, "HTTP2_CONTROL_RATE": 1, "HTTP2_RESET_BURST": 50,
         "HTTP2_RESET_RATE": 1}

FLOODS = {
    "PING": lambda peer, i: ping(),
    "PING ACK": lambda peer, i: ping(flags=ACK),
    "SETTINGS": lambda peer, i: settings(),
    "PRIORITY": lambda peer, i: priority(1 + 2 * i),
    "WINDOW_UPDATE": lambda peer, i: window_update(0, 1),
    "unknown": lambda peer, i: frame(0xF0, 0, 0, b"x"),
    "empty DATA": lambda peer, i: frame(DATA, 0, 1, b""),
    "padding": lambda peer, i: frame(DATA, PADDED, 1, bytes([i]) + bytes(i)),
}


@pytest.fixture
def strict_server(start_server):
    return start_server(BURST)


@pytest.mark.parametrize("make", FLOODS.values(), ids=FLOODS)
def test_control_frames(strict_server, make):
    with Http2Peer(strict_server) as peer:
        peer.send(peer.headers(1, POST, end=False))
        peer.send(*[make(peer, i) for i in range(40)])
        peer.assert_alive()
        peer.send(*[make(peer, i) for i in range(40, 60)])
        peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(strict_server, "control frames") == 1


def test_a_reader_may_send_window_updates(strict_server):
    """Each frame of an answer is worth some: a download needs many."""
    with Http2Peer(strict_server) as peer:
        peer.send(peer.headers(1, fields("/test/stream?bytes=5000000")))
        assert len(peer.answer().body) == 5000000
        peer.assert_alive()


def test_a_reader_may_be_late_with_them(strict_server):
    """They come when it has read, which may be long after the answer: what that earned is kept."""
    size = 500000
    with Http2Peer(strict_server, initial=[(INITIAL_WINDOW_SIZE, 2 * size)]) as peer:
        peer.send(window_update(0, size), peer.headers(1, fields(f"/test/stream?bytes={size}")))
        assert len(peer.answer(credit=False).body) == size
        peer.send(*[window_update(0, 1)] * (size // 256))
        peer.assert_alive()
        peer.send(*[window_update(0, 1)] * (size // 256))
        peer.assert_connection_error(ENHANCE_YOUR_CALM)


def test_time_forgives(start_server):
    server = start_server({"HTTP2_CONTROL_BURST": 100, "HTTP2_CONTROL_RATE": 1000000})
    with Http2Peer(server) as peer:
        for _ in range(300):
            peer.assert_alive()


@pytest.mark.parametrize("is_alive", [True, False])
def test_rapid_reset(strict_server, is_alive):
    with Http2Peer(strict_server) as peer:
        for i in range(40 if is_alive else 60):
            peer.send(peer.headers(1 + 2 * i), rst(1 + 2 * i))
        if is_alive:
            peer.assert_alive()
        else:
            peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(strict_server, "resets") == (0 if is_alive else 1)


def test_resets_that_it_makes_us_send(strict_server):
    """A malformed request costs a stream as a reset does."""
    with Http2Peer(strict_server) as peer:
        for i in range(60):
            peer.send(peer.headers(1 + 2 * i, fields("/", ("Upper", "case"))))
        peer.assert_connection_error(ENHANCE_YOUR_CALM)


def test_resets_of_running_handlers_that_it_makes_us_send(start_server):
    """A body that is shorter than it said, each time to a handler that has begun."""
    server = start_server(BURST)
    with Http2Peer(server) as peer:
        for stream in range(1, 121, 2):
            peer.send(peer.headers(stream, fields("/test/hold", ("content-length", "2"), method="POST"),
                                   end=False), frame(DATA, END_STREAM, stream, b"x"))
        peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(server, "resets") == 1
    assert Scrape(server).get("http_server_active_requests") == 1  # that of the scrape


def test_no_other_way_to_have_a_handler_reset(start_server):
    """What would reset a stream whose request is complete ends the connection, and the handler."""
    provocations = [
        window_update(1, 0),
        window_update(1, 2**31 - 1),
        priority(1, depends_on=1),
        frame(PRIORITY, 0, 1, b"1234"),
        frame(RST_STREAM, 0, 1, b"123"),
        frame(DATA, 0, 1, b"more"),
        frame(DATA, END_STREAM, 1, b""),
    ]
    server = start_server()
    for count, provocation in enumerate(provocations):
        with Http2Peer(server) as peer:
            peer.send(peer.headers(1, fields("/test/sleep?ms=60000")), provocation)
            assert [one.kind for one in peer.frames()][-1] == GOAWAY
        with Http2Peer(server) as peer:
            assert peer.ask("/test/cancelled").body == b"%d" % (count + 1)


def test_refused_streams_count_as_resets(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 1, **BURST})
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, fields("/test/stubborn?ms=3000")), rst(1))
        for i in range(49):
            peer.send(peer.headers(3 + 2 * i))
            assert peer.await_frame(RST_STREAM).code == REFUSED_STREAM
        peer.send(peer.headers(201))
        peer.assert_connection_error(ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("piece", [b"", b"\x00\x01a\x01b"])
def test_continuations_without_end(start_server, piece):
    server = start_server()
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, flags=0), *[frame(CONTINUATION, 0, 1, piece)] * 100)
        peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(server, "continuations") == 1


@pytest.mark.parametrize("count", [8, 9])
def test_as_many_continuations_as_are_allowed(start_server, count):
    """With each request, and between them on other streams."""
    server = start_server({"HTTP2_MAX_CONTINUATIONS": 8})
    with Http2Peer(server) as peer:
        for stream in (1, 3, 5):
            more = [frame(CONTINUATION, END_HEADERS if i == 8 else 0, stream, b"\0\1a\1b")
                    for i in range(1, 9)]
            peer.send(peer.headers(stream, flags=0), *more)
            assert peer.answer(stream).status == 200
        peer.send(peer.headers(7, flags=0),
                  *[frame(CONTINUATION, 0, 7, b"\0\1a\1b")] * (count - 1),
                  frame(CONTINUATION, END_HEADERS, 7, b"\0\1a\1b"))
        if count == 8:
            assert peer.answer(7).status == 200
        else:
            peer.assert_connection_error(ENHANCE_YOUR_CALM)


def test_continuations_as_configured(start_server):
    server = start_server({"HTTP2_MAX_CONTINUATIONS": 50})
    with Http2Peer(server) as peer:
        block = peer.block(fields())
        pieces = [block[i:i + 1] for i in range(len(block))][:40]
        rest = block[len(pieces):]
        peer.send(peer.headers(1, flags=0, block=b""),
                  *[frame(CONTINUATION, 0, 1, piece) for piece in pieces],
                  frame(CONTINUATION, END_HEADERS, 1, rest))
        assert peer.answer().status == 200


# Each block ends with 60 references to one field: it is a hundred times longer when it is decoded.
BOMBS = {
    "head": lambda bomb: [bomb(1, fields())],
    "trailers": lambda bomb: [bomb(1, POST, end=False, count=1), bomb(1, [])],
    "a refused request": lambda bomb: [bomb(1, STUBBORN, count=1), rst(1), bomb(3, STUBBORN)],
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_bomb_of_header_fields(start_server, make):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 1})
    with Http2Peer(server) as peer:
        def bomb(stream, pairs, end=True, count=60):
            block = peer.block(pairs + [("x-bomb", "b" * 3900)]) + b"\xbe" * (count - 1)
            return peer.headers(stream, end=end, block=block)
        peer.send(*make(bomb))
        peer.assert_connection_error(ENHANCE_YOUR_CALM)
    assert cut_off(server, "header list") == 1


def test_a_peer_that_never_reads(start_server):
    """The server soon stops to read its PINGs, or calls so many a flood; then it closes."""
    server = start_server({"WRITE_TIMEOUT_MS": 500, "HTTP2_CONTROL_BURST": 1000000,
                           "HTTP2_CONTROL_RATE": 1000000})
    with Http2Peer(server, receive_buffer_bytes=4096) as peer:
        peer.socket.settimeout(0.5)
        with pytest.raises(OSError):  # a full socket, or a closed one
            while True:
                peer.socket.sendall(ping() * 1000)
        wait_until(lambda: Scrape(server).get("toq_connections_write_timeouts_total",
                                              listener="http") == 1, "its end")
    with Http2Peer(server) as peer:
        assert peer.ask().status == 200


def test_many_requests_that_nobody_reads(start_server):
    server = start_server({"WRITE_TIMEOUT_MS": 500})
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        for i in range(256):
            peer.send(peer.headers(1 + 2 * i, fields("/test/stream?bytes=100000000")))
        codes = [peer.await_frame(RST_STREAM).code for _ in range(256)]
        assert len(codes) == 256
        peer.assert_alive()


def test_answers_that_nobody_reads_are_bounded(start_server):
    """Requests wait until what was asked for before has been read."""
    server = start_server({"CONN_OUTPUT_MAX_BYTES": 1 << 20})
    streams = range(1, 41, 2)
    body = b"x" * 163840
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        for stream in streams:
            peer.send(peer.headers(stream, POST, end=False),
                      *[frame(DATA, END_STREAM if i == 9 else 0, stream, body[:16384])
                        for i in range(10)])
        peer.assert_alive()
        assert Scrape(server).get("toq_memory_steps_total", step="output") == 20 - 7
        assert " max_bytes=1048576" in server.wait_line("peer does not read its answers")
        assert sum("peer does not read" in line for line in server.lines) == 1
        peer.send(settings((INITIAL_WINDOW_SIZE, 1 << 20)), window_update(0, 1 << 30))
        ended = set()
        while len(ended) < len(streams):
            one = peer.frame()
            assert one.kind != RST_STREAM
            if one.is_end:
                ended.add(one.stream)


def test_a_reader_that_takes_a_byte_now_and_then(start_server):
    server = start_server({"WRITE_TIMEOUT_MS": 500})
    with Http2Peer(server, initial=[(INITIAL_WINDOW_SIZE, 0)]) as peer:
        peer.send(peer.headers(1, fields("/test/stream?bytes=100000")))
        peer.await_frame(HEADERS, stream=1)
        one = None
        while one is None or one.kind == DATA:
            peer.send(window_update(1, 1))
            one = peer.frame()
            time.sleep(0.02)
        assert (one.kind, one.stream, one.code) == (RST_STREAM, 1, CANCEL)
        peer.assert_alive()


def test_cut_offs_are_logged_once_a_second(start_server):
    server = start_server()

    def provoke():
        with Http2Peer(server) as peer:
            peer.send(frame(RST_STREAM, 0, 99, b"1234"))
            peer.assert_connection_error(PROTOCOL_ERROR)
            return peer.socket.getsockname()[1]

    def lines():
        return [line for line in server.lines if "http2: connection cut off" in line]

    port = provoke()
    assert (f'reason="protocol error" code=PROTOCOL_ERROR peer=127.0.0.1:{port} server=http left_out=0 '
            'detail="RST_STREAM: stream in idle"') in server.wait_line("cut off")
    for _ in range(5):
        provoke()
    time.sleep(1.1)
    port = provoke()
    server.wait_line(f"peer=127.0.0.1:{port}")
    left_out = sum(int(re.search(r"left_out=(\d+)", line).group(1)) for line in lines())
    assert len(lines()) + left_out == 7 and left_out > 0


# --- drain


def test_drain(start_server):
    """GOAWAY that refuses nothing, PING; its answer; GOAWAY with the last id; FIN behind the last answer."""
    server = start_server()
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, fields("/test/sleep?ms=500")))
        peer.assert_alive()
        server.send_signal(signal.SIGTERM)
        notice = peer.await_frame(GOAWAY)
        assert (notice.code, notice.last_stream) == (NO_ERROR, 2**31 - 1)
        probe = peer.await_frame(PING)
        peer.send(peer.headers(3))  # it was on its way
        assert peer.answer(3).status == 200
        peer.send(ping(probe.payload, flags=ACK))
        last = peer.await_frame(GOAWAY)
        assert (last.code, last.last_stream) == (NO_ERROR, 3)
        assert peer.answer(1).body == b"slept\n"
        assert list(peer.frames()) == [] and not peer.is_reset
    assert server.wait_exit() == 0


def test_drain_of_an_idle_connection(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        server.send_signal(signal.SIGTERM)
        peer.await_frame(GOAWAY)
        peer.send(ping(peer.await_frame(PING).payload, flags=ACK))
        assert peer.await_frame(GOAWAY).last_stream == 0
        assert list(peer.frames()) == [] and not peer.is_reset
    assert server.wait_exit() == 0


def test_drain_does_not_wait_for_the_ping(start_server):
    server = start_server()
    with Http2Peer(server) as peer:
        server.send_signal(signal.SIGTERM)
        assert [one.last_stream for one in peer.frames() if one.kind == GOAWAY] == [2**31 - 1, 0]
        assert not peer.is_reset
    assert server.wait_exit() == 0


def test_drain_that_runs_out_of_time(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 200})
    with Http2Peer(server) as peer:
        peer.send(peer.headers(1, fields("/test/sleep?ms=60000")),
                  peer.headers(3, fields("/test/relay", method="POST"), end=False))
        peer.await_frame(HEADERS, stream=3)
        server.send_signal(signal.SIGTERM)
        seen = list(peer.frames())
        heads = {one.stream: dict(one.pairs) for one in seen if one.kind == HEADERS}
        assert heads[1][":status"] == "503"
    server.wait_exit()


def test_drain_under_load(start_server):
    """Every request that the server has read is answered, and h2load gets the answer. What h2load calls
    failed it has never sent, for it was told not to."""
    server = start_server({"LOG_LEVEL": "debug"})
    load = subprocess.Popen(["h2load", "-n", "10000000", "-c", "4", "-m", "50",
                             server.url("/test/sleep?ms=100")], stdout=subprocess.PIPE)
    wait_until(lambda: Scrape(server).requests("/test/sleep") > 500, "load")
    assert server.stop() == 0
    said = load.communicate(timeout=60)[0].decode()
    succeeded = int(re.search(r"(\d+) succeeded", said).group(1))
    statuses = collections.Counter(re.search(r"status=(\d+)", line).group(1) for line in server.lines
                                   if "access: request" in line and "/test/sleep" in line)
    assert statuses == {"200": succeeded}, said
