# SPDX-License-Identifier: MIT
"""Unary methods of gRPC as routes of HTTP, with their messages in JSON."""

import base64
import errno
import json
import signal

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from http2_wire import DATA, END_STREAM, Http2Peer, fields, frame, rst
from rpc import Client, Stub, module
from scrape import Scrape
from server import PATIENCE_S, wait_until
from wire import Peer, request

KINDS = module("toq/test/v1/kinds.proto")
JSON = "Content-Type: application/json"
KIND = "/test/kinds"
CALL = "/test/calls"
STUCK = b'{"is_stuck":true}'
ROUTE = "/test/kinds/:string_value/:uint32_value"
UNARY = {"grpc_service": "toq.test.v1.Echo", "grpc_method": "Unary"}

# Each kind at an edge of its range; the oneof, lists, and a message in a message.
FULL = KINDS.Kinds(
    int32_value=-2**31, int64_value=-2**63, uint32_value=2**32 - 1, uint64_value=2**64 - 1, sint32_value=-1, sint64_value=-1,
    fixed32_value=1, fixed64_value=2**53 + 1, sfixed32_value=-2, sfixed64_value=2**63 - 1, float_value=0.1,
    double_value=1e-300, bool_value=True, string_value="\"ação\"\n\u2028😈", bytes_value=bytes(range(256)), colour=KINDS.Kinds.BLUE,
    inner=KINDS.Kinds.Inner(name="a", again=KINDS.Kinds(texts=["b"])), number=2**64 - 1, texts=["", "x"], numbers=[0, 7],
    longs=[-1], time=Timestamp(seconds=1796137445, nanos=500_000_000), inners=[KINDS.Kinds.Inner(number=1), KINDS.Kinds.Inner()], colours=[0, 1, 7], pieces=[b"", b"\xff"],
    flags=[True, False], reals=[0, 0.1, float("inf")], line_2="x")


@pytest.fixture
def peer(test_server):
    with Peer(test_server) as one:
        yield one


def problem(answer, status, code):
    """The detail of an answer that tells an error."""
    assert (answer.status, answer["Content-Type"]) == (status, "application/problem+json")
    told = json.loads(answer.body)
    assert (told["status"], told.get("code")) == (status, code)
    assert len(told["trace_id"]) == 32
    return told["detail"]


def post(peer, target, body, *more):
    return peer.ask(target, JSON, *more, method="POST", body=body if isinstance(body, bytes) else json.dumps(body).encode())


# --- messages


def test_what_protobuf_writes_is_read_and_the_other_way_round(peer):
    """protobuf's own JSON, in both spellings of its names."""
    for keeps_names in (False, True):
        text = json_format.MessageToJson(FULL, preserving_proto_field_name=keeps_names)
        answer = post(peer, KIND, text.encode())
        assert (answer.status, answer["Content-Type"]) == (200, "application/json")
        assert json_format.Parse(answer.body, KINDS.Kinds()) == FULL


def test_the_same_method_over_grpc(test_server):
    with Client(test_server) as client:
        stub = Stub(client.channel, KINDS.DESCRIPTOR.services_by_name["KindsService"])
        assert stub.Mirror(FULL, timeout=PATIENCE_S) == FULL


def test_the_form_of_an_answer(peer):
    told = json.loads(post(peer, KIND, {"inner": {"name": "a"}, "uint64Value": 5}).body)
    assert told["uint64_value"] == "5"  # of 64 bits: a text, which JavaScript does not round
    assert told["uint32_value"] == 0 and told["bool_value"] is False and told["string_value"] == ""
    assert told["colour"] == "GREY" and told["texts"] == []
    assert told["inner"] == {"name": "a", "number": 0}
    assert not told.keys() & {"word", "number", "time"}  # they have presence, and are not set


# --- where fields come from


def test_path_and_query(peer):
    answer = peer.ask(f"{KIND}/a%2Fb%20c/7?bool_value=true&colour=RED&int64Value=-5&word=x+y")
    told = json.loads(answer.body)
    assert (told["string_value"], told["uint32_value"], told["bool_value"]) == ("a/b c", 7, True)
    assert (told["colour"], told["int64_value"], told["word"]) == ("RED", "-5", "x y")
    told = json.loads(peer.ask(f"{KIND}/a/7?bytes_value=AAE%3D", method="DELETE").body)
    assert base64.b64decode(told["bytes_value"]) == b"\0\1"


