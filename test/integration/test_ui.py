# SPDX-License-Identifier: MIT
"""What the page at /debug/pprof/ui/ is served with; test_ui_browser.py looks at it."""

import gzip
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pprof_decode import Profile, decode_cpu
from pprof_load import BUSY, capture_when_free, get_profile, load, wait_captured
from server import PATIENCE_S, wait_until
from wire import Peer, request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASSETS = {"": "text/html; charset=utf-8", "ui.js": "text/javascript; charset=utf-8",
          "ui.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
POLICY = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
          "connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'",
          "frame-ancestors": "'none'"}
PAGE_MAX_BYTES = 150_000


def ask(server, path, **options):
    return httpx.get(server.url(f"/debug/pprof/{path}", "pprof"), timeout=PATIENCE_S, **options)


def raw(server, path, headers):
    """The answer as it is on the wire."""
    with httpx.stream("GET", server.url(f"/debug/pprof/{path}", "pprof"), headers=headers,
                      timeout=PATIENCE_S) as answer:
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
    with httpx.Client(timeout=PATIENCE_S) as client:
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


def test_seconds_of_the_past_add_up(test_server):
    def history():
        answer = ask(test_server, "ui/history")
        return answer.json() if answer.status_code == 200 else None

    with load(test_server, "/test/burn?ms=5", connections=2):
        made = wait_until(history, "whole seconds of the past")
        # Whole seconds that are over; their start is rounded up.
        assert made["seconds"] >= 1
        assert made["now_ms"] + 1 >= made["start_ms"] + 1000 * made["seconds"]
        cells = [cell for row in made["rows"] for cell in row["cells"]]
        assert all(0 <= second < made["seconds"] and ms > 0 for second, ms in cells)
        made, burnt = wait_until(lambda: next(((made, row) for made in [history()] for row in made["rows"]
                                               if row["route"] == "/test/burn"), None), "the route's row")
        assert burnt["thread"] == "toq_test_server"
        # A column is what the profile of its second says.
        second, ms = max(burnt["cells"], key=lambda cell: cell[1])
        answer = ask(test_server, f"profile?from={made['start_ms'] + 1000 * second}&seconds=1")
        of_route = [sample for sample in Profile(answer.content).samples
                    if sample.labels.get("route") == "/test/burn"]
        assert sum(sample.values[1] for sample in of_route) // 10**6 == pytest.approx(ms, abs=1)


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


# --- who may ask ---

@pytest.mark.parametrize("listener, path", [("pprof", "/debug/pprof/ui/"), ("pprof", "/debug/pprof/heap"),
                                            ("metrics", "/metrics"), ("pprof", "/health")])
def test_pages_of_other_sites_are_refused(server, listener, path):
    def status(**fields):
        headers = {f"Sec-Fetch-{name.capitalize()}": value for name, value in fields.items()}
        return httpx.get(server.url(path, listener), headers=headers, timeout=PATIENCE_S).status_code

    assert status(site="cross-site", mode="no-cors") == 403
    assert status(site="cross-site", mode="navigate") == 403
    assert status(site="same-site", mode="cors") == 403  # a page of another port
    assert 403 not in (status(), status(site="none", mode="navigate"), status(site="same-origin", mode="cors"),
                       status(site="same-site", mode="navigate"))


def test_traffic_is_anybodys(server):
    answer = httpx.get(server.url("/health/live"), headers={"Sec-Fetch-Site": "cross-site"},
                       timeout=PATIENCE_S)
    assert answer.status_code == 200


