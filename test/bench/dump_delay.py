#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""dump_delay.py [REQUESTS [DUMPS]] - how long goroutine?debug=2 holds the loop while REQUESTS wait.

10,000 requests sleep in the test server, and dumps are taken one after the other. Around each the
loop's own account of its turns is read, and around as long a time without a dump. Aim: no turn with
a dump in it takes more than 5 ms. A machine that does other things makes turns longer, too: that
noise is what the times without a dump show. Where that is allowed the server goes before others, so
that there is less of it.
"""

import contextlib
import os
import re
import resource
import statistics
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "test", "integration"))

import server as server_module  # noqa: E402  the path comes first

AIM_S = 0.005
TURNS = "toq_loop_iteration_duration_seconds_bucket"


def raise_limit(count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < count:
        sys.exit(f"{count} descriptors are needed, {hard} are allowed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def get(server, path, listener):
    with urllib.request.urlopen(server.url(path, listener)) as answer:
        return answer.read()


def turns(server):
    """How many turns of the loop took no longer than each bound, in seconds."""
    text = get(server, "/metrics", "metrics").decode()
    return {float(bound): float(count) for bound, count in
            re.findall(rf'^{TURNS}{{le="([^"]+)"}} (\S+)', text, re.M)}


def longest(before, after):
    """The bound that the longest turn in between stayed below."""
    new = {bound: after[bound] - before[bound] for bound in after}
    return min(bound for bound in new if new[bound] == max(new.values()))


def begin(server, count):
    """Connections, each with a request that sleeps."""
    sockets = []
    for _ in range(count):
        one = server.connect()
        one.sendall(b"GET /test/sleep?ms=86400000 HTTP/1.1\r\nHost: bench\r\n\r\n")
        sockets.append(one)
    return sockets


def prefer(server):
    """Lets the server's threads go before others. All of them: libuv's loop spins while a thread that
    wakes it has lost its processor."""
    try:
        for thread in os.listdir(f"/proc/{server.pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), -20)
        return True
    except PermissionError:
        return False


def dump(server):
    return get(server, "/debug/pprof/goroutine?debug=2", "pprof")


def watch(server, action):
    """The bound of the longest turn while `action` runs, and the seconds it took."""
    before, start = turns(server), time.monotonic()
    action()
    took = time.monotonic() - start
    return longest(before, turns(server)), took


def print_bounds(name, bounds):
    counts = ", ".join(f"{bounds.count(bound)} x < {bound * 1e3:g} ms" for bound in sorted(set(bounds)))
    print(f"  longest turn {name}: {counts}")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    raise_limit(count + 1000)
    binary = os.environ.get("TOQ_TEST_SERVER",
                            os.path.join(ROOT, "build", "release", "toq_test_server"))
    limits = {"MAX_CONNECTIONS": count + 100, "REQUEST_TIMEOUT_MS": 3600000}
    server = server_module.start(binary, limits)
    with_dump, without, times = [], [], []
    with contextlib.ExitStack() as stack:
        for one in begin(server, count):
            stack.callback(one.close)
        server_module.wait_until(lambda: dump(server).count(b" [sleep") == count, "all to sleep")
        print(f"priority over other processes: {'yes' if prefer(server) else 'not allowed'}")
        for _ in range(rounds):
            bound, took = watch(server, lambda: dump(server))
            with_dump.append(bound)
            times.append(took)
            without.append(watch(server, lambda: time.sleep(times[-1]))[0])
        size = len(dump(server))
    server.close()
    print(f"{rounds} dumps of {size / 1e6:.1f} MB with {count} requests: {statistics.median(times) * 1e3:.0f} "
          f"ms each, {max(times) * 1e3:.0f} at most")
    print_bounds("with a dump", with_dump)
    print_bounds("without", without)
    print(f"median: < {statistics.median(with_dump) * 1e3:g} ms; aim: {AIM_S * 1e3:g} ms")
    return 0 if statistics.median(with_dump) <= AIM_S else 1


if __name__ == "__main__":
    sys.exit(main())
