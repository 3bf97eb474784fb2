# SPDX-License-Identifier: MIT
"""The health routes of a server that lacks nothing; test_listings_health.py takes things away."""

import httpx
import pytest

from server import wait_until


@pytest.fixture(autouse=True)
def ready(server):
    wait_until(lambda: httpx.get(server.url("/health/ready")).status_code == 200, "MySQL to be reached")


def test_health_says_what_runs_and_for_how_long(server):
    answer = httpx.get(server.url("/health"))
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert body["status"] == "ok"
    assert body["version"]
    assert body["uptime_seconds"] >= 0
    assert set(body["dependencies"]) == {"mysql", "redis"}


def test_uptime_never_falls(server):
    first = httpx.get(server.url("/health")).json()["uptime_seconds"]
    second = httpx.get(server.url("/health")).json()["uptime_seconds"]
    assert second >= first


def test_live_and_ready(server):
    for path in ("/health/live", "/health/ready"):
        answer = httpx.get(server.url(path))
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
