# SPDX-License-Identifier: MIT
"""gRPC with grpcio: the four kinds of calls, metadata, compression, limits, deadlines, cancellation."""

import gzip
import threading

import grpc
import pytest

from http2_wire import DATA, END_STREAM, HEADERS, frame, rst
from rpc import (STATUS, Client, Peer, Reply, Request, call_fields, handled, message, refusal, scrape,
                 status_of)
from server import PATIENCE_S, wait_until

Code = grpc.StatusCode
T = PATIENCE_S
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


@pytest.fixture(scope="module")
def client(test_server):
    with Client(test_server) as one:
        yield one


@pytest.fixture
def peer(test_server):
    with Peer(test_server) as one:
        yield one


# --- the four kinds

@pytest.mark.parametrize("payload", [b"", b"x", b"hello" * 1000, bytes(range(256)) * 4096])
def test_unary(client, payload):
    assert client.echo.Unary(Request(payload=payload), timeout=T).payload == payload


def test_a_client_stream(client):
    requests = (Request(payload=b"x" * n) for n in range(500))
    assert client.echo.Collect(requests, timeout=T).total == sum(range(500))


def test_a_client_stream_of_nothing(client):
    assert client.echo.Collect(iter(()), timeout=T).total == 0


def test_a_client_stream_that_is_taken_slowly(client):
    requests = (Request(payload=b"x" * 1000, sleep_ms=100 if n % 100 == 50 else 0)
                for n in range(300))
    assert client.echo.Collect(requests, timeout=T).total == 300_000


def test_a_server_stream(client):
    replies = list(client.echo.Spread(Request(count=1000, size=100), timeout=T))
    assert [reply.total for reply in replies] == list(range(1000))
    assert all(len(reply.payload) == 100 for reply in replies)


def test_a_server_stream_of_nothing(client):
    assert list(client.echo.Spread(Request(), timeout=T)) == []


def test_a_stream_both_ways(client):
    requests = [Request(payload=b"%d" % n) for n in range(300)]
    replies = list(client.echo.Chat(iter(requests), timeout=T))
    assert [reply.payload for reply in replies] == [request.payload for request in requests]


def test_ping_pong(client):
    """Each request is sent when the reply to the one before is there."""
    told = threading.Semaphore(1)

    def requests():
        for n in range(20):
            assert told.acquire(timeout=T)
            yield Request(payload=b"%d" % n)

    for n, reply in enumerate(client.echo.Chat(requests(), timeout=T)):
        assert reply.payload == b"%d" % n
        told.release()
    assert n == 19


def test_a_stream_both_ways_of_nothing(client):
    assert list(client.echo.Chat(iter(()), timeout=T)) == []


def test_many_calls_at_once(test_server):
    """More than one connection may have: the client queues the rest."""
    with Client(test_server) as client:
        calls = [client.echo.Unary.future(Request(payload=b"%d" % n), timeout=T)
                 for n in range(2000)]
        assert [call.result().payload for call in calls] == [b"%d" % n for n in range(2000)]


def test_a_thousand_streams_at_once(start_server):
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": 1000})
    count = 1000
    with Peer(server) as peer:
        def stream(n):
            return 2 * n + 1
        for n in range(count):
            peer.send(peer.headers(stream(n), call_fields(path="/toq.test.v1.Echo/Chat"), end=False))
        for n in range(count):
            body = message(Request(payload=b"%d" % n).SerializeToString())
            peer.send(frame(DATA, END_STREAM, stream(n), body))
        bodies, ended = {}, set()
        while len(ended) < count:
            one = peer.frame()
            if one.kind == DATA:
                bodies[one.stream] = bodies.get(one.stream, b"") + one.payload
            if one.kind == HEADERS and one.is_end:
                assert dict(one.pairs)["grpc-status"] == "0"
                ended.add(one.stream)
    for n in range(count):
        assert Reply.FromString(bodies[stream(n)][5:]).payload == b"%d" % n


