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
import subprocess
import typing

import grpc

import grpc_peers
import load
import usage

METHOD = "/grpc.testing.TestService/UnaryCall"
SIZE = 32
ZEROS = bytes(SIZE)
PAYLOAD = b"\x12" + bytes([SIZE]) + ZEROS  # Payload.body
REQUEST = b"\x10" + bytes([SIZE]) + b"\x1a" + bytes([len(PAYLOAD)]) + PAYLOAD
RESPONSE = b"\x0a" + bytes([len(PAYLOAD)]) + PAYLOAD
PREFIX_BYTES = 5
BODY = b"\0" + len(REQUEST).to_bytes(4, "big") + REQUEST
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


def run(server, kind, seconds, body, reply_bytes=len(RESPONSE)):
    """Loads `server` for so many seconds; returns what load.run_script does, and mean_us."""
    before = usage.cpu(server.pids())
    text = _run_h2load(server, kind, seconds, body)
    spent = usage.cpu(server.pids()).since(before)
    count, succeeded, failed = map(int, REQUESTS.search(text).groups())
    data = int(DATA.search(text).group(1))
    # Of those under way at the end, some have brought their data and are not counted as done.
    expected = count * (PREFIX_BYTES + reply_bytes)
    slack = kind.connections * kind.streams * (PREFIX_BYTES + reply_bytes)
    if count == 0 or failed or succeeded != count or not 0 <= data - expected <= slack:
        raise load.Failure(f"{server.name} failed its calls: {text}")
    rate = float(FINISHED.search(text).group(1))
    mean, unit = LATENCY.search(text).groups()
    return {
        "requests": count,
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
    peers = {"grpc-go": grpc_peers.build_echo_go(), "grpc++": grpc_peers.build_echo_cpp()}
    body = os.path.join(folder, "call")
    with open(body, "wb") as file:
        file.write(BODY)
    results = {}
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(grpc_peers.serve_toq(binary, METHOD))]
        running += [stack.enter_context(grpc_peers.serve(name, path, METHOD))
                    for name, path in peers.items()]
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
