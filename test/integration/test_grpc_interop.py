# SPDX-License-Identifier: MIT
"""gRPC's interoperability tests, written from their public description; a test has its case's name.

grpcio is the client; where it hides the flag of a message, or cannot choose it, the call is made of
frames. Cases for credentials of clouds, and those that need a proxy, are not here.
"""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from rpc import Client, Peer, Stub, message, module, refusal, status_of
from scrape import Scrape
from server import PATIENCE_S, wait_until

INTEROP = module("grpc/testing/test.proto")
SimpleRequest, InputRequest = INTEROP.SimpleRequest, INTEROP.StreamingInputCallRequest
OutputRequest, Parameters = INTEROP.StreamingOutputCallRequest, INTEROP.ResponseParameters
Code = grpc.StatusCode
T = PATIENCE_S

REQUEST_BYTES, RESPONSE_BYTES = 271828, 314159
INPUT_SIZES = (27182, 8, 1828, 45904)
OUTPUT_SIZES = (31415, 9, 2653, 58979)
INITIAL, INITIAL_VALUE = "x-grpc-test-echo-initial", "test_initial_metadata_value"
TRAILING, TRAILING_VALUE = "x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"
STATUS_TEXT = "test status message"
SPECIAL_TEXT = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
SOAK_CALLS, SOAK_THREADS, SOAK_CHANNELS = 400, 4, 100
PIECE_BYTES = 16384  # the longest frame that any peer takes
ACCEPTS_GZIP = ("grpc-accept-encoding", "identity,gzip")
SENDS_GZIP = ("grpc-encoding", "gzip")
GZIP = int(grpc.Compression.Gzip)
SERVICE = {"grpc_service": "grpc.testing.TestService"}  # as metrics label it