def test_many_calls_that_wait_together(start_server):
    """grpcio sends two WINDOW_UPDATEs with each call, before any answer."""
    count = 1000
    server = start_server({"HTTP2_MAX_CONCURRENT_STREAMS": count + 1})
    with Client(server) as client:
        calls = [client.echo.Unary.future(Request(is_stuck=True)) for _ in range(count)]
        started = 'grpc_server_started_total{grpc_type="unary",grpc_service="toq.test.v1.Echo",' \
            'grpc_method="Unary"}'
        wait_until(lambda: scrape(server)[started] == count, "all calls to wait")
        assert client.echo.Unary(Request(payload=b"x"), timeout=T).payload == b"x"
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()


# --- status

@pytest.mark.parametrize("code", [code for code in Code if code != Code.OK])
def test_a_status_of_each_code(client, code):
    error = refusal(lambda: client.echo.Unary(Request(code=code.value[0], message="why"), timeout=T))
    assert (error.code(), error.details()) == (code, "why")


def test_a_status_that_is_none(client):
    assert refusal(lambda: client.echo.Unary(Request(code=99), timeout=T)).code() == Code.UNKNOWN


def test_a_special_message(client):
    for call in (client.echo.Unary, lambda request, timeout: list(client.echo.Spread(request, timeout))):
        error = refusal(lambda: call(Request(code=2, message=SPECIAL), timeout=T))
        assert (error.code(), error.details()) == (Code.UNKNOWN, SPECIAL)


def test_a_status_in_the_middle_of_streams(client):
    replies = client.echo.Chat(iter([Request(payload=b"1"), Request(code=9, message="stop"),
                                     Request(payload=b"2")]), timeout=T)
    assert next(replies).payload == b"1"
    error = refusal(lambda: next(replies))
    assert (error.code(), error.details()) == (Code.FAILED_PRECONDITION, "stop")
    error = refusal(lambda: list(client.echo.Spread(Request(count=3, code=10), timeout=T)))
    assert error.code() == Code.ABORTED
    error = refusal(lambda: client.echo.Collect(iter([Request(code=6)]), timeout=T))
    assert error.code() == Code.ALREADY_EXISTS


def test_details(client):
    details = STATUS.Status(code=3, message="bad")
    details.details.add(type_url="type.googleapis.com/toq.test.v1.EchoRequest",
                        value=Request(payload=b"\0\xff").SerializeToString())
    error = refusal(lambda: client.echo.Unary(
        Request(code=3, message="bad", detail=details.SerializeToString()), timeout=T))
    found = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert STATUS.Status.FromString(found) == details


# Of the errors that handlers have, in Linux' numbers.
@pytest.mark.parametrize("number, code", [
    (2, Code.NOT_FOUND), (11, Code.ABORTED), (12, Code.RESOURCE_EXHAUSTED),
    (13, Code.PERMISSION_DENIED), (16, Code.RESOURCE_EXHAUSTED), (17, Code.ALREADY_EXISTS),
    (22, Code.INVALID_ARGUMENT), (30, Code.UNAVAILABLE), (104, Code.UNAVAILABLE),
    (107, Code.UNAVAILABLE), (110, Code.DEADLINE_EXCEEDED), (5, Code.INTERNAL)])
def test_errors_have_a_status(client, number, code):
    error = refusal(lambda: client.echo.Unary(Request(code=number, is_error=True), timeout=T))
    assert error.code() == code and error.details() != ""


# --- metadata

def test_metadata_is_echoed(client):
    metadata = (("x-echo-initial", "initial value"), ("x-echo-trailing-bin", bytes(range(256))),
                ("x-echo-trailing-bin", b""), ("x-echo-trailing-bin", b"3"))
    for kind in ("Unary", "Spread"):
        call = getattr(client.echo, kind)
        if kind == "Unary":
            _, call = call.with_call(Request(), metadata=metadata, timeout=T)
        else:
            call = call(Request(count=1), metadata=metadata, timeout=T)
            list(call)
        assert tuple(call.initial_metadata()) == (("x-echo-initial", "initial value"),)
        assert [value for name, value in call.trailing_metadata()
                if name == "x-echo-trailing-bin"] == [bytes(range(256)), b"", b"3"]


