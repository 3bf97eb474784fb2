# SPDX-License-Identifier: MIT
"""gRPC: modules of the .proto files, a client of grpcio, and calls as frames where it cannot err."""

import functools
import glob
import importlib.util
import os
import struct
import subprocess
import tempfile
import urllib.request

import grpc

from http2_wire import DATA, END_STREAM, Http2Peer, frame
from server import PATIENCE_S

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("handlers/proto", *sorted(glob.glob("handlers/*/proto", root_dir=ROOT)), "test/support/proto", "/usr/include")

# C-core's own limits and retries stay out of what is tested.
OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
           ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))


@functools.lru_cache(maxsize=None)
def module(path, *folders):
    """The Python module of a .proto file, below one of FOLDERS or of `folders`. It is loaded by its path: its package
    would hide grpcio's."""
    with tempfile.TemporaryDirectory(prefix="toq-protoc-") as folder:
        subprocess.run(["protoc", *(f"-I{os.path.join(ROOT, one)}" for one in (*FOLDERS, *folders)),
                        f"--python_out={folder}", path], check=True)
        file = os.path.join(folder, path.replace(".proto", "_pb2.py"))
        name = path.replace("/", "_").replace(".proto", "_pb2")
        spec = importlib.util.spec_from_file_location(name, file)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded


class Stub:
    """The methods of a service as grpcio's callables: stub.Unary(request, timeout=...)."""

    def __init__(self, channel, descriptor):
        pool = descriptor.file.pool
        for method in descriptor.methods:
            kind = method_kind(pool, descriptor, method)
            make = getattr(channel, kind)
            setattr(self, method.name, make(
                f"/{descriptor.full_name}/{method.name}",
                request_serializer=method.input_type._concrete_class.SerializeToString,
                response_deserializer=method.output_type._concrete_class.FromString))


def method_kind(pool, descriptor, method):
    """"unary_stream" etc.; the descriptor of 3.21 does not tell, its file does."""
    from google.protobuf import descriptor_pb2
    file = descriptor_pb2.FileDescriptorProto()
    descriptor.file.CopyToProto(file)
    for service in file.service:
        for one in service.method:
            if (service.name, one.name) == (descriptor.name, method.name):
                return (("stream" if one.client_streaming else "unary") + "_" +
                        ("stream" if one.server_streaming else "unary"))
    raise AssertionError(method.name)


ECHO = module("toq/test/v1/echo.proto")
HEALTH = module("grpc/health/v1/health.proto")
STATUS = module("google/rpc/status.proto")
Request, Reply = ECHO.EchoRequest, ECHO.EchoReply
UNARY = "/toq.test.v1.Echo/Unary"


class Client:
    """A connection of grpcio's with the services' stubs."""

    def __init__(self, server, **options):
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{server.ports['grpc']}",
            options=(*OPTIONS, *((name.replace("__", "."), value) for name, value in options.items())))
        self.echo = Stub(self.channel, ECHO.DESCRIPTOR.services_by_name["Echo"])
        self.health = Stub(self.channel, HEALTH.DESCRIPTOR.services_by_name["Health"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def counts(self):
        return self.echo.ReadCounts(ECHO.CountsRequest(), timeout=PATIENCE_S)


def refusal(call):
    """The error that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call was not refused")


def message(payload, flag=0, length=None):
    """A message with its prefix."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def call_fields(*more, path=UNARY, method="POST", content_type="application/grpc", without=()):
    """The fields of a call; `without` leaves some out."""
    pairs = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test"),
             ("te", "trailers"), ("content-type", content_type)]
    return [pair for pair in pairs if pair[0] not in without] + list(more)


class Peer(Http2Peer):
    """Calls as frames."""

    def __init__(self, server, **options):
        super().__init__(server, listener="grpc", **options)

    def call(self, *more, body=message(b""), stream=1, pieces=None, **options):
        """Sends a call and reads its answer; with `pieces` the body goes out in those."""
        self.send(self.headers(stream, call_fields(*more, **options), end=False))
        pieces = [body] if pieces is None else pieces
        for i, piece in enumerate(pieces):
            self.send(frame(DATA, END_STREAM if i == len(pieces) - 1 else 0, stream, piece))
        return self.answer(stream)


def status_of(answer):
    """grpc-status and grpc-message of an answer, wherever they are."""
    found = dict(answer.trailers or answer.fields)
    return int(found["grpc-status"]), found.get("grpc-message", "")


def scrape(server):
    """Each series of the server's metrics and its value."""
    url = f"http://127.0.0.1:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in lines if not line.startswith("#")}


def handled(server, method, code):
    """How many calls of a method of Echo have ended with a code, as metrics spell it."""
    return sum(value for series, value in scrape(server).items()
               if series.startswith("grpc_server_handled_total{")
               and f'grpc_method="{method}",grpc_code="{code}"' in series)