def test_the_password_works_as_in_an_address(start_server, tmp_path):
    server = start_server({"PPROF_TOKEN": "a-token-of-16-chars"})
    # A field each: browsers read no second challenge behind a comma.
    fields = ask(server, "").headers.get_list("www-authenticate")
    assert fields == ['Basic realm="pprof"', "Bearer"]
    address = server.url("/debug/pprof/threadcreate", "pprof").replace("//", "//x:a-token-of-16-chars@")
    done = subprocess.run(["go", "tool", "pprof", "-top", address], capture_output=True, text=True,
                          env={**os.environ, "PPROF_TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == 0 and "Type: threadcreate" in done.stdout, done.stderr


# --- one capture for several ---

def test_viewers_share_a_capture(start_server):
    server = start_server()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, server, "profile?seconds=2&share=1")
        wait_captured(server)
        second = pool.submit(ask, server, "profile?seconds=60&share=1")
        wait_captured(server, others=1)
        # A tool that does not ask to share gets Go's answer.
        assert get_profile(server, 1).text == BUSY
        assert first.result().content == second.result().content
    assert decode_cpu(first.result().content, 2)


def test_a_capture_goes_on_for_those_that_stay(start_server):
    server = start_server({"DIAGNOSTICS_LOOP": "shared"})
    with ThreadPoolExecutor(1) as pool, Peer(server, "pprof") as leaving:
        leaving.send(request("/debug/pprof/profile?seconds=2&share=1"))
        wait_captured(server)
        staying = pool.submit(ask, server, "profile?seconds=1&share=1")
        wait_captured(server, others=1)
        leaving.socket.close()
        assert decode_cpu(staying.result().content, 2)
    # When the last one has left the next may begin.
    with Peer(server, "pprof") as leaving:
        leaving.send(request("/debug/pprof/profile?seconds=60&share=1"))
        wait_captured(server)
    assert capture_when_free(server, 1)


# --- formats ---

def test_each_profile_in_each_format(test_server):
    # The one of the CPU takes its time, and is looked at below.
    for name in [one["name"] for one in ask(test_server, "ui/profiles").json()["profiles"]
                 if one["name"] != "profile" and "missing" not in one]:
        path = f"{name}?x=1"
        listed = ask(test_server, f"{path}&format=json")
        assert listed.headers["content-type"] == "application/json", name
        made = listed.json()
        assert made["types"] and 0 <= made["default_type"] < len(made["types"])
        for sample in made["samples"]:
            assert len(sample["values"]) == len(made["types"]) and sample["stack"]
            assert all(0 <= function < len(made["functions"]) for function, _ in sample["stack"])
        text = ask(test_server, f"{path}&format=text").text
        assert f"Type: {made['types'][made['default_type']]['type']}\n" in text
        collapsed = ask(test_server, f"{path}&format=collapsed").text
        assert re.fullmatch(r"(\S+ \d+\n)*", collapsed), name


def test_a_format_says_what_the_profile_says(test_server):
    with load(test_server, "/test/burn?ms=5", connections=2):
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(ask, test_server, f"profile?seconds=1&share=1&format={form}")
                     for form in ("pprof", "json", "collapsed")]
            profile, listed, collapsed = (one.result() for one in asked)
    profile = decode_cpu(profile.content, 1)
    listed = listed.json()
    assert listed["period"] == profile.message.period
    assert sum(sample["values"][1] for sample in listed["samples"]) == profile.total()
    stacks = {";".join(listed["functions"][function]["name"].replace(" ", "_") for function, _ in sample["stack"])
              for sample in listed["samples"] if sample["values"][1] > 0}
    assert stacks == {line.rsplit(" ", 1)[0] for line in collapsed.text.splitlines()}
    assert any(sample["labels"].get("route") == "/test/burn" for sample in listed["samples"])


@pytest.mark.parametrize("path, words", [
    ("heap?format=svg", 'invalid value for "format" - must be pprof, collapsed, text or json\n'),
    ("profile?format=svg", 'invalid value for "format" - must be pprof, collapsed, text or json\n'),
    ("block?debug=1&format=text", "format and debug params are incompatible\n"),
])
def test_a_format_that_is_none(server, path, words):
    answer = ask(server, path)
    assert (answer.status_code, answer.text) == (400, words)


# --- sources ---

def address_of(server, function):
    """The address of a frame, and its depth in the inlined calls there."""
    profile = Profile(ask(server, "goroutine").content)
    for location in profile.message.location:
        for depth, line in enumerate(location.line):
            if profile.text[profile.message.function[line.function_id - 1].name] == function:
                return location.address, depth
    raise AssertionError(f"{function} is in no stack")


def test_a_source_is_what_the_code_was_built_from(server):
    address, depth = address_of(server, "loop_run")
    answer = ask(server, f"ui/source?pc={address}&depth={depth}")
    with open(os.path.join(ROOT, "core", "loop", "loop.c"), encoding="utf-8") as file:
        assert (answer.status_code, answer.text) == (200, file.read())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("query, status", [("", 400), ("pc=abc", 400), ("pc=1", 404), ("pc=1&depth=99", 400),
                                           ("pc=18446744073709551615", 404), ("file=/etc/passwd", 400)])
def test_nothing_else_can_be_read(server, query, status):
    answer = ask(server, f"ui/source?{query}")
    assert answer.status_code == status and "root:" not in answer.text
