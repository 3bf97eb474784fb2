# SPDX-License-Identifier: MIT
"""The services that every server has: health and reflection; and how calls fare when it stops."""

import signal
import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2

from http2_wire import CANCEL, DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, frame
from rpc import (HEALTH, Client, Peer, Request, Stub, call_fields, message, module, refusal, scrape)
from server import PATIENCE_S, wait_until

Code = grpc.StatusCode
T = PATIENCE_S
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
ECHO_NAME = "toq.test.v1.Echo"
MOUNTED = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
           "grpc.reflection.v1alpha.ServerReflection", ECHO_NAME}


def check(client, service=""):
    return client.health.Check(HEALTH.HealthCheckRequest(service=service), timeout=T).status


@pytest.fixture(scope="module")
def client(test_server):
    with Client(test_server) as one:
        yield one


# --- health

def test_check(client):
    wait_until(lambda: check(client) == SERVING, "MySQL to be up")
    for service in MOUNTED:
        assert check(client, service) == SERVING
    error = refusal(lambda: check(client, "no.Such"))
    assert error.code() == Code.NOT_FOUND


def test_list(client):
    wait_until(lambda: check(client) == SERVING, "MySQL to be up")
    statuses = client.health.List(HEALTH.HealthListRequest(), timeout=T).statuses
    assert set(statuses) >= MOUNTED | {""}
    assert {one.status for one in statuses.values()} == {SERVING}


def test_without_mysql_it_is_not_serving(start_server):
    with Client(start_server()) as client:
        assert check(client) == NOT_SERVING
        assert check(client, ECHO_NAME) == NOT_SERVING


def test_watch_says_it_at_once(client):
    wait_until(lambda: check(client) == SERVING, "MySQL to be up")
    for service, status in (("", SERVING), (ECHO_NAME, SERVING), ("no.Such", SERVICE_UNKNOWN)):
        watch = client.health.Watch(HEALTH.HealthCheckRequest(service=service), timeout=T)
        assert next(watch).status == status
        watch.cancel()
        assert refusal(lambda: next(watch)).code() == Code.CANCELLED


def test_watch_follows_mysql(start_server, services):
    server = start_server(services.variables)
    with Client(server) as client:
        watch = client.health.Watch(HEALTH.HealthCheckRequest())
        first = next(watch).status
        assert first == SERVING or next(watch).status == SERVING
        services.kill("mysql")
        try:
            assert next(watch).status == NOT_SERVING
        finally:
            services.up("mysql")
        assert next(watch).status == SERVING
        watch.cancel()


# --- reflection

def reflect(client, version, requests):
    """The answers to requests; v1's messages serve for both, as they do in the server."""
    pb2 = module("grpc/reflection/v1/reflection.proto")
    call = client.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb2.ServerReflectionResponse.FromString)
    made = [pb2.ServerReflectionRequest(host="h", **request) for request in requests]
    answers = list(call(iter(made), timeout=T))
    for request, answer in zip(made, answers, strict=True):
        assert answer.original_request == request and answer.valid_host == "h"
    return answers


def files_of(answer):
    return [descriptor_pb2.FileDescriptorProto.FromString(one)
            for one in answer.file_descriptor_response.file_descriptor_proto]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_finds_all_services_and_their_files(client, version):
    answer, = reflect(client, version, [{"list_services": ""}])
    names = [one.name for one in answer.list_services_response.service]
    assert set(names) >= MOUNTED
    for name in names:
        file = files_of(reflect(client, version, [{"file_containing_symbol": name}])[0])[0]
        assert name in [f"{file.package}.{one.name}" for one in file.service]


