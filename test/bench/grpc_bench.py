# SPDX-License-Identifier: MIT
"""gRPC: toq beside grpc-go and grpc++, each of Debian's packages, answering the same unary call.

The call is grpc.testing.TestService/UnaryCall with 32 bytes of payload each way; toq's is the test
server's, on the code that ships. The servers share one core and take turns, h2load has another.
Before anything is timed, each server's reply is compared, byte by byte; while it is timed, h2load
counts the bytes.
"""

import contextlib
import os
import re
import socket
import subprocess
import typing

import grpc

import load
import servers
import usage

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(servers.ROOT, "build", "grpc_peers")
PROTO_ROOT = os.path.join(servers.ROOT, "test", "support", "proto")
PROTO = "grpc/testing/test.proto"
METHOD = "/grpc.testing.TestService/UnaryCall"
SIZE = 32
ZEROS = bytes(SIZE)
PAYLOAD = b"\x12" + bytes([SIZE]) + ZEROS  # Payload.body
REQUEST = b"\x10" + bytes([SIZE]) + b"\x1a" + bytes([len(PAYLOAD)]) + PAYLOAD
RESPONSE = b"\x0a" + bytes([len(PAYLOAD)]) + PAYLOAD
PREFIX_BYTES = 5
BUILD_SECONDS = 600
START_SECONDS = 10
STOP_SECONDS = 10
ANSWER_SECONDS = 10
WARM_SECONDS = 1

FINISHED = re.compile(r"finished in [\d.]+\w+, ([\d.]+) req/s")
REQUESTS = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed")
STATUS_CODES = re.compile(r"status codes: (\d+) 2xx")
DATA = re.compile(r"\((\d+)\) data")
LATENCY = re.compile(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s)")
UNIT_US = {"us": 1, "ms": 1e3, "s": 1e6}


class Kind(typing.NamedTuple):
    title: str
    connections: int
    streams: int  # of each, at once


KINDS = {
    "many": Kind("gRPC, unary echo, 16 calls at once on each of 16 connections", 16, 16),
    "one": Kind("gRPC, unary echo, one call at a time on each of 64 connections", 64, 1),
}


# --- the peers

def _run(command, env=None):
    try:
        subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=BUILD_SECONDS, check=True,
                       cwd=servers.ROOT)
    except FileNotFoundError as error:
        raise load.Failure(f"{error.filename} is not installed; run: make deps FOR=bench") from None
    except subprocess.SubprocessError as error:
        raise load.Failure(f"{error}\n{error.output}") from None


def _is_built(binary, *sources):
    return os.path.exists(binary) and all(
        os.path.getmtime(source) < os.path.getmtime(binary)
        for source in (*sources, os.path.join(PROTO_ROOT, PROTO)))


def build_go():
    """Builds the program, and protoc's generator for Go before, from Debian's packages alone."""
    binary, generator = os.path.join(BUILD, "grpc_go"), os.path.join(BUILD, "protoc-gen-go")
    if _is_built(binary, os.path.join(HERE, "grpc_go", "main.go")):
        return binary
    sources = os.path.join(BUILD, "go", "src")
    os.makedirs(sources, exist_ok=True)
    env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=os.path.join(BUILD, "cache"),
               GOPATH=f"{os.path.join(BUILD, 'go')}:/usr/share/gocode")
    _run(["go", "build", "-o", generator, "github.com/golang/protobuf/protoc-gen-go"], env)
    _run(["protoc", f"--plugin={generator}", f"-I{PROTO_ROOT}",
          f"--go_out=plugins=grpc,import_path=testing:{sources}", PROTO], env)
    _run(["go", "build", "-o", binary, "./test/bench/grpc_go"], env)
    return binary


def build_cpp():
    binary, source = os.path.join(BUILD, "grpc_cpp"), os.path.join(HERE, "grpc_cpp", "main.cc")
    if _is_built(binary, source):
        return binary
    generated = os.path.join(BUILD, "cpp")
    os.makedirs(generated, exist_ok=True)
    _run(["protoc", "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin", f"-I{PROTO_ROOT}",
          f"--cpp_out={generated}", f"--grpc_out={generated}", PROTO])
    stem = os.path.join(generated, PROTO.replace(".proto", ""))
    _run(["sh", "-c", 'exec g++ -O2 -DNDEBUG "-I$1" -o "$2" "$3" "$4.pb.cc" "$4.grpc.pb.cc" '
          "$(pkg-config --cflags --libs grpc++ protobuf)", "sh", generated, binary, source, stem])
    return binary


