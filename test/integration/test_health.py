# SPDX-License-Identifier: MIT
"""The health routes."""

import httpx


def test_health_says_what_runs_and_for_how_long(server):
    answer = httpx.get(server.url("/health"))
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert body["status"] == "ok"
    assert body["version"]
    assert body["uptime_seconds"] >= 0
    assert body["dependencies"] == {}


def test_uptime_never_falls(server):
    first = httpx.get(server.url("/health")).json()["uptime_seconds"]
    second = httpx.get(server.url("/health")).json()["uptime_seconds"]
    assert second >= first


def test_live_and_ready(server):
    for path in ("/health/live", "/health/ready"):
        answer = httpx.get(server.url(path))
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
