# SPDX-License-Identifier: MIT
"""MySQL and Redis harmed under load: every answer is right or an honest 503, and it all comes back."""

import os
import re
import signal
import time

import pytest

import server as server_module
from listings import PATH, Api, assert_problem
from listings_load import customers
from pprof_load import is_sanitized
from proxy import Proxy
from scrape import Scrape
from server import wait_until
from wire import Peer

DEADLINE_S = 1.5
PAUSE_S = 3
POOL_SIZE = 4


class Harmed:
    """A server whose MySQL and Redis are behind proxies."""

    def __init__(self, database, binary):
        self.database = database
        self.proxies = {"mysql": Proxy(int(database.variables["MYSQL_PORT"])),
                        "redis": Proxy(int(database.variables["REDIS_PORT"]))}
        self.server = server_module.start(binary, {
            **database.variables, "REQUEST_TIMEOUT_MS": int(DEADLINE_S * 1000),
            "MYSQL_POOL_SIZE": POOL_SIZE, "MYSQL_PORT": self.proxies["mysql"].port,
            "REDIS_PORT": self.proxies["redis"].port})
        self.fds = self.rss_kib = None

    def close(self):
        for proxy in self.proxies.values():
            proxy.heal()
        try:
            self.server.close()
        finally:
            for proxy in self.proxies.values():
                proxy.close()

    # --- what it may not gather

    def count_fds(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def read_rss_kib(self):
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def note(self):
        """Notes what it has when it is warm, the first time."""
        if self.fds is None:
            with Peer(self.server, "pprof") as peer:
                assert peer.ask("/debug/pprof/goroutine").status == 200  # the unwinder's table is there then
            self.fds, self.rss_kib = self.count_fds(), self.read_rss_kib()

    def assert_flat(self, binary):
        # The pool may be fuller than it was, at two descriptors a connection.
        wait_until(lambda: self.count_fds() <= self.fds + 2 * POOL_SIZE, "descriptors to be closed")
        wait_until(lambda: Scrape(self.server).get("toq_sql_in_use_connections") == 0
                   and Scrape(self.server).get("toq_sql_waiting_queries") == 0, "no query to be left")
        # A sanitizer keeps what was freed: 256 MiB, by default.
        slack_kib = (768 if is_sanitized(binary) else 16) * 1024
        assert self.read_rss_kib() <= self.rss_kib + slack_kib


@pytest.fixture(scope="module")
def harmed(database, server_binary):
    one = Harmed(database, server_binary)
    try:
        with customers(one.server, DEADLINE_S, database) as load:
            load.wait_served(30)
        one.note()
        yield one
    finally:
        one.close()


def restart(harmed, name):
    harmed.database.kill(name)
    time.sleep(0.3)
    harmed.database.up(name)


def pause(harmed, name):
    with harmed.database.paused(name):
        time.sleep(PAUSE_S)


def proxied(fault, seconds):
    def harm(harmed, name):
        getattr(harmed.proxies[name], fault)()
        time.sleep(seconds)
        harmed.proxies[name].heal()
    return harm


HARMS = {"kill": restart, "pause": pause, "cut": proxied("cut", 1), "stall": proxied("stall", 2.5),
         "garble": proxied("garble", 1)}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", ["mysql", "redis"])
def test_under_load(harmed, database, server_binary, name, harm):
    with customers(harmed.server, DEADLINE_S, database) as load:
        HARMS[harm](harmed, name)
        load.wait_served()
    refused = load.count(503)
    assert refused > 0 if name == "mysql" else refused == 0
    assert harmed.server.is_running()
    harmed.assert_flat(server_binary)


def test_both_gone_at_once(harmed, database, server_binary):
    with customers(harmed.server, DEADLINE_S, database) as load:
        for proxy in harmed.proxies.values():
            proxy.cut()
        time.sleep(0.5)
        with Api(harmed.server) as client:
            answer = client.ask("GET", f"{PATH}?city=Campinas")
            assert_problem(answer, 503)
            assert int(answer["Retry-After"]) >= 1
        for proxy in harmed.proxies.values():
            proxy.heal()
        load.wait_served()
    harmed.assert_flat(server_binary)


def test_it_ends_well_while_both_are_paused(database, start_server, server_binary):
    server = start_server({**database.variables, "SHUTDOWN_TIMEOUT_MS": 500}, binary=server_binary)
    with database.paused("mysql"), database.paused("redis"):
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0