def test_metadata_comes_with_a_refusal_too(client):
    error = refusal(lambda: client.echo.Unary(Request(code=5), timeout=T, metadata=(
        ("x-echo-initial", "i"), ("x-echo-trailing-bin", b"t"))))
    assert dict(error.initial_metadata())["x-echo-initial"] == "i"
    assert dict(error.trailing_metadata())["x-echo-trailing-bin"] == b"t"


def test_values_of_binary_metadata_may_share_a_field(peer):
    answer = peer.call(("x-echo-trailing-bin", "AQ==,Ag, Aw"))
    assert [value for name, value in answer.trailers if name == "x-echo-trailing-bin"] == [
        "AQ", "Ag", "Aw"]


def test_an_answer_has_the_fields_of_grpc_alone(peer):
    answer = peer.call()
    assert {name for name, _ in answer.fields} == {":status", "content-type"}
    assert answer.trailers == [("grpc-status", "0")]


# --- compression

def test_compression_of_requests(client):
    reply = client.echo.Unary(Request(payload=b"x" * 10_000), timeout=T,
                              compression=grpc.Compression.Gzip)
    assert reply.was_compressed and reply.payload == b"x" * 10_000
    assert not client.echo.Unary(Request(payload=b"x"), timeout=T).was_compressed
    requests = (Request(payload=b"x" * n) for n in range(100))
    reply = client.echo.Collect(requests, timeout=T, compression=grpc.Compression.Gzip)
    assert reply.was_compressed and reply.total == sum(range(100))


@pytest.mark.parametrize("encodings, choice, flag, encoding", [
    ("identity,gzip", "COMPRESSION_ON", 1, "gzip"),
    ("identity, GZIP", "COMPRESSION_ON", 1, "gzip"),
    ("identity,gzip", "COMPRESSION_OFF", 0, "gzip"),  # it may change from message to message
    ("identity,gzip", "COMPRESSION_DEFAULT", 0, None),
    ("identity", "COMPRESSION_ON", 0, None),
    (None, "COMPRESSION_ON", 0, None)])
def test_compression_of_replies(peer, encodings, choice, flag, encoding):
    body = message(Request(size=10_000, compression=choice).SerializeToString())
    more = [("grpc-accept-encoding", encodings)] if encodings else []
    answer = peer.call(*more, body=body)
    assert status_of(answer)[0] == 0
    assert (answer.body[0], answer["grpc-encoding"]) == (flag, encoding)
    assert (len(answer.body) < 1000) == bool(flag)
    assert answer["grpc-accept-encoding"] == ("identity,gzip" if encodings else None)


def test_replies_are_compressed_where_requests_are(client, peer):
    body = message(gzip.compress(Request(size=10_000).SerializeToString()), flag=1)
    answer = peer.call(("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"), body=body)
    assert answer.body[0] == 1
    assert len(Reply.FromString(gzip.decompress(answer.body[5:])).payload) == 10_000
    replies = client.echo.Chat(iter([Request(size=10_000)] * 3), timeout=T,
                               compression=grpc.Compression.Gzip)
    assert [len(reply.payload) for reply in replies] == [10_000] * 3


def test_a_gzip_of_several_members(peer):
    packed = Request(size=10_000, payload=b"x" * 100).SerializeToString()
    members = b"".join(gzip.compress(piece) for piece in (packed[:50], b"", packed[50:]))
    answer = peer.call(("grpc-encoding", "gzip"), body=message(members, flag=1))
    assert status_of(answer)[0] == 0
    assert len(Reply.FromString(answer.body[5:]).payload) == 10_000


