# SPDX-License-Identifier: MIT
"""Long streams of gRPC with a slow reader, and how much memory they take of the server."""

import time

from rpc import Request

MESSAGE_BYTES = 1 << 20
PAUSE_EVERY = 16  # messages
PAUSE_S = 0.05
PAUSE_MS = 50  # the server's own pauses are as long, to the next tick of its timers
STREAM_S = 600

# What of a server's stream waits to be sent when its handler is told to wait: HTTP2_HIGH_BYTES, in blocks of
# OUTQ_BLOCK_BYTES.
HIGH_BYTES = 64 << 10
BLOCK_BYTES = 16 << 10

# With these what is freed is given back at once, so that a peak is of what is in use.
NO_DECAY = {"MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0"}
SANITIZED_BYTES = 256 << 20  # what a sanitizer keeps of it


def queued_bytes(message_bytes):
    """The most that a stream whose client does not read holds: the handler's last message comes on top, and
    a block that has no room for a whole one is left as it is."""
    count = HIGH_BYTES // message_bytes + 1
    return -(-count // (BLOCK_BYTES // message_bytes)) * BLOCK_BYTES


def peak_bytes(pid):
    """The most memory that a process has had since forget_peak."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def read_slowly(replies, count):
    for number, reply in enumerate(replies):
        assert (reply.total, len(reply.payload)) == (number, MESSAGE_BYTES)
        if number % PAUSE_EVERY == 0:
            time.sleep(PAUSE_S)
    assert number == count - 1


def server_stream(client, count):
    request = Request(count=count, size=MESSAGE_BYTES)
    read_slowly(client.echo.Spread(request, timeout=STREAM_S), count)


def client_stream(client, count):
    """The slow reader is the server's handler."""
    payload = bytes(MESSAGE_BYTES)
    requests = (Request(payload=payload, sleep_ms=PAUSE_MS if number % PAUSE_EVERY == 0 else 0)
                for number in range(count))
    reply = client.echo.Collect(requests, timeout=STREAM_S)
    assert reply.total == count * MESSAGE_BYTES


def bidi_stream(client, count):
    """The client sends as fast as it may, and reads slowly."""
    payload = bytes(MESSAGE_BYTES)
    requests = (Request(payload=payload) for _ in range(count))
    read_slowly(client.echo.Chat(requests, timeout=STREAM_S), count)


KINDS = {"server": server_stream, "client": client_stream, "bidi": bidi_stream}


def run(server, client, kind, warm_count, count):
    """Runs a stream of so many messages, after a short one; returns (bytes before, bytes at most)."""
    KINDS[kind](client, warm_count)
    forget_peak(server.pid)
    before = peak_bytes(server.pid)
    KINDS[kind](client, count)
    return before, peak_bytes(server.pid)
