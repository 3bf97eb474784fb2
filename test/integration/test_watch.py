# SPDX-License-Identifier: MIT
"""Streams of a channel's news (handlers/kit/watch), by docs/examples/notices.c: from the client's call to its end."""

import contextlib
import signal
import threading

import grpc
import pytest

import rpc
from rpc import refusal
from server import PATIENCE_S, free_port, wait_until
from wire import Peer

NOTICES = rpc.module("toq/example/v1/notices.proto")
Code = grpc.StatusCode


@pytest.fixture
def served(start_server, services):
    server = start_server(services.variables)
    server.services = services
    return server


@contextlib.contextmanager
def notices(server):
    with rpc.Client(server) as client:
        yield rpc.Stub(client.channel, NOTICES.DESCRIPTOR.services_by_name["Notices"])


def board(name="door"):
    return NOTICES.Board(name=name)


def begin(stub, name="door", timeout=PATIENCE_S):
    """A watch that misses nothing from now on; the server may have to connect to Redis first."""
    ready = []

    def try_it():
        call = stub.Watch(board(name), timeout=timeout)
        try:
            first = next(call)
        except grpc.RpcError as error:
            assert error.code() == Code.UNAVAILABLE
            return False
        assert (first.is_ready, first.text) == (True, b"")
        ready.append(call)
        return True
    wait_until(try_it, "a watch to be ready")
    return ready[0]


def post(server, text, name="door"):
    with Peer(server) as peer:
        answer = peer.ask(f"/notices/{name}?text={text}", "Content-Length: 0", method="POST")
        return answer.status, answer.body


def watcher_count(server, name="door"):
    """Connections that have subscribed to the channel: one for all watches of a process."""
    with contextlib.closing(server.services.redis()) as redis:
        return redis.pubsub_numsub(f"toq:notices:{name}")[0][1]


def tasks(server):
    with Peer(server) as peer:
        return peer.ask("/test/tasks").body.count(b"Notices/Watch watch ")


def test_each_watcher_hears_what_its_board_says(served):
    with notices(served) as stub:
        first, second, other = begin(stub), begin(stub), begin(stub, "gate")
        for text, name in (("closed", "door"), ("open", "door"), ("up", "gate")):
            assert post(served, text, name) == (202, b"told\n")
        for call in (first, second):
            assert [next(call).text for _ in range(2)] == [b"closed", b"open"]
        assert next(other).text == b"up"
        assert tasks(served) == 3
    wait_until(lambda: watcher_count(served) == watcher_count(served, "gate") == tasks(served) == 0, "them to be gone")
    assert post(served, "nobody") == (202, b"told\n")


def test_a_name_that_is_too_long(served):
    with notices(served) as stub:
        begin(stub, "x" * 1024).cancel()
        long = stub.Watch(board("x" * 1025), timeout=PATIENCE_S)
        assert refusal(lambda: next(long)).code() == Code.INVALID_ARGUMENT
    assert post(served, "x", "x" * 1025)[0] == 202  # who could hear of it?


def test_the_first_that_a_watcher_hears_is_that_it_is_ready(served):
    """The channel is subscribed to already, for another, and much is published."""
    is_over = threading.Event()

    def publish():
        with contextlib.closing(served.services.redis()) as redis:
            while not is_over.is_set():
                redis.publish("toq:notices:door", "x")
    with notices(served) as stub:
        begin(stub)
        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            for _ in range(20):
                call = begin(stub)
                assert next(call).text == b"x"
                call.cancel()
        finally:
            is_over.set()
            publisher.join()


def test_a_client_that_leaves_and_a_deadline_that_passes(served):
    with notices(served) as stub:
        begin(stub).cancel()
        wait_until(lambda: watcher_count(served) == 0, "it to be gone")
        timed = begin(stub, timeout=0.5)
        assert refusal(lambda: next(timed)).code() == Code.DEADLINE_EXCEEDED
        wait_until(lambda: watcher_count(served) == 0, "it to be gone")
    assert "request forgotten" not in served.stderr()


def test_news_that_may_be_lost_end_a_watch(served):
    with notices(served) as stub:
        call = begin(stub)
        with contextlib.closing(served.services.redis()) as redis:
            redis.client_kill_filter(_type="pubsub", skipme=False)
        error = refusal(lambda: next(call))
        assert (error.code(), "watch again" in error.details()) == (Code.UNAVAILABLE, True)
        again = begin(stub)  # the connection to Redis is there again, or soon
        assert post(served, "back")[0] == 202
        assert next(again).text == b"back"


def refused(stub):
    return refusal(lambda: next(stub.Watch(board(), timeout=PATIENCE_S)))


def test_a_watch_without_redis_ends_at_once(start_server):
    server = start_server({"REDIS_PORT": free_port()})
    with notices(server) as stub:
        assert (refused(stub).code(), refused(stub).details()) == (Code.UNAVAILABLE, "Redis is away")


def test_a_watch_that_redis_does_not_confirm_ends_soon(served):
    """Redis says nothing any more, and the connection stays."""
    with notices(served) as stub:
        begin(stub).cancel()
        with served.services.paused("redis"):
            assert refused(stub).code() == Code.UNAVAILABLE
        begin(stub)


def test_a_watcher_that_does_not_read_is_ended(served):
    """It has what was sent until then; another one, who reads, goes on."""
    with notices(served) as stub, notices(served) as other:
        slow, quick = begin(stub), begin(other)
        sent = 0
        with contextlib.closing(served.services.redis()) as redis:
            while tasks(served) == 2:
                redis.publish("toq:notices:door", b"x" * 60000)
                assert len(next(quick).text) == 60000
                sent += 1
                assert sent < 1000
        taken = []
        error = refusal(lambda: taken.extend(one.text for one in slow))
        assert error.code() == Code.RESOURCE_EXHAUSTED
        assert 0 < len(taken) < sent
        assert post(served, "last")[0] == 202
        assert next(quick).text == b"last"


def test_the_end_of_the_server_ends_a_watch(served):
    with notices(served) as stub:
        call = begin(stub)
        served.send_signal(signal.SIGTERM)
        assert refusal(lambda: next(call)).code() == Code.UNAVAILABLE
    assert served.wait_exit() == 0
