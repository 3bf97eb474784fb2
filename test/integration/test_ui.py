# SPDX-License-Identifier: MIT
"""What the page at /debug/pprof/ui/ is served with; test_ui_browser.py looks at it."""

import gzip
import re

import httpx
import pytest

ASSETS = {"": "text/html; charset=utf-8", "ui.js": "text/javascript; charset=utf-8",
          "ui.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
POLICY = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
          "connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'",
          "frame-ancestors": "'none'"}
PAGE_MAX_BYTES = 150_000


def ask(server, path, **options):
    return httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), **options)


def raw(server, path, headers):
    """The answer as it is on the wire."""
    with httpx.stream("GET", server.url(f"/debug/pprof/{path}", "pprof"), headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


def test_the_page_is_packed_and_small(server):
    total = 0
    for name, content_type in ASSETS.items():
        answer, body = raw(server, f"ui/{name}", {"Accept-Encoding": "br, gzip;q=0.8"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
        assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(body)
        assert answer.headers["x-content-type-options"] == "nosniff"
        total += len(body)
    assert total < PAGE_MAX_BYTES


def test_the_page_may_load_nothing_of_others(server):
    for name in ASSETS:
        policy = ask(server, f"ui/{name}").headers["content-security-policy"]
        assert dict(one.split(maxsplit=1) for one in policy.split("; ")) == POLICY
    page = ask(server, "ui/").text
    # Relative links alone: the page works behind any prefix.
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert set(links) == {"icon.svg", "ui.css", "ui.js", "../"}
    assert not re.search(r"https?://(?!www\.w3\.org/)", ask(server, "ui/ui.js").text)


@pytest.mark.parametrize("accepted, status", [("gzip", 200), ("*", 200), (None, 200), ("identity", 406),
                                              ("br, deflate", 406)])
def test_who_cannot_unpack_is_told(server, accepted, status):
    # An empty field stands for none: httpx would send one of its own.
    request = httpx.Request("GET", server.url("/debug/pprof/ui/", "pprof"),
                            headers={} if accepted is None else {"Accept-Encoding": accepted})
    with httpx.Client() as client:
        assert client.send(request).status_code == status


def test_the_address_without_its_slash(server):
    answer = ask(server, "ui")
    # Relative, so that a prefix stays.
    assert (answer.status_code, answer.headers["location"]) == (301, "ui/")
    assert ask(server, "ui", follow_redirects=True).text.startswith("<!doctype html>")
    assert ask(server, "ui/none").status_code == 404


def test_the_page_asks_for_the_token(start_server):
    server = start_server({"PPROF_TOKEN": "a-token-of-16-chars"})
    for path in ("ui", "ui/", "ui/ui.js", "ui/profiles"):
        answer = ask(server, path)
        assert answer.status_code == 401 and "Basic" in answer.headers["www-authenticate"]
        assert ask(server, path, auth=("any", "a-token-of-16-chars")).status_code in (200, 301)


def test_the_page_is_told_what_there_is(server):
    facts = ask(server, "ui/profiles").json()
    assert facts["max_seconds"] == 300
    names = [one["name"] for one in facts["profiles"]]
    assert names[0] == "profile" and len(names) == len(set(names))
    # A look at one that tells what came since the last time would change what its scraper gets.
    assert not any(name.startswith("delta_") for name in names)
    for one in facts["profiles"]:
        assert one["description"]
        assert one["name"] == "profile" or ask(server, one["name"]).status_code == (
            500 if "missing" in one else 200)
