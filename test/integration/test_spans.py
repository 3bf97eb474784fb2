# SPDX-License-Identifier: MIT
"""Spans, as others' decoders read them: a request, its waits, its trace, and which are kept."""

import http.client
import http.server
import select
import threading

import pytest

import server as server_module
from listings import Api
from pprof_decode import decode
from rpc import Client, Request
from scrape import Scrape
from server import PATIENCE_S, wait_until
from span_receiver import Receiver
from wire import Peer, request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"traceparent: 00-{TRACE}-{PARENT}"


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


def to_otlp(receiver, **settings):
    return dict({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "0"}, **settings)


class Relay(http.server.BaseHTTPRequestHandler):
    """An upstream that asks another server in turn, as any traced server does."""

    def do_GET(self):
        self.server.seen.append(dict(self.headers))
        if self.server.onward is None:  # it breaks the connection off
            self.close_connection = True
            return
        parent = self.headers["traceparent"].split("-")
        parent[2] = "1122334455667788"
        onward = http.client.HTTPConnection("127.0.0.1", self.server.onward)
        onward.request("GET", self.path, headers={"traceparent": "-".join(parent)})
        answer = onward.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    server.seen = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_statement_is_a_span_below_its_request(receiver, start_server, database, server_binary):
    with Receiver() as jaeger:
        server = start_server(dict(database.variables, JAEGER_ENDPOINT=f"{jaeger.url}/api/traces",
                                   **to_otlp(receiver)), binary=server_binary)
        with Api(server) as api:
            one = api.create()
            read = api.get(one["id"], f"{TRACEPARENT}-01", "tracestate: a=1")
            assert read.status == 200
        for spans in (receiver.wait(1, trace=TRACE, kind="server"), jaeger.wait(1, trace=TRACE, kind="server")):
            span = spans[0]
            assert (span.name, span.parent, span.is_error) == ("GET /v1/listings/:id", PARENT, False)
            assert span.attributes["http.response.status_code"] == 200
            assert span.attributes["url.path"] == f"/v1/listings/{one['id']}"
            assert span.attributes["toq.cache"] == "hit"
            assert span.resource["service.name"] == "toq"
        served = receiver.spans(trace=TRACE, kind="server")[0]
        assert served.state == "a=1" and served.is_remote
        assert read["traceresponse"] == f"00-{TRACE}-{served.id}-01"
        insert = receiver.wait(1, name="listings.create")[0]
        served = receiver.spans(id=insert.parent)[0]
        assert served.name == "POST /v1/listings" and served.trace == insert.trace and served.holds(insert)
        assert insert.kind == "client" and insert.attributes["db.system.name"] == "mysql"
        assert insert.attributes["db.query.text"].startswith("INSERT INTO listings (id,title")
        assert one["title"] not in str(insert.attributes)
        assert [span.name for span in jaeger.wait(1, trace=insert.trace)] == [
            span.name for span in receiver.spans(trace=insert.trace)]


def test_one_trace_across_two_servers_and_an_upstream(receiver, upstream, start_server, database, test_server_binary):
    """first -> upstream -> second, whose cache is cold -> Redis, MySQL, Redis."""
    second = start_server(to_otlp(receiver, OTEL_SERVICE_NAME="second", **database.variables),
                          binary=test_server_binary)
    with Api(second) as api:
        one = api.create()
    database.redis().flushall()
    upstream.onward = second.ports["http"]
    first = start_server(to_otlp(receiver, OTEL_SERVICE_NAME="first",
                                 UPSTREAM_URL=f"http://127.0.0.1:{upstream.server_port}"), binary=test_server_binary)
    with Peer(first) as peer:
        answer = peer.ask(f"/upstream/v1/listings/{one['id']}", f"{TRACEPARENT}-01", "tracestate: a=1,b=2",
                          "baggage: user=7;p")
        assert answer.status == 200 and one["title"].encode() in answer.body
    top = receiver.wait(1, trace=TRACE, name="GET /upstream/:version/:thing/:id")[0]
    served = receiver.wait(1, trace=TRACE, name="GET /v1/listings/:id")[0]
    call = receiver.wait(1, trace=TRACE, name="GET", parent=top.id)[0]
    assert (top.parent, top.resource["service.name"]) == (PARENT, "first")
    assert call.kind == "client" and call.attributes["server.port"] == upstream.server_port
    assert call.attributes["http.response.status_code"] == 200
    seen = upstream.seen[0]
    assert seen["traceparent"] == f"00-{TRACE}-{call.id}-01"
    assert (seen["tracestate"], seen["baggage"]) == ("a=1,b=2", "user=7;p")
    assert (served.parent, served.resource["service.name"]) == ("1122334455667788", "second")
    assert served.attributes["toq.cache"] == "miss"
    below = receiver.spans(trace=TRACE, parent=served.id)
    statement = [span for span in below if span.name == "listings.lookup"][0]
    look = [span for span in below if span.name == "GET"][0]
    assert look.attributes["db.system.name"] == "redis" and look.end_ns <= statement.start_ns
    for outer, inner in ((top, call), (call, served), (served, look), (served, statement)):
        assert outer.holds(inner), (outer, inner)
    assert len({span.id for span in receiver.spans(trace=TRACE)}) == len(receiver.spans(trace=TRACE))