@pytest.mark.parametrize("symbol, file", [
    ("grpc.health.v1.Health.Check", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthCheckResponse", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthListResponse.StatusesEntry", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthCheckRequest.service", "grpc/health/v1/health.proto"),
    ("toq.test.v1.Compression", "toq/test/v1/echo.proto"),
    ("toq.test.v1.COMPRESSION_ON", "toq/test/v1/echo.proto"),
    ("grpc.reflection.v1.ServerReflectionRequest.message_request",
     "grpc/reflection/v1/reflection.proto"),
    ("google.protobuf.Any", "google/protobuf/any.proto")])
def test_reflection_finds_symbols(client, symbol, file):
    answer, = reflect(client, "v1", [{"file_containing_symbol": symbol}])
    assert files_of(answer)[0].name == file


def test_reflection_sends_imports_once_a_stream(client):
    answers = reflect(client, "v1", [{"file_by_filename": "google/rpc/status.proto"}] * 2)
    assert [one.name for one in files_of(answers[0])] == ["google/rpc/status.proto",
                                                          "google/protobuf/any.proto"]
    assert [one.name for one in files_of(answers[1])] == ["google/rpc/status.proto"]


@pytest.mark.parametrize("request_, code", [
    ({"file_by_filename": "no/such.proto"}, 5), ({"file_containing_symbol": "no.Such"}, 5),
    ({"file_containing_symbol": "grpc.health.v1"}, 5), ({"file_containing_symbol": ""}, 5),
    ({"file_containing_symbol": "grpc.health.v1.Health.Nix"}, 5),
    ({"all_extension_numbers_of_type": "no.Such"}, 5), ({}, 3)])
def test_reflection_says_what_it_does_not_know(client, request_, code):
    answer, = reflect(client, "v1", [request_])
    assert answer.error_response.error_code == code and answer.error_response.error_message


def test_reflection_of_extensions(client):
    answers = reflect(client, "v1", [
        {"all_extension_numbers_of_type": "google.rpc.Status"},
        {"file_containing_extension": {"containing_type": "google.rpc.Status",
                                       "extension_number": 1}}])
    numbers = answers[0].all_extension_numbers_response
    assert numbers.base_type_name == "google.rpc.Status" and list(numbers.extension_number) == []
    assert answers[1].error_response.error_code == 5


# --- the end

def test_health_turns_first_and_streams_end(start_server, services):
    server = start_server(services.variables)
    with Client(server) as client:
        wait_until(lambda: check(client) == SERVING, "MySQL to be up")
        watch = client.health.Watch(HEALTH.HealthCheckRequest())
        assert next(watch).status == SERVING
        reflection = Stub(client.channel, module("grpc/reflection/v1/reflection.proto")
                          .DESCRIPTOR.services_by_name["ServerReflection"])
        held = threading.Event()
        idle = reflection.ServerReflectionInfo(iter(held.wait, True))
        wait_until(lambda: scrape(server)[
            'grpc_server_started_total{grpc_type="bidi_stream",grpc_service='
            '"grpc.reflection.v1.ServerReflection",grpc_method="ServerReflectionInfo"}'] == 1,
            "the stream")
        server.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        assert refusal(lambda: next(watch)).code() == Code.UNAVAILABLE
        assert refusal(lambda: next(idle)).code() == Code.UNAVAILABLE
        held.set()
    assert server.wait_exit() == 0
    assert not server.has_line("shutdown timed out")


def test_calls_under_way_are_answered_when_it_stops(start_server):
    server = start_server()
    with Client(server) as client:
        calls = [client.echo.Unary.future(Request(payload=b"%d" % n, sleep_ms=1500), timeout=T)
                 for n in range(100)]
        chat_may_end = threading.Event()

        def requests():
            yield Request(payload=b"1")
            chat_may_end.wait(T)
            yield Request(payload=b"2")

        chat = client.echo.Chat(requests(), timeout=T)
        assert next(chat).payload == b"1"
        wait_until(lambda: scrape(server)["http_server_active_requests"] >= 102, "the calls")
        server.send_signal(signal.SIGTERM)
        assert [call.result().payload for call in calls] == [b"%d" % n for n in range(100)]
        chat_may_end.set()
        assert next(chat).payload == b"2"
        assert refusal_or_end(chat) is None
    assert server.wait_exit() == 0


def refusal_or_end(stream):
    try:
        return next(stream, None)
    except grpc.RpcError as error:
        return error


def test_streams_end_with_unavailable_after_the_grace(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 300})
    with Client(server) as client:
        stream = client.echo.Spread(Request(count=1, is_stuck=True))
        next(stream)
        chat = client.echo.Chat(iter(threading.Event().wait, True))
        unary = client.echo.Unary.future(Request(is_stuck=True))
        slow = client.echo.Unary.future(Request(is_stuck=True, is_slow_to_give_up=True))
        wait_until(lambda: scrape(server)["http_server_active_requests"] >= 5, "the calls")
        server.send_signal(signal.SIGTERM)
        for call in (lambda: next(stream), lambda: next(chat), unary.result, slow.result):
            error = refusal(call)
            assert (error.code(), error.details()) == (Code.UNAVAILABLE,
                                                       "the server is shutting down")
    assert server.wait_exit() == 0
    assert "cancelled_requests=4" in server.wait_line("shutdown timed out")


def test_a_fin_ends_a_watch(test_server, client):
    """Only the watch: the call beside it is answered."""
    wait_until(lambda: check(client) == SERVING, "MySQL to be up")
    with Peer(test_server) as peer:
        watch = call_fields(path="/grpc.health.v1.Health/Watch")
        peer.send(peer.headers(1, watch, end=False), frame(DATA, END_STREAM, 1, message(b"")))
        peer.await_frame(DATA, stream=1)
        body = message(Request(sleep_ms=300).SerializeToString())
        peer.send(peer.headers(3, call_fields(), end=False), frame(DATA, END_STREAM, 3, body))
        peer.assert_alive()
        peer.half_close()
        seen = list(peer.frames())
    assert [(one.stream, one.code) for one in seen if one.kind == RST_STREAM] == [(1, CANCEL)]
    assert [one.stream for one in seen if one.kind == HEADERS and one.is_end] == [3]
    assert not peer.is_reset


def test_goaway_comes_before_the_end(start_server):
    server = start_server()
    with Peer(server) as peer:
        body = message(Request(sleep_ms=500).SerializeToString())
        peer.send(peer.headers(1, call_fields(), end=False), frame(DATA, END_STREAM, 1, body))
        peer.assert_alive()
        server.send_signal(signal.SIGTERM)
        goaway = peer.await_frame(GOAWAY)
        assert goaway.last_stream == 2 ** 31 - 1 and goaway.code == 0
        # what was on its way when it was sent is served
        peer.send(peer.headers(3, call_fields(), end=False),
                  frame(DATA, END_STREAM, 3, message(b"")))
        ended = {}
        for one in peer.frames():
            if one.kind == HEADERS and one.is_end:
                ended[one.stream] = dict(one.pairs)["grpc-status"]
        assert ended == {1: "0", 3: "0"} and not peer.is_reset
    assert server.wait_exit() == 0
