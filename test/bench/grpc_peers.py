# SPDX-License-Identifier: MIT
"""The programs that gRPC is measured with, built of Debian's packages alone, and how they run.

A peer listens on PEER_PORT, on the servers' core. Debian's generator for Go knows no `optional` in
proto3, so Go gets the listings in proto2: the same fields, each with presence, the same bytes.
"""

import contextlib
import os
import re
import socket
import subprocess

import load
import servers

HERE = os.path.dirname(os.path.abspath(__file__))
CPP_HEADER = os.path.join(HERE, "grpc_peer.hh")
BUILD = os.path.join(servers.ROOT, "build", "grpc_peers")
ECHO_ROOT = os.path.join(servers.ROOT, "test", "support", "proto")
ECHO = "grpc/testing/test.proto"
LISTINGS_ROOT = os.path.join(servers.ROOT, "handlers", "proto")
LISTINGS = "toq/v1/listings.proto"
TWIN_ROOT = os.path.join(BUILD, "twin")
PLAIN_FIELD = re.compile(r"^( +)([\w.]+ \w+ = \d+;)", re.MULTILINE)
GO_PACKAGES = {
    "google/protobuf/empty.proto": "github.com/golang/protobuf/ptypes/empty",
    "google/protobuf/timestamp.proto": "github.com/golang/protobuf/ptypes/timestamp",
    "google/protobuf/field_mask.proto": "google.golang.org/genproto/protobuf/field_mask",
}
BUILD_SECONDS = 600
START_SECONDS = 10


# --- how they are built

def _run(command, env=None):
    servers.prepare(command, BUILD_SECONDS, env)


def _is_built(binary, *sources):
    return os.path.exists(binary) and all(
        os.path.getmtime(source) < os.path.getmtime(binary) for source in sources)


def _build_go(name, *sources, generate=None):
    """Builds HERE/name with the package that protoc makes by the options and files of `generate`."""
    binary, generator = os.path.join(BUILD, name), os.path.join(BUILD, "protoc-gen-go")
    if _is_built(binary, os.path.join(HERE, name, "main.go"), *sources):
        return binary
    packages = os.path.join(BUILD, "go", "src")
    os.makedirs(packages, exist_ok=True)
    env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=os.path.join(BUILD, "cache"),
               GOPATH=f"{os.path.join(BUILD, 'go')}:/usr/share/gocode")
    if generate is not None:
        options, root, proto = generate
        _run(["go", "build", "-o", generator, "github.com/golang/protobuf/protoc-gen-go"], env)
        _run(["protoc", f"--plugin={generator}", f"-I{root}",
              f"--go_out=plugins=grpc,{options}:{packages}", proto], env)
    _run(["go", "build", "-o", binary, f"./test/bench/{name}"], env)
    return binary


def _build_cpp(name, root, proto, *packages):
    binary, source = os.path.join(BUILD, name), os.path.join(HERE, name, "main.cc")
    if _is_built(binary, source, CPP_HEADER, os.path.join(root, proto)):
        return binary
    generated = os.path.join(BUILD, "cpp")
    os.makedirs(generated, exist_ok=True)
    _run(["protoc", "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin", f"-I{root}",
          f"--cpp_out={generated}", f"--grpc_out={generated}", proto])
    stem = os.path.join(generated, proto.replace(".proto", ""))
    _run(["sh", "-c", 'exec g++ -O2 -DNDEBUG -I. "-I$1" -o "$2" "$3" "$4.pb.cc" "$4.grpc.pb.cc" '
          f"$(pkg-config --cflags --libs grpc++ protobuf {' '.join(packages)})",
          "sh", generated, binary, source, stem])
    return binary


def build_echo_go():
    return _build_go("grpc_go", os.path.join(ECHO_ROOT, ECHO),
                     generate=("import_path=testing", ECHO_ROOT, ECHO))


def build_echo_cpp():
    return _build_cpp("grpc_cpp", ECHO_ROOT, ECHO)


def _write_twin(path):
    with open(os.path.join(LISTINGS_ROOT, LISTINGS), encoding="ascii") as file:
        text = file.read().replace('syntax = "proto3"', 'syntax = "proto2"')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(PLAIN_FIELD.sub(r"\1optional \2", text))


def build_listing_go():
    _write_twin(os.path.join(TWIN_ROOT, LISTINGS))
    options = ",".join(f"M{proto}={package}" for proto, package in GO_PACKAGES.items())
    return _build_go("grpc_listing_go", os.path.join(LISTINGS_ROOT, LISTINGS),
                     generate=(options, TWIN_ROOT, LISTINGS))


def build_listing_cpp():
    return _build_cpp("grpc_listing_cpp", LISTINGS_ROOT, LISTINGS, "libmariadb")


def build_load():
    return _build_go("grpc_load")


# --- how they run

def _has_port(process, port):
    if process.poll() is not None:
        raise load.Failure(f"{process.args[0]} ended: {process.stderr.read().decode().strip()}")
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


@contextlib.contextmanager
def serve(name, binary, target, settings=None):
    core, _ = load.cores()
    port = servers.toq_server.free_port()
    env = {"PATH": os.environ["PATH"], "GOMAXPROCS": "1", "PEER_PORT": str(port), **(settings or {})}
    with subprocess.Popen([binary], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, preexec_fn=load.pin(core)) as process:
        try:
            servers.toq_server.wait_until(lambda: _has_port(process, port), f"{name} to listen",
                                          START_SECONDS)
            yield servers.Server(name, port, process.pid, target)
        finally:
            process.kill()  # they have nothing to lose


@contextlib.contextmanager
def serve_toq(binary, target, settings=None):
    port = servers.toq_server.free_port()
    settings = {**(settings or {}), "GRPC_PORT": str(port), "GRPC_HOST": "127.0.0.1"}
    with servers.toq(binary, settings) as running:
        running.port, running.url = port, f"http://127.0.0.1:{port}{target}"
        yield running