def test_compression_changes_from_message_to_message(peer):
    body = b"".join(message(Request(size=1000, compression=choice).SerializeToString())
                    for choice in ("COMPRESSION_OFF", "COMPRESSION_ON", "COMPRESSION_OFF"))
    answer = peer.call(("grpc-accept-encoding", "gzip"), path="/toq.test.v1.Echo/Chat", body=body)
    flags, rest = [], answer.body
    while rest:
        flags.append(rest[0])
        rest = rest[5 + int.from_bytes(rest[1:5], "big"):]
    assert flags == [0, 1, 0] and status_of(answer)[0] == 0


# --- limits

LIMIT = 4194304


def test_a_message_as_long_as_the_limit(client):
    overhead = len(Request(payload=b"x" * (LIMIT - 100)).SerializeToString()) - (LIMIT - 100)
    payload = b"x" * (LIMIT - overhead)
    assert client.echo.Unary(Request(payload=payload), timeout=T).payload == payload
    error = refusal(lambda: client.echo.Unary(Request(payload=payload + b"x"), timeout=T))
    assert error.code() == Code.RESOURCE_EXHAUSTED


def test_an_inflated_message_over_the_limit(client):
    error = refusal(lambda: client.echo.Unary(Request(payload=b"x" * LIMIT), timeout=T,
                                              compression=grpc.Compression.Gzip))
    assert error.code() == Code.RESOURCE_EXHAUSTED


def test_a_message_over_the_limit_in_a_stream(client):
    error = refusal(lambda: client.echo.Collect(
        iter([Request(payload=b"x"), Request(payload=b"x" * LIMIT)]), timeout=T))
    assert error.code() == Code.RESOURCE_EXHAUSTED


def test_a_reply_over_the_limit(start_server):
    server = start_server({"GRPC_MAX_SEND_BYTES": 1000})
    with Client(server) as client:
        assert len(client.echo.Unary(Request(size=900), timeout=T).payload) == 900
        error = refusal(lambda: client.echo.Unary(Request(size=1000), timeout=T))
        assert error.code() == Code.RESOURCE_EXHAUSTED
        error = refusal(lambda: list(client.echo.Spread(Request(size=1000, count=3), timeout=T)))
        assert error.code() == Code.RESOURCE_EXHAUSTED


def test_big_messages_both_ways(start_server):
    server = start_server({"GRPC_MAX_RECEIVE_BYTES": 11 << 20})
    payload = bytes(range(256)) * (10 << 12)
    assert len(payload) == 10 << 20
    with Client(server) as client:
        assert client.echo.Unary(Request(payload=payload), timeout=T).payload == payload
        replies = client.echo.Chat(iter([Request(payload=payload)] * 3), timeout=T)
        assert all(reply.payload == payload for reply in replies)
        reply = client.echo.Unary(Request(payload=payload), timeout=T,
                                  compression=grpc.Compression.Gzip)
        assert reply.payload == payload


# --- deadlines and cancellation

def test_a_deadline(client):
    before = client.counts().timed_out
    error = refusal(lambda: client.echo.Unary(Request(is_stuck=True), timeout=0.05))
    assert error.code() == Code.DEADLINE_EXCEEDED
    # the client may have reset the stream before the server's own clock said so
    wait_until(lambda: client.counts().timed_out + client.counts().cancelled > before, "the end")


@pytest.mark.parametrize("options, path", [
    ({"is_stuck": True}, "Unary"), ({"is_stuck": True, "is_slow_to_give_up": True}, "Unary"),
    ({"is_stuck": True, "count": 3}, "Spread")])
def test_the_server_says_that_the_deadline_passed(peer, options, path):
    answer = peer.call(("grpc-timeout", "10m"), path=f"/toq.test.v1.Echo/{path}",
                       body=message(Request(**options).SerializeToString()))
    assert status_of(answer) == (4, "the deadline passed")
    peer.assert_alive()


def test_a_deadline_while_the_request_is_coming(peer):
    peer.send(peer.headers(1, call_fields(("grpc-timeout", "10m")), end=False))
    assert status_of(peer.answer())[0] == 4


