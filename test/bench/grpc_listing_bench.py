# SPDX-License-Identifier: MIT
"""gRPC's GetListing: toq beside the same method in Go and in C++, on the same MySQL and rows.

Nobody caches: Go and C++ read each call's row with a query of its own, as one writes such a method;
toq reads the rows of a turn of its loop with one. The load is grpc_load, which asks for any of the
listings; h2load would ask for one alone, which toq reads once for all who wait. Before anything is
timed, the replies are compared, byte by byte.
"""

import contextlib
import os

import grpc

import grpc_bench
import grpc_peers
import listings_bench
import load

METHOD = "/toq.v1.ListingService/GetListing"
ABSENT = "00000000-0000-7000-8000-000000000000"


KINDS = {
    "many": grpc_bench.Kind("gRPC, GetListing, MySQL, 16 calls at once on each of 4 connections", 4, 16),
    "one": grpc_bench.Kind("gRPC, GetListing, MySQL, one call at a time on each of 64 connections",
                           64, 1),
}


def _ask(server, ids):
    """A reply, or a code, for each id."""
    answers = []
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary(METHOD)
        for one in ids:
            try:
                request = b"\x0a" + bytes([len(one)]) + one.encode()
                answers.append(call(request, timeout=listings_bench.ANSWER_SECONDS))
            except grpc.RpcError as error:
                answers.append(error.code())
    return answers


def _check_equal(running, ids):
    """Refuses to compare what does not answer alike."""
    asked = [*ids[::max(1, len(ids) // listings_bench.SAMPLE)], ABSENT]
    first, *others = [_ask(server, asked) for server in running]
    if first[-1] != grpc.StatusCode.NOT_FOUND or not all(isinstance(one, bytes) for one in first[:-1]):
        raise load.Failure(f"{running[0].name} answers {first}")
    for server, answers in zip(running[1:], others):
        for one, ours, theirs in zip(asked, first, answers):
            if ours != theirs:
                raise load.Failure(f"{one}: toq answers {ours}, {server.name} {theirs}")


def _serve_all(stack, bench, peers):
    settings = bench.settings(False)
    return [stack.enter_context(grpc_peers.serve_toq(bench.binary, METHOD, settings))] + [
        stack.enter_context(grpc_peers.serve(name, path, METHOD, settings))
        for name, path in peers.items()]


def run(server, kind, seconds, ids):
    """Loads `server` with calls for any of the listings in the file `ids`; as load.run_client."""
    return load.run_client(server, seconds, [
        grpc_peers.build_load(), f"127.0.0.1:{server.port}", METHOD, ids,
        str(kind.connections), str(kind.streams), str(seconds)])


def compare(binary, folder, rounds, seconds, note):
    """{kind: {server: [a result per round]}}, the servers taking turns."""
    note("building the peers of GetListing")
    peers = {"grpc-go": grpc_peers.build_listing_go(), "grpc++": grpc_peers.build_listing_cpp()}
    grpc_peers.build_load()
    ids = os.path.join(folder, "ids")
    results = {}
    with listings_bench.Bench(binary, folder) as bench, contextlib.ExitStack() as stack:
        running = _serve_all(stack, bench, peers)
        _check_equal(running, [line.split()[0] for line in bench.versions()])
        for name, kind in KINDS.items():
            results[name] = {server.name: [] for server in running}
            for server in running:
                run(server, kind, listings_bench.WARM_SECONDS, ids)
            for number in range(rounds):
                note(f"{kind.title}, round {number + 1} of {rounds}")
                for server in running if number % 2 == 0 else running[::-1]:
                    results[name][server.name].append(run(server, kind, seconds, ids))
    return results