@pytest.mark.parametrize("target, detail", [
    ("/a/x", "uint32_value: must be an integer from 0 to 4294967295"),
    ("/a/1?nothing=1", "nothing: is not a field"),
    ("/a/1?word=a&word=b", "word: is given twice"),
    ("/a/1?int32_value=1&int32Value=1", "int32_value: is given twice"),
    ("/a/1?uint32_value=1", "uint32_value: is given twice"),
    ("/a/1?word=a&number=1", "number: another field of its oneof is given"),
    ("/a/1?texts=a", "texts: cannot be given by a parameter"),
    ("/%ff/1", "string_value: must be a text in UTF-8"),
])
def test_parameters_that_are_refused(peer, target, detail):
    assert problem(peer.ask(KIND + target), 400, "INVALID_ARGUMENT") == detail


def test_path_and_body(peer):
    told = json.loads(peer.ask(f"{KIND}/a/7", JSON, method="PUT", body=b'{"word":"w"}').body)
    assert (told["string_value"], told["uint32_value"], told["word"]) == ("a", 7, "w")
    told = json.loads(peer.ask(f"{KIND}/a/7", "Content-Length: 0", method="PUT").body)
    assert (told["string_value"], told["uint32_value"]) == ("a", 7)
    assert problem(peer.ask(f"{KIND}/a/7", JSON, method="PUT", body=b'{"uint32_value":7}'),
                   400, "INVALID_ARGUMENT") == "uint32_value: is given twice"
    assert problem(peer.ask(f"{KIND}/a/7?word=w", JSON, method="PUT", body=b"{}"),
                   400, "INVALID_ARGUMENT") == "word: must be given in the body"


def test_a_method_with_two_routes(test_server, peer):
    """A call counts once, whichever way it came."""
    def started():
        return Scrape(test_server).get("grpc_server_started_total", grpc_service="toq.test.v1.KindsService", grpc_method="Mirror")
    before = started()
    assert json.loads(post(peer, KIND, {"string_value": "a"}).body)["string_value"] == "a"
    answer = peer.ask(f"{KIND}/b", JSON, method="PATCH", body=b'{"word":"w"}')
    assert [json.loads(answer.body)[name] for name in ("string_value", "word")] == ["b", "w"]
    with Client(test_server) as client:
        stub = Stub(client.channel, KINDS.DESCRIPTOR.services_by_name["KindsService"])
        assert stub.Mirror(FULL, timeout=PATIENCE_S) == FULL
    assert started() == before + 3


@pytest.mark.parametrize("body, detail", [
    (b'{"texts":["a",1]}', "texts[1]: must be a text"),
    (b'{"nothing":1}', "nothing: is not a field"),
    (b'{"inner":{"nothing":1}}', "inner.nothing: is not a field"),
    (b'{"word":"a","word":"a"}', "word: is given twice"),
    (b'{"word":"a"', "the body is not JSON: a comma is missing, at byte 11"),
    (b'{"word":"\xff"}', "the body is not JSON: a string that is not UTF-8, at byte 9"),
    (b"[]", "the body is no JSON object"),
    (b'{"inner":{"again":' * 33 + b"{}" + b"}}" * 33, "the body is not JSON: values are nested too deep, at byte 577"),
])
def test_bodies_that_are_refused(peer, body, detail):
    assert problem(post(peer, KIND, body), 400, "INVALID_ARGUMENT") == detail


def test_a_type_with_a_charset(peer):
    assert peer.ask(KIND, "Content-Type: Application/JSON; charset=UTF-8", method="POST", body=b"{}").status == 200


@pytest.mark.parametrize("fields", [
    (), ("Content-Type: text/plain",), ("Content-Type: application/json; charset=latin1",), (JSON, "Content-Encoding: gzip")])
def test_other_types_of_bodies(peer, fields):
    assert problem(peer.ask(KIND, *fields, method="POST", body=b"{}"), 415, None)


def test_a_message_that_is_longer_than_the_limit(start_server):
    server = start_server({"GRPC_MAX_RECEIVE_BYTES": 1000})
    with Peer(server) as peer:
        assert post(peer, KIND, {"texts": ["a" * 900]}).status == 200
        assert problem(post(peer, KIND, {"texts": ["a" * 1000]}), 413, None)


def test_a_body_whose_message_would_be_huge(start_server):
    """Elements of a dozen bytes that take hundreds each: a message takes eight times the limit at most."""
    server = start_server({"GRPC_MAX_RECEIVE_BYTES": 100_000})
    with Peer(server) as peer:
        answer = post(peer, KIND, b'{"inners":[' + b",".join([b'{"again":{}}'] * 7000) + b"]}")
        assert problem(answer, 413, "RESOURCE_EXHAUSTED") == "the message takes more memory than the limit"
        assert answer["Retry-After"] is None
        assert post(peer, KIND, {"numbers": list(range(10_000))}).status == 200