def test_a_deadline_of_a_client_stream(peer):
    peer.send(peer.headers(1, call_fields(("grpc-timeout", "10m"),
                                          path="/toq.test.v1.Echo/Collect"), end=False))
    assert status_of(peer.answer())[0] == 4


def test_a_call_without_a_deadline_has_the_servers(start_server):
    server = start_server({"REQUEST_TIMEOUT_MS": 300})
    with Client(server) as client:
        error = refusal(lambda: client.echo.Unary(Request(is_stuck=True)))
        assert (error.code(), error.details()) == (Code.DEADLINE_EXCEEDED, "the deadline passed")
    with Peer(server) as peer:
        answer = peer.call(body=message(Request(is_stuck=True).SerializeToString()))
        assert status_of(answer) == (4, "the deadline passed")


def test_cancellation_reaches_the_handler(client):
    before = client.counts().cancelled
    call = client.echo.Unary.future(Request(is_stuck=True))
    stream = client.echo.Spread(Request(count=1, is_stuck=True))
    next(stream)
    chat = client.echo.Chat(iter([Request(payload=b"1")]))
    next(chat)
    call.cancel()
    stream.cancel()
    wait_until(lambda: client.counts().cancelled >= before + 2, "the handlers to be told")
    assert call.cancelled() and stream.code() == Code.CANCELLED
    chat.cancel()


def test_a_half_closed_client_gets_its_answers(test_server):
    body = message(Request(sleep_ms=300).SerializeToString())
    with Peer(test_server) as peer:
        for stream in (1, 3):
            peer.send(peer.headers(stream, call_fields(), end=False),
                      frame(DATA, END_STREAM, stream, body))
        peer.half_close()
        ended = {one.stream: dict(one.pairs)["grpc-status"] for one in peer.frames()
                 if one.kind == HEADERS and one.is_end}
    assert ended == {1: "0", 3: "0"} and not peer.is_reset


def test_a_fin_within_a_call_cancels_it(test_server, client):
    before = client.counts().cancelled
    body = message(Request(is_stuck=True).SerializeToString())
    with Peer(test_server) as peer:
        fields = call_fields(path="/toq.test.v1.Echo/Chat")
        peer.send(peer.headers(1, fields, end=False), frame(DATA, 0, 1, body))
        peer.assert_alive()
        peer.half_close()
        wait_until(lambda: client.counts().cancelled == before + 1, "the handler to be told")


def test_a_reset_and_a_lost_connection(test_server, client):
    before = client.counts().cancelled
    body = message(Request(is_stuck=True).SerializeToString())
    with Peer(test_server) as peer:
        for stream in (1, 3, 5):
            peer.send(peer.headers(stream, call_fields(), end=False),
                      frame(DATA, END_STREAM, stream, body))
        peer.assert_alive()
        peer.send(rst(1))
        wait_until(lambda: client.counts().cancelled == before + 1, "the reset to be told")
    wait_until(lambda: client.counts().cancelled == before + 3, "the lost connection to be told")


def test_what_a_cancelled_handler_sends_is_dropped(start_server):
    server = start_server()
    body = message(Request(is_stuck=True, is_slow_to_give_up=True).SerializeToString())
    with Peer(server) as peer:
        peer.send(peer.headers(1, call_fields(), end=False), frame(DATA, END_STREAM, 1, body))
        peer.assert_alive()
        peer.send(rst(1))
        assert status_of(peer.call(stream=3))[0] == 0
        wait_until(lambda: handled(server, "Unary", "Canceled") == 1, "the handler to give up")
        assert status_of(peer.call(stream=5))[0] == 0


# --- backpressure

def test_a_client_that_does_not_read_stops_the_handler(test_server, client, peer):
    """A stream's window is 64 KiB here: the handler stops a queue's length behind it."""
    before = client.counts().sent
    body = message(Request(count=1_000_000, size=1000).SerializeToString())
    peer.send(peer.headers(1, call_fields(path="/toq.test.v1.Echo/Spread"), end=False),
              frame(DATA, END_STREAM, 1, body))
    peer.assert_alive()
    sent = client.counts().sent - before
    assert 50 < sent < 1000
    peer.send(rst(1))


