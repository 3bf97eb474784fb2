# SPDX-License-Identifier: MIT
"""Ways to harm a Redis of Services: it answers and does not work."""

import contextlib
import threading

import redis as redis_client

from server import wait_until


@contextlib.contextmanager
def setting(services, **wanted):
    redis = services.redis()
    wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
    before = {name: redis.config_get(name)[name] for name in wanted}
    try:
        for name, value in wanted.items():
            redis.config_set(name, value)
        yield redis
    finally:
        for name, value in reversed(list(before.items())):
            redis.config_set(name, value)


@contextlib.contextmanager
def full(services):
    with setting(services, maxmemory_policy="noeviction", maxmemory=1):
        yield


@contextlib.contextmanager
def busy(services):
    """A script that ends when it is killed."""
    with setting(services, busy_reply_threshold=100):
        def run():
            with contextlib.suppress(redis_client.RedisError):
                services.redis().eval("while true do end", 0)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            killer = services.redis()

            def is_killed():
                with contextlib.suppress(redis_client.RedisError):
                    return killer.execute_command("SCRIPT", "KILL")
                return False
            wait_until(is_killed, "the script to be killed")
            thread.join()


@contextlib.contextmanager
def demoted(services):
    redis = services.redis()
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        redis.execute_command("REPLICAOF", "NO", "ONE")