class Interop:
    """A channel of grpcio's and the two services of the tests."""

    def __init__(self, server):
        self.client = Client(server)
        services = INTEROP.DESCRIPTOR.services_by_name
        self.test = Stub(self.client.channel, services["TestService"])
        self.unimplemented = Stub(self.client.channel, services["UnimplementedService"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.channel.close()


@pytest.fixture(scope="module")
def interop(test_server):
    with Interop(test_server) as one:
        yield one


@pytest.fixture
def peer(test_server):
    with Peer(test_server) as one:
        yield one


def payload(size):
    return INTEROP.Payload(body=bytes(size))


def said(value):
    return INTEROP.BoolValue(value=value)


def large_request(**more):
    return SimpleRequest(response_size=RESPONSE_BYTES, payload=payload(REQUEST_BYTES), **more)


def output_request(size, body_size=0, **more):
    return OutputRequest(response_parameters=[Parameters(size=size)], payload=payload(body_size),
                         **more)


def assert_large(response):
    assert response.payload.body == bytes(RESPONSE_BYTES)


def sizes_of(responses):
    """How long the payloads are, of which each byte is zero."""
    bodies = [response.payload.body for response in responses]
    assert all(body.count(0) == len(body) for body in bodies)
    return [len(body) for body in bodies]


class Turns:
    """The requests of a stream, of which the next goes out when told."""

    def __init__(self, *requests):
        self.requests = list(requests)
        self.told = threading.Semaphore(0)

    def go_on(self):
        self.told.release()

    def __iter__(self):
        for request in self.requests:
            assert self.told.acquire(timeout=T)
            yield request
        assert self.told.acquire(timeout=T)


# --- calls as frames

def framed(request, is_compressed):
    packed = request.SerializeToString()
    return message(gzip.compress(packed), flag=1) if is_compressed else message(packed)


def ask(peer, method, *more, body):
    """Makes a call on a new connection; returns its answer."""
    pieces = [body[at:at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
    return peer.call(*more, path=f"/grpc.testing.TestService/{method}", pieces=pieces)


def flagged(answer, reply_type):
    """The replies of an answer as (was it compressed, reply)."""
    assert status_of(answer) == (0, "")
    replies, body = [], answer.body
    while body:
        length = int.from_bytes(body[1:5], "big")
        data = body[5:5 + length]
        assert body[0] in (0, 1) and len(data) == length
        if body[0] == 1:
            assert answer["grpc-encoding"] == "gzip"
            data = gzip.decompress(data)
        replies.append((body[0] == 1, reply_type.FromString(data)))
        body = body[5 + length:]
    return replies


# --- unary

def test_empty_unary(interop):
    assert interop.test.EmptyCall(INTEROP.Empty(), timeout=T) == INTEROP.Empty()


def test_empty_unary_is_empty_on_the_wire(peer):
    answer = ask(peer, "EmptyCall", body=message(b""))
    assert (status_of(answer), answer.body) == ((0, ""), message(b""))


def test_large_unary(interop):
    assert_large(interop.test.UnaryCall(large_request(), timeout=T))


def test_large_unary_of_a_channel_that_compresses(test_server):
    with Client(test_server, grpc__default_compression_algorithm=GZIP) as client:
        stub = Stub(client.channel, INTEROP.DESCRIPTOR.services_by_name["TestService"])
        assert_large(stub.UnaryCall(large_request(expect_compressed=said(True)), timeout=T))


def test_client_compressed_unary(interop):
    probe = large_request(expect_compressed=said(True))
    assert refusal(lambda: interop.test.UnaryCall(probe, timeout=T)).code() == Code.INVALID_ARGUMENT
    assert_large(interop.test.UnaryCall(probe, timeout=T, compression=grpc.Compression.Gzip))
    assert_large(interop.test.UnaryCall(large_request(expect_compressed=said(False)), timeout=T))


@pytest.mark.parametrize("is_compressed", [True, False])
def test_client_compressed_unary_on_the_wire(test_server, is_compressed):
    """The flag decides, not what the call has announced."""
    for expected in (is_compressed, not is_compressed):
        body = framed(large_request(expect_compressed=said(expected)), is_compressed)
        with Peer(test_server) as peer:
            answer = ask(peer, "UnaryCall", SENDS_GZIP, ACCEPTS_GZIP, body=body)
        if expected != is_compressed:
            assert status_of(answer)[0] == Code.INVALID_ARGUMENT.value[0]
            continue
        assert_large(flagged(answer, INTEROP.SimpleResponse)[0][1])


@pytest.mark.parametrize("is_compressed", [True, False])
def test_server_compressed_unary(interop, peer, is_compressed):
    request = large_request(response_compressed=said(is_compressed))
    assert_large(interop.test.UnaryCall(request, timeout=T))
    answer = ask(peer, "UnaryCall", ACCEPTS_GZIP, body=framed(request, False))
    (flag, response), = flagged(answer, INTEROP.SimpleResponse)
    assert flag == is_compressed
    assert_large(response)


# --- streams

def test_client_streaming(interop):
    requests = (InputRequest(payload=payload(size)) for size in INPUT_SIZES)
    response = interop.test.StreamingInputCall(requests, timeout=T)
    assert response.aggregated_payload_size == sum(INPUT_SIZES) == 74922


def test_client_compressed_streaming(interop, peer):
    probe = InputRequest(expect_compressed=said(True), payload=payload(27182))
    error = refusal(lambda: interop.test.StreamingInputCall(iter([probe]), timeout=T))
    assert error.code() == Code.INVALID_ARGUMENT
    plain = InputRequest(expect_compressed=said(False), payload=payload(45904))
    answer = ask(peer, "StreamingInputCall", SENDS_GZIP,
                 body=framed(probe, True) + framed(plain, False))
    (_, response), = flagged(answer, INTEROP.StreamingInputCallResponse)
    assert response.aggregated_payload_size == 73086


def test_server_streaming(interop):
    request = OutputRequest(response_parameters=[Parameters(size=size) for size in OUTPUT_SIZES])
    assert sizes_of(interop.test.StreamingOutputCall(request, timeout=T)) == list(OUTPUT_SIZES)


def test_server_compressed_streaming(interop, peer):
    request = OutputRequest(response_parameters=[
        Parameters(compressed=said(True), size=31415),
        Parameters(compressed=said(False), size=92653)])
    assert sizes_of(interop.test.StreamingOutputCall(request, timeout=T)) == [31415, 92653]
    answer = ask(peer, "StreamingOutputCall", ACCEPTS_GZIP, body=framed(request, False))
    replies = flagged(answer, INTEROP.StreamingOutputCallResponse)
    assert [flag for flag, _ in replies] == [True, False]
    assert sizes_of(reply for _, reply in replies) == [31415, 92653]


@pytest.mark.parametrize("first", [None, True, False])
def test_compression_that_was_not_announced_does_not_begin(peer, first):
    """A flag that the headers do not announce would be an error to the client."""
    chosen = {} if first is None else {"compressed": said(first)}
    request = OutputRequest(response_parameters=[
        Parameters(size=100, **chosen), Parameters(compressed=said(True), size=31415)])
    answer = ask(peer, "StreamingOutputCall", ACCEPTS_GZIP, body=framed(request, False))
    replies = flagged(answer, INTEROP.StreamingOutputCallResponse)
    assert [flag for flag, _ in replies] == [first is True, first is not None]
    assert sizes_of(reply for _, reply in replies) == [100, 31415]


def test_ping_pong(interop):
    turns = Turns(*(output_request(*sizes) for sizes in zip(OUTPUT_SIZES, INPUT_SIZES)))
    call = interop.test.FullDuplexCall(iter(turns), timeout=T)
    for size in OUTPUT_SIZES:
        turns.go_on()
        assert sizes_of([next(call)]) == [size]
    turns.go_on()
    assert list(call) == []
    assert call.code() == Code.OK


def test_empty_stream(interop):
    call = interop.test.FullDuplexCall(iter(()), timeout=T)
    assert (list(call), call.code()) == ([], Code.OK)


def test_half_duplex(interop):
    """No reply before the last request has come; then all, in the order of the requests."""
    turns = Turns(*(output_request(size) for size in OUTPUT_SIZES))
    call = interop.test.HalfDuplexCall(iter(turns), timeout=T)
    for _ in range(len(OUTPUT_SIZES) + 1):
        turns.go_on()
    assert sizes_of(call) == list(OUTPUT_SIZES)


def test_intervals_between_replies(interop):
    request = OutputRequest(response_parameters=[
        Parameters(size=size, interval_us=3000) for size in OUTPUT_SIZES])
    assert sizes_of(interop.test.StreamingOutputCall(request, timeout=T)) == list(OUTPUT_SIZES)


# --- metadata and status

def assert_echoed(call):
    assert dict(call.initial_metadata())[INITIAL] == INITIAL_VALUE
    assert dict(call.trailing_metadata())[TRAILING] == TRAILING_VALUE


def test_custom_metadata(interop):
    metadata = ((INITIAL, INITIAL_VALUE), (TRAILING, TRAILING_VALUE))
    response, call = interop.test.UnaryCall.with_call(large_request(), timeout=T, metadata=metadata)
    assert_large(response)
    assert_echoed(call)
    requests = iter([output_request(RESPONSE_BYTES, REQUEST_BYTES)])
    call = interop.test.FullDuplexCall(requests, timeout=T, metadata=metadata)
    assert sizes_of(call) == [RESPONSE_BYTES]
    assert_echoed(call)


@pytest.mark.parametrize("text", [
    pytest.param(STATUS_TEXT, id="status_code_and_message"),
    pytest.param(SPECIAL_TEXT, id="special_status_message")])
def test_status_code_and_message(interop, text):
    status = INTEROP.EchoStatus(code=2, message=text)
    calls = (lambda: interop.test.UnaryCall(SimpleRequest(response_status=status), timeout=T),
             lambda: list(interop.test.FullDuplexCall(
                 iter([OutputRequest(response_status=status)]), timeout=T)))
    for call in calls:
        error = refusal(call)
        assert (error.code(), error.details()) == (Code.UNKNOWN, text)


def test_unimplemented_method(interop):
    error = refusal(lambda: interop.test.UnimplementedCall(INTEROP.Empty(), timeout=T))
    assert error.code() == Code.UNIMPLEMENTED


def test_unimplemented_service(interop):
    error = refusal(lambda: interop.unimplemented.UnimplementedCall(INTEROP.Empty(), timeout=T))
    assert error.code() == Code.UNIMPLEMENTED


@pytest.mark.parametrize("request_", [
    SimpleRequest(response_type=7), SimpleRequest(response_size=-1),
    SimpleRequest(response_size=2**31 - 1)], ids=["type", "negative", "huge"])
def test_payloads_that_cannot_be(interop, request_):
    error = refusal(lambda: interop.test.UnaryCall(request_, timeout=T))
    assert error.code() == Code.INVALID_ARGUMENT


# --- the end comes early

def assert_none_left(server):
    """The server has ended what the client gave up."""
    def is_quiet():
        scrape = Scrape(server)
        return scrape.get("grpc_server_started_total", **SERVICE) == \
            scrape.get("grpc_server_handled_total", **SERVICE)
    wait_until(is_quiet, "all calls to end")


def test_cancel_after_begin(test_server, interop):
    turns = Turns()
    call = interop.test.StreamingInputCall.future(iter(turns), timeout=T)
    call.cancel()
    assert call.code() == Code.CANCELLED
    turns.go_on()
    assert_none_left(test_server)


def test_cancel_after_first_response(test_server, interop):
    cancelled = {"grpc_method": "FullDuplexCall", "grpc_code": "Canceled", **SERVICE}
    before = Scrape(test_server).get("grpc_server_handled_total", **cancelled)
    turns = Turns(output_request(31415, 27182))
    turns.go_on()
    call = interop.test.FullDuplexCall(iter(turns), timeout=T)
    assert sizes_of([next(call)]) == [31415]
    call.cancel()
    assert refusal(lambda: next(call)).code() == call.code() == Code.CANCELLED
    turns.go_on()
    wait_until(lambda: Scrape(test_server).get("grpc_server_handled_total", **cancelled) > before,
               "the server to see it")
    assert_none_left(test_server)


def test_timeout_on_sleeping_server(test_server, interop):
    turns = Turns(OutputRequest(payload=payload(27182)))
    turns.go_on()
    call = interop.test.FullDuplexCall(iter(turns), timeout=0.001)
    assert refusal(lambda: next(call)).code() == Code.DEADLINE_EXCEEDED
    turns.go_on()
    assert_none_left(test_server)


# --- soaks

def soak(count, call):
    """Calls from several threads; none may fail."""
    with ThreadPoolExecutor(SOAK_THREADS) as pool:
        for done in [pool.submit(call) for _ in range(count)]:
            done.result()


def test_rpc_soak(test_server):
    """Many calls on one channel."""
    with Interop(test_server) as interop:
        soak(SOAK_CALLS, lambda: assert_large(interop.test.UnaryCall(large_request(), timeout=T)))


def test_channel_soak(test_server):
    """A new channel, and so a new connection, for each call."""
    def call():
        with Interop(test_server) as interop:
            assert_large(interop.test.UnaryCall(large_request(), timeout=T))
    soak(SOAK_CHANNELS, call)