def test_a_handler_that_does_not_ask_stops_the_client(test_server, client, peer):
    before = client.counts().received
    window = peer.server_settings[4]
    peer.send(peer.headers(1, call_fields(path="/toq.test.v1.Echo/Collect"), end=False))
    stuck = message(Request(sleep_ms=3_600_000).SerializeToString())
    rest = message(Request(payload=b"x" * 10_000).SerializeToString())
    peer.send(frame(DATA, 0, 1, stuck))
    sent = len(stuck)
    while sent + len(rest) <= window:
        peer.send(frame(DATA, 0, 1, rest))
        sent += len(rest)
    peer.send(frame(6, 0, 0, b"12345678"))
    seen = []
    for one in peer.frames():
        seen.append(one)
        if one.kind == 6:
            break
    credit = sum(int.from_bytes(one.payload, "big") for one in seen
                 if one.kind == 8 and one.stream == 1)
    assert credit <= len(stuck)
    assert client.counts().received == before + 1
    peer.send(rst(1))


# --- what others see

def test_metrics_count_calls_and_messages(start_server):
    server = start_server()
    with Client(server) as client:
        list(client.echo.Chat(iter([Request()] * 3), timeout=T))
        refusal(lambda: client.echo.Unary(Request(code=5), timeout=T))
    metrics = scrape(server)
    chat = 'grpc_type="bidi_stream",grpc_service="toq.test.v1.Echo",grpc_method="Chat"'
    unary = 'grpc_type="unary",grpc_service="toq.test.v1.Echo",grpc_method="Unary"'
    assert metrics[f"grpc_server_started_total{{{chat}}}"] == 1
    assert metrics[f"grpc_server_msg_received_total{{{chat}}}"] == 3
    assert metrics[f"grpc_server_msg_sent_total{{{chat}}}"] == 3
    assert metrics[f'grpc_server_handled_total{{{chat},grpc_code="OK"}}'] == 1
    assert metrics[f'grpc_server_handled_total{{{unary},grpc_code="NotFound"}}'] == 1
    assert metrics[f'grpc_server_handled_total{{{unary},grpc_code="DataLoss"}}'] == 0
    assert metrics[f"grpc_server_handling_seconds_count{{{unary}}}"] == 1
    assert metrics['rpc_server_call_duration_seconds_count{'
                   'rpc_method="toq.test.v1.Echo/Unary",rpc_status_code="NOT_FOUND"}'] == 1


def test_unknown_methods_share_their_series(start_server):
    """Clients choose the path, and must not make series with it."""
    server = start_server()

    def names_after(client, path):
        error = refusal(lambda: client.channel.unary_unary(path)(b"", timeout=T))
        assert error.code() == Code.UNIMPLEMENTED
        return {name for name in scrape(server) if name.startswith(("grpc_", "rpc_"))}

    with Client(server) as client:
        names = names_after(client, "/toq.test.v1.Echo/Nothing")
        assert names_after(client, "/no.Service/Unary") == names
        assert names_after(client, "/nothing") == names
    metrics = scrape(server)
    other = 'grpc_type="unary",grpc_service="other",grpc_method="other"'
    assert metrics[f'grpc_server_handled_total{{{other},grpc_code="Unimplemented"}}'] == 3
    assert metrics['rpc_server_call_duration_seconds_count{rpc_method="_OTHER",'
                   'rpc_status_code="UNIMPLEMENTED"}'] == 3


def test_the_access_log_tells_the_status(start_server):
    server = start_server({"LOG_LEVEL": "debug"})
    with Client(server) as client:
        refusal(lambda: client.echo.Unary(Request(code=7), timeout=T))
    line = server.wait_line("rpc_status=PERMISSION_DENIED")
    assert "/toq.test.v1.Echo/Unary" in line and "status=200" in line