def _has_port(process, port):
    if process.poll() is not None:
        raise load.Failure(f"{process.args[0]} ended: {process.stderr.read().decode().strip()}")
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


@contextlib.contextmanager
def _peer(name, binary):
    core, _ = load.cores()
    port = servers.toq_server.free_port()
    env = {"PATH": os.environ["PATH"], "GOMAXPROCS": "1", "PEER_PORT": str(port)}
    with subprocess.Popen([binary], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, preexec_fn=load.pin(core)) as process:
        try:
            servers.toq_server.wait_until(lambda: _has_port(process, port), f"{name} to listen",
                                          START_SECONDS)
            yield servers.Server(name, port, process.pid, METHOD)
        finally:
            process.kill()  # they have nothing to lose


@contextlib.contextmanager
def _toq(binary):
    port = servers.toq_server.free_port()
    with servers.toq(binary, {"GRPC_PORT": str(port), "GRPC_HOST": "127.0.0.1"}) as running:
        running.port, running.url = port, f"http://127.0.0.1:{port}{METHOD}"
        yield running


def _check(server):
    """Refuses to compare what does not answer alike."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        try:
            got = channel.unary_unary(METHOD)(REQUEST, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            raise load.Failure(f"{server.name}: {error.code()} {error.details()}") from None
    if got != RESPONSE:
        raise load.Failure(f"{server.name} answers {got}")


# --- the load

def _run_h2load(server, kind, seconds, body):
    command = ["h2load", "-t1", f"-c{kind.connections}", f"-m{kind.streams}", f"-D{seconds}",
               f"-d{body}", "-Hcontent-type: application/grpc", "-Hte: trailers", server.url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30,
                              preexec_fn=load.pin(load.cores()[1]), check=False)
    except FileNotFoundError:
        raise load.Failure("h2load is not installed; run: make deps FOR=bench") from None
    except subprocess.TimeoutExpired:
        raise load.Failure(f"h2load did not end: {' '.join(command)}") from None
    if done.returncode != 0:
        raise load.Failure(f"h2load failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def run(server, kind, seconds, body):
    """Loads `server` for so many seconds; returns what load.run_script does, and mean_us."""
    before = usage.cpu(server.pids())
    text = _run_h2load(server, kind, seconds, body)
    spent = usage.cpu(server.pids()).since(before)
    count, succeeded, failed = map(int, REQUESTS.search(text).groups())
    data = int(DATA.search(text).group(1))
    # Of those under way at the end, some have brought their data and are not counted as done.
    expected = count * (PREFIX_BYTES + len(RESPONSE))
    slack = kind.connections * kind.streams * (PREFIX_BYTES + len(RESPONSE))
    if count == 0 or failed or succeeded != count or not 0 <= data - expected <= slack:
        raise load.Failure(f"{server.name} failed its calls: {text}")
    rate = float(FINISHED.search(text).group(1))
    mean, unit = LATENCY.search(text).groups()
    return {
        "rate": rate,
        "user_ns": spent.user_ns / count,
        "system_ns": spent.system_ns / count,
        "cpu_ns": spent.total_ns / count,
        "busy": spent.total_ns / (count / rate * 1e9),
        "mean_us": float(mean) * UNIT_US[unit],
    }


def compare(binary, folder, rounds, seconds, note):
    """{kind: {server: [a result per round]}}, the servers taking turns."""
    note("building the peers of gRPC")
    peers = {"grpc-go": build_go(), "grpc++": build_cpp()}
    body = os.path.join(folder, "call")
    with open(body, "wb") as file:
        file.write(b"\0" + len(REQUEST).to_bytes(4, "big") + REQUEST)
    results = {}
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_toq(binary))]
        running += [stack.enter_context(_peer(name, path)) for name, path in peers.items()]
        for server in running:
            _check(server)
        for name, kind in KINDS.items():
            results[name] = {server.name: [] for server in running}
            for server in running:
                run(server, kind, WARM_SECONDS, body)
            for number in range(rounds):
                note(f"{kind.title}, round {number + 1} of {rounds}")
                for server in running if number % 2 == 0 else running[::-1]:
                    results[name][server.name].append(run(server, kind, seconds, body))
    return results
