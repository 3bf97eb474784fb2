# SPDX-License-Identifier: MIT
"""A receiver of spans that others' decoders read: OTLP by python3-protobuf, Jaeger's Thrift by python3-thrift.

Receiver() -> its url -> spans() -> close(). `answers` is what it says to the next requests; `stall` lets it say
nothing at all. It may be closed and opened again on its port, as a collector that is restarted.
"""

import contextlib
import functools
import gzip
import http.server
import os
import subprocess
import sys
import tempfile
import threading

from server import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
OTLP = "application/x-protobuf"
THRIFT = "application/x-thrift"


@functools.lru_cache(maxsize=None)
def decoders():
    """The modules that protoc and thrift make of the two descriptions."""
    folder = tempfile.mkdtemp(prefix="toq-decoders-")
    subprocess.run(["protoc", f"-I{HERE}", f"--python_out={folder}", "otlp_trace.proto"], check=True)
    subprocess.run(["thrift", "--gen", "py", "-out", folder, os.path.join(HERE, "jaeger.thrift")], check=True)
    sys.path.insert(0, folder)
    import otlp_trace_pb2
    from jaeger import ttypes
    return otlp_trace_pb2, ttypes


def assert_known(message):
    """That no field of a message, however deep, is unknown."""
    assert len(message.UnknownFields()) == 0, message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in value if field.label == field.LABEL_REPEATED else (value,):
                assert_known(one)


class Span:
    """A span of either format: ids in hex, times in ns, attributes as a dict."""

    def __init__(self, **facts):
        self.__dict__.update(facts)

    def __repr__(self):
        return f"Span({self.__dict__})"

    def holds(self, other):
        return self.start_ns <= other.start_ns and other.end_ns <= self.end_ns


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def read_otlp(body):
    pb, _ = decoders()
    request = pb.ExportTraceServiceRequest.FromString(body)
    assert_known(request)
    spans = []
    for group in request.resource_spans:
        resource = {one.key: value_of(one.value) for one in group.resource.attributes}
        for scope in group.scope_spans:
            assert scope.spans, "an empty envelope"
            for one in scope.spans:
                spans.append(Span(
                    trace=one.trace_id.hex(), id=one.span_id.hex(), parent=one.parent_span_id.hex(), name=one.name,
                    kind=pb.SpanKind.Name(one.kind)[10:].lower(), start_ns=one.start_time_unix_nano,
                    end_ns=one.end_time_unix_nano, state=one.trace_state, flags=one.flags & 0xFF,
                    is_remote=bool(one.flags & 0x200), is_error=one.status.code == pb.STATUS_CODE_ERROR,
                    attributes={pair.key: value_of(pair.value) for pair in one.attributes}, resource=resource))
    return spans


def read_thrift(body):
    from thrift.protocol import TBinaryProtocol
    from thrift.transport import TTransport
    _, ttypes = decoders()
    transport = TTransport.TMemoryBuffer(body)
    batch = ttypes.Batch()
    batch.read(TBinaryProtocol.TBinaryProtocol(transport))
    assert transport.cstringio_buf.tell() == len(body), "bytes behind the batch"
    batch.validate()
    batch.process.validate()

    def attributes(tags):
        kinds = {0: "vStr", 1: "vDouble", 2: "vBool", 3: "vLong", 4: "vBinary"}
        for tag in tags:
            tag.validate()
            assert getattr(tag, kinds[tag.vType]) is not None
        return {tag.key: getattr(tag, kinds[tag.vType]) for tag in tags}

    def hexed(*numbers):
        return "".join(f"{number & (1 << 64) - 1:016x}" for number in numbers)

    spans = []
    for one in batch.spans:
        one.validate()
        tags = attributes(one.tags)
        spans.append(Span(
            trace=hexed(one.traceIdHigh, one.traceIdLow), id=hexed(one.spanId),
            parent=hexed(one.parentSpanId) if one.parentSpanId else "", name=one.operationName,
            kind=tags["span.kind"], start_ns=one.startTime * 1000, end_ns=(one.startTime + one.duration) * 1000,
            is_error=tags.get("error", False), attributes=tags,
            resource=dict(attributes(batch.process.tags), **{"service.name": batch.process.serviceName})))
    return spans


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.requests.append((self.path, dict(self.headers), body))
        receiver.go.wait()
        status, fields, answer = receiver.answers.pop(0) if receiver.answers else receiver.usual(self.headers)
        if status is None:  # bytes that are no HTTP
            self.wfile.write(answer)
            self.close_connection = True
            return
        if status // 100 == 2:
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            read = {OTLP: read_otlp, THRIFT: read_thrift}[self.headers["Content-Type"]]
            try:
                receiver.taken.extend(read(plain))
            except Exception as error:  # told by spans(), in the test's own thread
                receiver.errors.append(error)
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Receiver:
    """See the head. `tls`: an ssl.SSLContext."""

    def __init__(self, tls=None):
        self.tls = tls
        self.port = 0
        self.taken = []
        self.errors = []
        self.requests = []
        self.answers = []
        self.go = threading.Event()
        self.go.set()
        self.server = None
        self.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go.set()
        self.close()

    def usual(self, headers):
        return (202, {}, b"") if headers["Content-Type"] == THRIFT else (200, {"Content-Type": OTLP}, b"")

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def open(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.receiver = self
        self.port = self.server.server_address[1]
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @contextlib.contextmanager
    def stalled(self):
        """It reads requests and answers none meanwhile."""
        self.go.clear()
        try:
            yield
        finally:
            self.go.set()

    def spans(self, **wanted):
        """Those that have these facts, so far."""
        assert not self.errors, self.errors
        return [span for span in list(self.taken)
                if all(getattr(span, name) == value for name, value in wanted.items())]

    def wait(self, count=1, **wanted):
        """The spans with these facts, when there are as many."""
        return wait_until(lambda: (lambda found: found if len(found) >= count else None)(self.spans(**wanted)),
                          f"{count} spans with {wanted}")
