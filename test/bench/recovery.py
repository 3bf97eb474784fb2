#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long the rate of listings takes to come back when MySQL or Redis was killed, paused or cut off.

usage: recovery.py [--server FILE] [--pause MS] [HARM ...]

Not a part of `make bench`: run it by itself, after `make`; it takes some three minutes. wrk asks for
any listing by its id over 64 connections the whole time. MySQL is harmed with the cache off, Redis
with it on. What is to be cut off is behind the tests' proxy, which then limits the rate.

On a machine that others use the rate falls and rises by itself. There let each connection rest
between two requests, with --pause 20: what is then asked for, a busy machine can serve, too.

Exit code: 1 when the rate was not back within 5 s, an answer was late or neither 200 nor 503, or
memory or descriptors have grown; 0 otherwise.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import listings_bench
import load
import servers
from listings import migrate  # of test/integration, as those that follow
from proxy import Proxy
from server import start, wait_until
from services import Services
from watch import Watch

COUNT = 10000  # listings
DEADLINE_MS = 1500
LATE_MS = 500  # beyond the deadline: its timer is coarse, and wrk waits for a core, too
WARM_S, BEFORE_S, GONE_S, HARM_S, AFTER_S = 4, 5, 1, 10, 3
BACK_RATIO, BACK_S, GIVE_UP_S = 0.9, 5, 30
RSS_SLACK_BYTES = 8 << 20
FDS_SLACK = 32  # two for each connection of MySQL's pool, which may be fuller than it was


# --- harm: returns as soon as what it has harmed answers again ---------------------------------------

def is_answering(data, name):
    try:
        return data.redis().ping() if name == "redis" else data.query("SELECT 1")
    except Exception:  # pylint: disable=broad-except  # each client has its own
        return None


def kill(data, name, _):
    data.kill(name)
    time.sleep(GONE_S)
    starting = threading.Thread(target=data.up, args=(name,))  # takes longer, to be sure of it
    starting.start()
    wait_until(lambda: is_answering(data, name), f"{name} to answer")


def pause(data, name, _):
    with data.paused(name):
        time.sleep(HARM_S)


def cut(_, name, proxies):
    """All is reset for one half of the time; for the other one, nothing passes."""
    for fault in (proxies[name].cut, proxies[name].stall):
        fault()
        time.sleep(HARM_S / 2)
    proxies[name].heal()


HARMS = {f"{harm.__name__}-{name}": (harm, name)
         for harm in (kill, pause, cut) for name in ("mysql", "redis")}


# --- one run -----------------------------------------------------------------------------------------

@contextlib.contextmanager
def filled(binary, folder):
    """MySQL with COUNT listings, and Redis; yields them and a file of the listings' ids."""
    data, lines = Services(os.path.join(folder, "services")), os.path.join(folder, "ids")
    try:
        data.up()
        assert migrate(binary, data.variables).returncode == 0
        subprocess.run([os.path.join(servers.ROOT, "scripts", "seed"), str(COUNT)], check=True,
                       env={**os.environ, **data.variables}, stdout=subprocess.DEVNULL)
        with open(lines, "w", encoding="ascii") as file:
            rows = data.query("SELECT id FROM listings WHERE status='published'")
            file.writelines(f"{one} 1\n" for (one,) in rows)
        yield data, lines
    finally:
        data.run("down")


def observe(watch, harm):
    """Harms a server that is loaded; returns the figures of show()."""
    time.sleep(BEFORE_S)
    before, began = statistics.median(rate for _, rate in watch.rates()), time.monotonic()
    harm()
    healed = time.monotonic()

    def back_s():
        return next((at - healed for at, rate in watch.rates(healed) if rate >= BACK_RATIO * before),
                    GIVE_UP_S)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: back_s() < GIVE_UP_S, "the rate", GIVE_UP_S)
    time.sleep(AFTER_S)
    worst = min(rate for _, rate in watch.rates(began))
    after = statistics.median(rate for _, rate in watch.rates(time.monotonic() - AFTER_S))
    return {"before": before, "worst": worst, "after": after, "back_s": back_s()}


def run(args, data, lines, harm, name):
    settings = {**data.variables, "ENV": "production", "REQUEST_TIMEOUT_MS": DEADLINE_MS,
                "CONFIG_DIR": os.path.join(servers.ROOT, "config"), "CACHE_PAGE_TTL_MS": 0,
                "CACHE_TTL_MS": listings_bench.CACHE_TTL_MS if name == "redis" else 0}
    with contextlib.ExitStack() as stack:
        proxies = {}
        if harm is cut:
            port = f"{name.upper()}_PORT"
            proxies[name] = stack.enter_context(contextlib.closing(Proxy(int(settings[port]))))
            settings[port] = proxies[name].port
        watch = Watch(stack.enter_context(contextlib.closing(
            start(args.server, settings, preexec=load.pin(load.cores()[0])))))
        with watch.loaded(lines, args.pause, WARM_S):
            figures = observe(watch, lambda: harm(data, name, proxies))
    counts, first, last = watch.counts(), watch.samples[0], watch.samples[-1]
    return {**figures, "refused": counts.get(503, 0),
            "wrong": sum(n for status, n in counts.items() if status not in (200, 503)),
            "hung": watch.result["failures"]["timeout"], "slowest_ms": watch.result["max_us"] / 1000,
            "rss": (first.rss, last.rss), "fds": (first.fds, last.fds)}


def is_met(f):
    return (f["back_s"] <= BACK_S and f["wrong"] == f["hung"] == 0
            and f["slowest_ms"] <= DEADLINE_MS + LATE_MS
            and f["rss"][1] - f["rss"][0] <= RSS_SLACK_BYTES and f["fds"][1] - f["fds"][0] <= FDS_SLACK)


def show(title, f):
    rss = " -> ".join(f"{n / (1 << 20):.1f}" for n in f["rss"])
    fds = " -> ".join(str(n) for n in f["fds"])
    print(f"{title:<12}{f['before']:>9.0f}{f['worst']:>9.0f}{f['after']:>9.0f}{f['back_s']:>8.2f}"
          f"{f['refused']:>9}{f['wrong']:>7}{f['hung']:>6}{f['slowest_ms']:>9.0f}{rss:>16}{fds:>12}"
          f"  {'met' if is_met(f) else 'NOT MET'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="How the rate comes back after harm to MySQL or Redis.")
    parser.add_argument("--server", default=os.path.join(servers.ROOT, "build", "toq_server"))
    parser.add_argument("--pause", type=int, default=0, help="ms between a connection's requests")
    parser.add_argument("harm", nargs="*", help=f"{', '.join(HARMS)}; all of them by default")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda signo, frame: sys.exit(128 + signo))  # ends the servers
    print(f"{'harm':<12}{'before/s':>9}{'worst/s':>9}{'after/s':>9}{'back s':>8}{'503':>9}{'wrong':>7}"
          f"{'hung':>6}{'max ms':>9}{'RSS MiB':>16}{'fds':>12}", flush=True)
    is_all_met = True
    with tempfile.TemporaryDirectory(prefix="toq-recovery-") as folder, \
            filled(args.server, folder) as (data, lines):
        for title in args.harm or HARMS:
            figures = run(args, data, lines, *HARMS[title])
            show(title, figures)
            is_all_met = is_all_met and is_met(figures)
    return 0 if is_all_met else 1


if __name__ == "__main__":
    sys.exit(main())