# --- HTTP


def test_methods(peer):
    assert peer.ask(f"{KIND}/a/7", method="HEAD").status == 200
    answer = peer.ask(f"{KIND}/a/7", "Content-Length: 0", method="POST")
    assert (answer.status, answer["Allow"]) == (405, "GET, HEAD, PUT, DELETE, OPTIONS")
    answer = peer.ask(f"{KIND}/a/7", method="OPTIONS")
    assert (answer.status, answer["Allow"]) == (204, "GET, HEAD, PUT, DELETE, OPTIONS")


def test_over_http2(test_server):
    with Http2Peer(test_server) as peer:
        answer = peer.ask(KIND, ("content-type", "application/json"), method="POST", body=b'{"word":"w"}')
        assert (answer.status, json.loads(answer.body)["word"]) == (200, "w")
        answer = peer.ask(f"{KIND}/a/7?nothing=1", stream=3)
        assert (answer.status, answer["content-type"]) == (400, "application/problem+json")


def test_metadata(peer):
    """Fields are metadata, whatever the case of their names; headers are fields, and trailers are left out."""
    answer = post(peer, CALL, {"message": "x"}, "X-Echo-Initial: there", "X-Echo-Trailing-Bin: AAE=")
    assert answer.status == 200 and answer["x-echo-initial"] == "there"
    assert answer["x-echo-trailing-bin"] is None
    answer = post(peer, CALL, {"code": 5, "message": "x"}, "X-Echo-Initial: there")
    assert answer.status == 404 and answer["x-echo-initial"] == "there"


def test_an_interceptor(peer):
    answer = peer.ask("/test/guarded")
    assert problem(answer, 401, "UNAUTHENTICATED") == "a token is missing"
    assert answer["WWW-Authenticate"] == 'Bearer realm="toq"'
    assert peer.ask("/test/guarded", "Authorization: Bearer kinds").status == 200


# --- statuses


@pytest.mark.parametrize("code, name, status", [
    (1, "CANCELLED", 499), (2, "UNKNOWN", 500), (3, "INVALID_ARGUMENT", 400), (4, "DEADLINE_EXCEEDED", 504),
    (5, "NOT_FOUND", 404), (6, "ALREADY_EXISTS", 409), (7, "PERMISSION_DENIED", 403), (8, "RESOURCE_EXHAUSTED", 429),
    (9, "FAILED_PRECONDITION", 400), (10, "ABORTED", 409), (11, "OUT_OF_RANGE", 400), (12, "UNIMPLEMENTED", 501),
    (13, "INTERNAL", 500), (14, "UNAVAILABLE", 503), (15, "DATA_LOSS", 500), (16, "UNAUTHENTICATED", 401),
    (99, "UNKNOWN", 500)])
def test_statuses(peer, code, name, status):
    answer = post(peer, CALL, {"code": code, "message": "ação"})
    assert problem(answer, status, name) == "ação"
    assert answer["Retry-After"] == ("1" if status in (429, 503) else None)


@pytest.mark.parametrize("error, status, name, detail", [
    (errno.ENOMEM, 503, "RESOURCE_EXHAUSTED", "out of memory"), (errno.EBUSY, 503, "RESOURCE_EXHAUSTED", "the server is busy"),
    (errno.EMSGSIZE, 429, "RESOURCE_EXHAUSTED", "more than the limit"), (errno.ENOENT, 404, "NOT_FOUND", "not found")])
def test_errors(peer, error, status, name, detail):
    """What the server lacks is 503, as on every route of HTTP."""
    answer = post(peer, CALL, {"code": error, "is_error": True})
    assert problem(answer, status, name) == detail
    assert answer["Retry-After"] == ("1" if status in (429, 503) else None)


def test_an_answer_that_is_too_long(start_server):
    server = start_server({"GRPC_MAX_SEND_BYTES": 1000})
    with Peer(server) as peer:
        answer = post(peer, KIND, {"texts": ["a" * 1000]})
        assert problem(answer, 500, "RESOURCE_EXHAUSTED") == "the answer cannot be sent"
        assert answer["Retry-After"] is None


def test_a_deadline(test_server, peer):
    before = Scrape(test_server).get("grpc_server_handled_total", grpc_code="DeadlineExceeded", **UNARY)
    answer = post(peer, CALL, {"is_stuck": True}, "Grpc-Timeout: 20m")
    assert problem(answer, 504, "DEADLINE_EXCEEDED") == "the deadline passed"
    assert Scrape(test_server).get("grpc_server_handled_total", grpc_code="DeadlineExceeded", **UNARY) == before + 1


