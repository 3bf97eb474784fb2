# SPDX-License-Identifier: MIT
"""Receivers of spans that fail: requests go on, what is lost is counted, and what comes back is used again."""

import ssl
import subprocess

import pytest

from scrape import Scrape
from server import wait_until
from span_receiver import OTLP, Receiver, decoders
from wire import Peer


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


def start(start_server, receiver, **settings):
    return start_server(dict({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "0",
                              "OTEL_BSP_EXPORT_TIMEOUT": "1500"}, **settings))


def ask(server, count=1, name="x"):
    with Peer(server) as peer:
        for _ in range(count):
            assert peer.ask(f"/hello/{name}").status == 200


def dropped(server, reason):
    return Scrape(server).get("toq_export_dropped_spans_total", receiver="otlp", reason=reason)


def warnings(server):
    return [line for line in server.lines if "spans are not delivered" in line]


def test_one_that_is_dead_and_comes_back(receiver, start_server):
    receiver.close()
    server = start(start_server, receiver, OTEL_BSP_MAX_QUEUE_SIZE="16")
    ask(server, 200)
    wait_until(lambda: dropped(server, "unreachable") > 0, "a batch to be given up")
    wait_until(lambda: Scrape(server).get("toq_export_lost_requests_total") > 0, "the queue to be full")
    assert len(warnings(server)) == 1 and "status=0" not in warnings(server)[0]
    assert sum("the queue is full" in line for line in server.lines) == 1
    receiver.open()
    ask(server, name="back")
    wait_until(lambda: (ask(server), receiver.spans())[1], "spans again")
    server.wait_line("spans are delivered again")


def test_one_that_stalls_costs_no_request_anything(receiver, start_server):
    server = start(start_server, receiver, OTEL_BSP_MAX_QUEUE_SIZE="16", OTEL_EXPORTER_OTLP_TIMEOUT="500")
    with receiver.stalled():
        ask(server, 300)
        wait_until(lambda: Scrape(server).get("toq_export_lost_requests_total") > 0, "the queue to be full")
        wait_until(lambda: dropped(server, "unreachable") > 0, "a batch to be given up")
    wait_until(lambda: (ask(server), receiver.spans())[1], "spans again")


RUBBISH = {
    "a body that is no message": (200, {"Content-Type": OTLP}, b"\xff\xff\xff", "nonsense"),
    "more rejected than were sent": (200, {}, b"\x0a\x03\x08\x90\x4e", "nonsense"),
    "less than none rejected": (200, {}, b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "nonsense"),
    "no": (400, {"Content-Type": OTLP}, b"\x08\x03\x12\x03bad", "refused"),
    "moved": (302, {"Location": "http://127.0.0.1:1/"}, b"", "refused"),
    "no HTTP": (None, {}, b"SSH-2.0-x\r\n\r\n", "unreachable"),
    "an answer without an end": (200, {}, b"x" * 5_000_000, "nonsense"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_one_that_answers_rubbish(receiver, start_server, name):
    *answer, reason = RUBBISH[name]
    receiver.answers = [tuple(answer)] * (20 if reason == "unreachable" else 1)
    server = start(start_server, receiver, OTEL_BSP_EXPORT_TIMEOUT="100")
    ask(server)
    wait_until(lambda: dropped(server, reason) >= 1, f"spans to be counted as {reason}")
    assert len(warnings(server)) == 1
    receiver.answers = []
    seen = len(receiver.spans())
    wait_until(lambda: (ask(server), len(receiver.spans()) > seen)[1], "spans again")


def test_later_is_tried_again_with_the_same_body(receiver, start_server):
    receiver.answers = [(429, {}, b""), (503, {"Retry-After": "1"}, b"")]
    server = start(start_server, receiver, OTEL_BSP_EXPORT_TIMEOUT="60000")
    ask(server)
    wait_until(receiver.spans, "the spans in the end")
    bodies = [body for _, _, body in receiver.requests]
    assert len(bodies) == 3 and len(set(bodies)) == 1
    assert len(receiver.spans()) == 1 and dropped(server, "unreachable") == 0


def test_some_that_are_rejected_are_counted(receiver, start_server):
    pb, _ = decoders()
    answer = pb.ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    answer.partial_success.error_message = "too old"
    receiver.answers = [(200, {"Content-Type": OTLP}, answer.SerializeToString())]
    server = start(start_server, receiver)
    ask(server)
    wait_until(lambda: dropped(server, "rejected") == 1, "the rejected one")
    assert "too old" in server.wait_line("spans are not delivered")
    assert len(receiver.requests) == 1


def test_fields_compression_and_tls(start_server, tmp_path):
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=t", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with Receiver(tls) as receiver:
        server = start(start_server, receiver, OTEL_EXPORTER_OTLP_CERTIFICATE=cert, OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
                       OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20x,a=b", OTEL_RESOURCE_ATTRIBUTES="zone=a%20b")
        ask(server)
        span = wait_until(receiver.spans, "a span")[0]
        path, fields, _ = receiver.requests[0]
        assert (path, fields["Content-Encoding"], fields["Authorization"], fields["a"]) == (
            "/v1/traces", "gzip", "Bearer x", "b")
        assert span.resource["zone"] == "a b"
        stranger = start(start_server, receiver)  # it knows no such authority
        seen = len(receiver.requests)
        ask(stranger)
        wait_until(lambda: dropped(stranger, "unreachable") == 1, "it to be refused")
        assert len(receiver.requests) == seen
