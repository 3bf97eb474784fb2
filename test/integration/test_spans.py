# SPDX-License-Identifier: MIT
"""Spans, as others' decoders read them: a request, its waits, its trace; receivers that fail."""

import pytest

from listings import Api
from span_receiver import Receiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


def to_otlp(receiver, **settings):
    return dict({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "0"}, **settings)


def test_a_statement_is_a_span_below_its_request(receiver, start_server, database, server_binary):
    with Receiver() as jaeger:
        server = start_server(dict(database.variables, JAEGER_ENDPOINT=f"{jaeger.url}/api/traces",
                                   **to_otlp(receiver)), binary=server_binary)
        with Api(server) as api:
            one = api.create()
            read = api.get(one["id"], f"traceparent: 00-{TRACE}-{PARENT}-01", "tracestate: a=1")
            assert read.status == 200
        for spans in (receiver.wait(1, trace=TRACE, kind="server"), jaeger.wait(1, trace=TRACE, kind="server")):
            span = spans[0]
            assert (span.name, span.parent, span.is_error) == ("GET /v1/listings/:id", PARENT, False)
            assert span.attributes["http.response.status_code"] == 200
            assert span.attributes["url.path"] == f"/v1/listings/{one['id']}"
            assert span.resource["service.name"] == "toq"
        assert receiver.spans(trace=TRACE, kind="server")[0].state == "a=1"
        insert = receiver.wait(1, name="listings.create")[0]
        served = receiver.spans(id=insert.parent)[0]
        assert served.name == "POST /v1/listings" and served.trace == insert.trace and served.holds(insert)
        assert insert.kind == "client" and insert.attributes["db.system.name"] == "mysql"
        assert insert.attributes["db.query.text"].startswith("INSERT INTO listings (id,title")
        assert one["title"] not in str(insert.attributes)
        assert [span.name for span in jaeger.spans(trace=insert.trace)] == [
            span.name for span in receiver.spans(trace=insert.trace)]