def test_a_deadline_that_has_passed(peer):
    assert problem(post(peer, CALL, {}, "Grpc-Timeout: 0S"), 504, "DEADLINE_EXCEEDED") == "the deadline passed"


def test_the_servers_deadline(start_server):
    server = start_server({"REQUEST_TIMEOUT_MS": 100})
    with Peer(server) as peer:
        assert problem(post(peer, CALL, {"is_stuck": True}), 504, "DEADLINE_EXCEEDED")


def test_a_malformed_deadline(peer):
    assert problem(post(peer, CALL, {}, "Grpc-Timeout: soon"), 400, None) == "malformed grpc-timeout"


def cancelled(server):
    with Peer(server) as peer:
        return int(json.loads(peer.ask(CALL).body)["cancelled"])


def stuck(server):
    """How many calls wait for ever."""
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body.count(b"POST /test/calls stuck ")


@pytest.mark.parametrize("is_http2", [False, True])
def test_a_client_that_leaves(test_server, is_http2):
    before = cancelled(test_server)
    waiting = Scrape(test_server).requests(CALL, 499, "POST")
    with (Http2Peer if is_http2 else Peer)(test_server) as peer:
        if is_http2:
            pairs = fields(CALL, ("content-type", "application/json"), method="POST")
            peer.send(peer.headers(1, pairs, end=False), frame(DATA, END_STREAM, 1, STUCK))
        else:
            peer.send(request(CALL, JSON, method="POST", body=STUCK))
        wait_until(lambda: stuck(test_server) == 1, "the call to wait")
        if is_http2:
            peer.send(rst(1))
        else:
            peer.reset()
    wait_until(lambda: cancelled(test_server) == before + 1, "the handler to be told")
    wait_until(lambda: Scrape(test_server).requests(CALL, 499, "POST") == waiting + 1, "it to be counted")


def test_a_handler_that_is_slow_to_give_up(test_server, peer):
    """The client gets its answer before the handler ends the call."""
    answer = post(peer, CALL, {"is_stuck": True, "is_slow_to_give_up": True}, "Grpc-Timeout: 20m")
    assert problem(answer, 504, "DEADLINE_EXCEEDED")


def test_a_drain_waits_for_a_call(start_server):
    server = start_server()
    with Peer(server) as peer:
        peer.send(request(CALL, JSON, method="POST", body=b'{"sleep_ms":200}'))
        wait_until(lambda: Scrape(server, at_once=True).get("http_server_active_requests") >= 2, "it to be there")
        server.send_signal(signal.SIGTERM)
        assert peer.answer().status == 200
    assert server.wait_exit() == 0


def test_a_drain_that_runs_out_of_time(start_server):
    server = start_server({"SHUTDOWN_TIMEOUT_MS": 200})
    with Peer(server) as peer:
        peer.send(request(CALL, JSON, method="POST", body=STUCK))
        wait_until(lambda: stuck(server) == 1, "it to be there")
        server.send_signal(signal.SIGTERM)
        answer = peer.answer()
        assert problem(answer, 503, "UNAVAILABLE") == "the server is shutting down"
        assert answer["Retry-After"] == "1"
    assert server.wait_exit() == 0


# --- what is told of them


def test_metrics(test_server, peer):
    def read():
        scrape = Scrape(test_server)
        of = {"grpc_service": "toq.test.v1.KindsService", "grpc_method": "Read"}
        return (scrape.requests(ROUTE, 200), scrape.get("http_server_request_cpu_seconds_count", route=ROUTE),
                scrape.get("grpc_server_started_total", **of), scrape.get("grpc_server_handled_total", grpc_code="OK", **of),
                scrape.get("grpc_server_msg_received_total", **of), scrape.get("grpc_server_msg_sent_total", **of))
    before = read()
    assert peer.ask(f"{KIND}/a/7").status == 200
    wait_until(lambda: read() == tuple(count + 1 for count in before), "one more of each")


def test_the_access_line(start_server):
    server = start_server({"LOG_FORMAT": "json", "LOG_LEVEL": "debug", "LOG_ACCESS_EVERY": 1})
    with Peer(server) as peer:
        post(peer, CALL, {"code": 9})
    wait_until(lambda: server.has_line('"rpc_status":"FAILED_PRECONDITION"'), "the line")
    [line] = [json.loads(one) for one in server.lines if "FAILED_PRECONDITION" in one]
    assert (line["route"], line["status"], line["server"]) == (CALL, 400, "http")