def test_a_span_tells_its_cpu_time_and_leads_to_its_profile(receiver, start_server):
    server = start_server(to_otlp(receiver))
    with Peer(server, "pprof") as pprof, Peer(server) as peer:
        pprof.send(request("/debug/pprof/profile?seconds=1&labels=trace"))
        for _ in range(4):
            assert peer.ask("/test/burn?ms=40").status == 200
        while not select.select([pprof.socket], [], [], 0)[0]:
            assert peer.ask("/test/burn?ms=40").status == 200
        profile = decode(pprof.answer().body)
    burns = wait_until(lambda: (lambda found: len(found) >= 4 and found)(
        [s for s in receiver.spans() if s.name == "GET /test/burn"]), "the spans")
    assert [span.attributes["toq.cpu_ns"] for span in burns] == pytest.approx([40e6] * len(burns), rel=0.1)
    ids = {span.attributes["pyroscope.profile.id"] for span in burns}
    assert ids & {s.labels.get("profile_id") for s in profile.samples}


def test_a_call_of_grpc_is_named_by_its_method(receiver, start_server):
    server = start_server(to_otlp(receiver))
    with Client(server) as client:
        client.echo.Unary(Request(payload=b"x"), timeout=PATIENCE_S, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")])
    span = receiver.wait(1, trace=TRACE)[0]
    assert span.name == span.attributes["rpc.method"] and span.name.endswith("/Unary")
    assert (span.kind, span.parent, span.is_error) == ("server", PARENT, False)
    assert (span.attributes["rpc.system.name"], span.attributes["rpc.status_code"]) == ("grpc", "OK")


def test_what_is_not_sampled_is_kept_when_it_fails_is_slow_or_holds_the_loop(receiver, upstream, start_server):
    upstream.onward = None
    server = start_server(to_otlp(receiver, OTEL_TRACES_SAMPLER="parentbased_always_off", SLOW_REQUEST_MS="200",
                                  UPSTREAM_URL=f"http://127.0.0.1:{upstream.server_port}"))
    with Peer(server) as peer:
        assert peer.ask("/hello/x").status == 200
        assert peer.ask("/upstream/v1/x", f"{TRACEPARENT}-00").status == 502
        assert peer.ask("/test/burn?ms=60").status == 200
        assert peer.ask("/test/sleep?ms=250").status == 200
        assert peer.ask("/hello/sampled", f"{TRACEPARENT}-01").status == 200
    sampled = receiver.wait(1, name="GET /hello/:name")
    assert len(sampled) == 1 and "sampling.tail" not in sampled[0].attributes and sampled[0].flags & 1
    for name in ("GET /upstream/:version/:thing", "GET /test/burn", "GET /test/sleep"):
        span = receiver.wait(1, name=name)[0]
        assert span.attributes["sampling.tail"] is True and not span.flags & 1
    failed = receiver.spans(name="GET /upstream/:version/:thing")[0]
    assert failed.is_error and failed.trace == TRACE and failed.attributes["error.type"] == "502"
    assert upstream.seen[0]["traceparent"].endswith("-00")


def test_nothing_is_exported_unless_it_is_asked_for(start_server):
    server = start_server()
    with Peer(server) as peer:
        answer = peer.ask("/hello/x", f"{TRACEPARENT}-01")
    assert answer.status == 200 and "traceresponse" not in answer.fields
    assert "toq_export" not in Scrape(server).text


@pytest.mark.parametrize("name, value", [
    ("JAEGER_ENDPOINT", "localhost:14268"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
    ("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "lzma"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "secret"), ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/tmp/key")])
def test_a_wrong_value_is_78(server_binary, name, value):
    server = server_module.Server(server_binary, {name: value})
    assert server.wait_exit() == 78
    assert name in server.stderr()
    assert value not in server.stderr() or "HEADERS" not in name


def test_the_drain_sends_what_waits(receiver, start_server):
    server = start_server(to_otlp(receiver, OTEL_BSP_SCHEDULE_DELAY="600000"))
    with Peer(server) as peer:
        for _ in range(20):
            assert peer.ask("/hello/x").status == 200
    assert not receiver.spans()
    assert server.stop() == 0
    assert len(receiver.spans(name="GET /hello/:name")) == 20


def hanging(server):
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body.count(b" upstream ")


def test_a_name_that_hangs_holds_nobody(start_server):
    server = start_server({"UPSTREAM_URL": "http://x.hang.test:80"})
    with Peer(server) as peer, Peer(server) as other:
        peer.send(b"GET /upstream/v1/x HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: hanging(server) == 1, "the call to wait for its name")
        assert other.ask("/hello/x").status == 200
        peer.reset()
        wait_until(lambda: hanging(server) == 0, "the call to be cancelled")
