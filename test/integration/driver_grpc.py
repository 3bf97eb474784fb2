# SPDX-License-Identifier: MIT
"""A client of gRPC for the driver: calls of all kinds to the test server's Echo, and the rules they break."""

import gzip
import struct

from driver_asks import Ask, mark, some_bytes
from driver_http2 import Http2Connection
from rpc import ECHO, Reply, Request, message

(OK, CANCELLED, UNKNOWN, INVALID, DEADLINE, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL,
 UNAVAILABLE) = (0, 1, 2, 3, 4, 8, 12, 13, 14)
SLOW = (DEADLINE, UNAVAILABLE)
STATUS = b"\x08\x05\x12\x03why"  # a google.rpc.Status: code 5, "why"
ON, OFF = ECHO.COMPRESSION_ON, ECHO.COMPRESSION_OFF


class Call(Ask):
    """A call: `wanted` are gRPC statuses, and `expected` the replies of one that ends with OK."""

    def __init__(self, name, requests, expected=None, wanted=(OK,), fields=(), body=None, path=None,
                 content_type="application/grpc"):
        pairs = [("te", "trailers"), ("content-type", content_type), *fields]
        super().__init__(name, "POST", path or f"/toq.test.v1.Echo/{name}", fields=pairs, wanted=wanted,
                         body=b"".join(requests) if body is None else body, may_reset=True)
        self.expected = expected

    def fault(self, status, body, fields):
        if status != 200:
            return f"{self.name}: HTTP status {status}" if status not in (415, 503) else None
        code = int(fields.get("grpc-status", -1))
        if code not in self.wanted and code not in SLOW:
            return f"{self.name}: {code} {fields.get('grpc-message')}, wanted {self.wanted}"
        if code != OK or self.expected is None:
            return None
        replies = list(replies_of(body))
        if not self.expected(replies):
            return f"{self.name}: got {str(replies)[:200]}"
        return None


def replies_of(body):
    """The replies of an answer."""
    at = 0
    while at < len(body):
        is_compressed, size = struct.unpack(">BI", body[at:at + 5])
        data = body[at + 5:at + 5 + size]
        yield Reply.FromString(gzip.decompress(data) if is_compressed else data)
        at += 5 + size


