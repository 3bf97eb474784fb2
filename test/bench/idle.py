# SPDX-License-Identifier: MIT
"""What an idle keep-alive connection costs a server: resident memory, before and after many.

The server is a fresh one: memory that an earlier load left behind would be used again and hide the
cost. What a server sets aside for connections at its start, as nginx does, is in `before`.
"""

import resource
import socket
import time

import load
import servers
import usage

SPARE_FDS = 500  # of the bench and of a server, beside the connections
SETTLE_SECONDS = 1
ANSWER_SECONDS = 10
ANSWER_BYTES = 4096
REQUEST = f"GET {servers.TARGET} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def raise_fd_limit(connections):
    """Takes the descriptors that client and servers need; the servers inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_FDS
    if hard not in (resource.RLIM_INFINITY, -1) and hard < needed:
        raise load.Failure(f"{connections} connections need {needed} descriptors; the hard limit "
                           f"is {hard}: raise it (ulimit -Hn), or set BENCH_CONNECTIONS")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _open(server):
    """One connection that has had one answer."""
    peer = socket.create_connection(("127.0.0.1", server.port), ANSWER_SECONDS)
    peer.sendall(REQUEST)
    answer = b""
    while not answer.endswith(servers.BODY):
        piece = peer.recv(ANSWER_BYTES)
        answer += piece
        if not piece or len(answer) > ANSWER_BYTES:
            break
    if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(servers.BODY):
        raise load.Failure(f"{server.name} answered {answer[:80]!r} on an idle connection")
    peer.setblocking(False)
    return peer


def _is_open(peer):
    try:
        return peer.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True


def run(server, count):
    """Opens `count` connections and leaves them idle; returns what they cost in bytes."""
    _open(server).close()  # what the first request of all allocates is nobody's
    before = usage.rss_bytes(server.pids())
    peers = []
    try:
        for _ in range(count):
            peers.append(_open(server))
        time.sleep(SETTLE_SECONDS)
        after = usage.rss_bytes(server.pids())
        closed = sum(not _is_open(peer) for peer in peers)
    except OSError as error:
        raise load.Failure(f"{server.name} after {len(peers)} connections: {error}") from None
    finally:
        for peer in peers:
            peer.close()
    if closed > 0:
        raise load.Failure(f"{server.name} closed {closed} of {count} idle connections")
    return {"before": before, "after": after, "per_connection": (after - before) / count}