class GrpcConnection(Http2Connection):
    protocol = "grpc"
    listeners = ("grpc",)

    def verdict(self, stream):
        return f"{stream.status} {stream.fields.get('grpc-status')}"

    # --- calls

    def make_ask(self):
        return self.random.choice((
            self._unary, self._unary, self._collect, self._spread, self._spread, self._chat, self._chat,
            self._failing, self._stuck, self._health, self._watch, self._reflection))()

    def make_much(self):
        request = Request(count=100, size=30000).SerializeToString()
        return Call("Spread", [message(request)], expected=lambda replies: len(replies) == 100)

    def fault_of(self, stream):
        if self.driver.is_short and stream.fields.get("grpc-status") == str(RESOURCE_EXHAUSTED):
            return None
        return super().fault_of(stream)

    def _fields(self):
        fields = []
        if self.random.random() < 0.3:
            fields.append(("grpc-timeout", self.random.choice(("5m", "50m", "300m", "10S", "1H", "900u"))))
        if self.random.random() < 0.3:
            fields.append(("grpc-accept-encoding", "gzip"))
        if self.random.random() < 0.2:
            fields.append(("x-echo-initial", "yes"))
        if self.random.random() < 0.2:
            fields.append(("x-echo-trailing-bin", "AAEC,AwQF"))
        return fields

    def _request(self, **values):
        """A request's bytes."""
        if self.random.random() < 0.1:
            values.setdefault("compression", self.random.choice((ON, OFF)))
        values.setdefault("is_slow_to_give_up", self.random.random() < 0.3)
        return Request(**values).SerializeToString()

    def _pack(self, requests, fields):
        if self.random.random() < 0.2:
            fields.append(("grpc-encoding", "gzip"))
            return [message(self._compress(one), 1) if self.random.random() < 0.7 else message(one)
                    for one in requests]
        return [message(one) for one in requests]

    def _compress(self, data):
        """In one member or two."""
        at = self.random.randrange(len(data) + 1) if self.random.random() < 0.2 else 0
        return (gzip.compress(data[:at]) if at else b"") + gzip.compress(data[at:])

    def _sleep(self):
        return self.random.choice((0, 0, 0, 1, 100, 200))

    def _unary(self):
        payload = mark(self.random).encode() + some_bytes(self.random, 30000)
        fields = self._fields()
        request = self._request(payload=payload, sleep_ms=self._sleep())
        return Call("Unary", self._pack([request], fields), fields=fields,
                    expected=lambda replies: [one.payload for one in replies] == [payload])

    def _collect(self):
        payloads = [some_bytes(self.random, 30000) for _ in range(self.random.choice((0, 1, 3, 10)))]
        fields = self._fields()
        requests = [self._request(payload=one, sleep_ms=self._sleep()) for one in payloads]
        total = sum(map(len, payloads))
        return Call("Collect", self._pack(requests, fields), fields=fields,
                    expected=lambda replies: [one.total for one in replies] == [total])

    def _spread(self):
        count, own = self.random.choice((0, 1, 5, 100)), mark(self.random).encode()
        sleep = self._sleep() if count < 10 else 0
        size = self.random.choice((0, 0, 1000, 30000))
        fields = self._fields()
        request = self._request(payload=own, count=count, size=size, sleep_ms=sleep)
        return Call("Spread", self._pack([request], fields), fields=fields, expected=lambda replies: [
            (one.total, one.payload if size == 0 else len(one.payload)) for one in replies] == [
                (number, own if size == 0 else size) for number in range(count)])

    def _chat(self):
        payloads = [mark(self.random).encode() + some_bytes(self.random, 10000)
                    for _ in range(self.random.choice((0, 1, 4, 20)))]
        sleep = self._sleep() if len(payloads) < 5 else 0
        fields = self._fields()
        requests = [self._request(payload=one, sleep_ms=sleep) for one in payloads]
        return Call("Chat", self._pack(requests, fields), fields=fields,
                    expected=lambda replies: [one.payload for one in replies] == payloads)

    def _failing(self):
        """One that ends with a status of its own, maybe before its messages have come."""
        code = self.random.choice((CANCELLED, INVALID, 5, 16, 99))
        name = self.random.choice(("Unary", "Collect", "Spread", "Chat"))
        last = self._request(code=code, message=self.random.choice(("", "why", "é\n%")),
                             detail=self.random.choice((b"", STATUS)))
        if self.random.random() < 0.2:
            last = self._request(code=self.random.choice((12, 110, 2)), is_error=True)
            code = None
        count = self.random.choice((0, 1, 5)) if name in ("Collect", "Chat") else 0
        more = [self._request(payload=b"x" * 5000)] * count
        fields = self._fields()
        wanted = tuple(range(17)) if code is None else (min(code, 17) if code < 17 else UNKNOWN,)
        return Call(name, self._pack([last, *more], fields), fields=fields, wanted=wanted)

    def _stuck(self):
        """One that waits until it is cancelled."""
        fields = self._fields()
        name = self.random.choice(("Unary", "Spread"))
        request = self._request(is_stuck=True, payload=b"x", count=1)
        return Call(name, self._pack([request], fields), fields=fields, wanted=())

    def _health(self):
        return Call("health", [message(b"")], path="/grpc.health.v1.Health/Check",
                    expected=lambda replies: len(replies) == 1)

    def _watch(self):
        """It ends when its client does, or the server."""
        return Call("watch", [message(b"")], path="/grpc.health.v1.Health/Watch", wanted=(CANCELLED,))

    def _reflection(self):
        count = self.random.choice((0, 1, 3))
        list_services = message(b"\x3a\x01*")
        return Call("reflection", [list_services] * count,
                    path="/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                    expected=lambda replies: len(replies) == count)

    # --- rules

    def illegal(self):
        return super().illegal() + [(25, self.call_wrongly)]

    def call_wrongly(self):
        if self.tail:
            return None
        request = Request(payload=b"a" * 100).SerializeToString()
        too_long = Request(size=200000, count=3).SerializeToString()
        text, call = self.random.choice((
            ("a flag of 2", Call("Unary", [message(request, 2)])),
            ("a message without end", Call("Chat", [message(request)[:50]])),
            ("a part of a prefix", Call("Collect", [b"\0\0\0"])),
            ("no message", Call("Unary", [])),
            ("two messages", Call("Spread", [message(request)] * 2)),
            ("a message too long", Call("Chat", [message(request, length=70000), bytes(70000)])),
            ("a length that is a lie", Call("Unary", [message(request, length=0xFFFFFFFF)])),
            ("no protobuf", Call("Chat", [message(b"\xff" * 20)])),
            ("no gzip", Call("Chat", [message(b"abc", 1)], fields=[("grpc-encoding", "gzip")])),
            ("an inflated message too long", Call(
                "Unary", [message(gzip.compress(bytes(200000)), 1)], fields=[("grpc-encoding", "gzip")])),
            ("compression that was not announced", Call("Chat", [message(gzip.compress(request), 1)])),
            ("an unknown encoding", Call("Unary", [message(request)], fields=[("grpc-encoding", "br")])),
            ("an unknown method", Call("Nothing", [message(request)])),
            ("an unwritten method", Call("Unwritten", [message(request)])),
            ("an unknown service", Call("x", [message(request)], path="/a.b/c")),
            ("a malformed path", Call("x", [message(request)], path="/x")),
            ("text that is not UTF-8", Call("Unary", [message(b"\x20\x05\x2a\x04\xff\xc3(\xe2")])),
            ("another type", Call("Unary", [message(request)], content_type="application/json")),
            ("a subtype", Call("Unary", [message(request)], content_type="application/grpc+json")),
            ("a bad timeout", Call("Unary", [message(request)], fields=[("grpc-timeout", "5x")])),
            ("no time", Call("Unary", [message(request)], fields=[("grpc-timeout", "0n")])),
            ("a reply too long", Call("Unary", [message(too_long)])),
            ("replies too long", Call("Spread", [message(too_long)])),
            ("metadata that is not base64", Call("Unary", [message(request)],
                                                 fields=[("x-echo-trailing-bin", "%%%")])),
            ("a late fault", Call("Chat", [message(request)] * 3 + [message(b"\xff" * 20)]))))
        number = self._take_id()
        stream = self.make_stream(number)
        stream.ask, stream.is_honest = call, False
        self.streams[number] = stream
        self.send_head(number, self.fields_of(call), False)
        return f"{text} on {number}"
