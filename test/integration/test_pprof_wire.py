# SPDX-License-Identifier: MIT
"""What /debug/pprof/ says on the wire, as Go says it. What takes a capture is in the other files."""

import os
import re
import socket

import httpx
import pytest

import server as server_module
from pprof_load import is_sanitized

TEXT = "text/plain; charset=utf-8"
ERROR = {"content-type": TEXT, "x-content-type-options": "nosniff", "x-go-pprof": "1"}
TOKEN = "a-token-of-these-tests"


@pytest.fixture(scope="module", params=["own", "shared"])
def server(request, server_binary, services):
    """The server that ships, with a loop for diagnostics and without."""
    one = server_module.start(server_binary, {**services.variables, "DIAGNOSTICS_LOOP": request.param})
    yield one
    one.close()


def ask(server, method, path, **options):
    return httpx.request(method, server.url(path, "pprof"), **options)


def refused(server):
    """The profiles that a sanitizer has no place for."""
    return {"allocs", "heap", "mutex"} if is_sanitized(server.binary) else set()


def named_by(path):
    """The profile that a path names."""
    return path.split("?")[0].rpartition("/")[2]


def fields(answer):
    """The header fields that do not differ from one answer to the next."""
    ignored = ("date", "content-length", "connection")
    return {name: value for name, value in answer.headers.items() if name not in ignored}


def test_index_lists_the_profiles_with_relative_links(server):
    answer = ask(server, "GET", "/debug/pprof/")
    assert answer.status_code == 200
    assert fields(answer) == {"content-type": "text/html; charset=utf-8",
                              "x-content-type-options": "nosniff"}
    assert "<title>/debug/pprof/</title>" in answer.text
    links = re.findall(r"href=['\"]([^'\"]+)", answer.text)
    assert "profile?debug=1" in links
    assert not any(link.startswith(("/", "http")) for link in links)


@pytest.mark.parametrize("listener, path", [
    ("pprof", "/debug/pprof/profile?ago=5s&ago=abc"), ("pprof", "/debug/pprof/heap?debug=1&gc=1&debug=1"),
    ("pprof", "/debug/pprof/goroutineleak?debug=1&%64ebug=2"), ("pprof", "/debug/fgprof?seconds=1&seconds=2"),
    ("pprof", "/debug/flight?ago=30s&ago=30s"), ("pprof", "/debug/requests?format=json&format=html"),
    ("pprof", "/debug/pprof/ui/?x&x"), ("pprof", "/debug/pprof/?" + "&".join(f"p{i}" for i in range(65))),
    ("metrics", "/metrics?a=1&a=1"), ("metrics", "/health?a=1&a=2")])
def test_a_parameter_that_is_given_twice_is_refused(server, listener, path):
    answer = httpx.get(server.url(path, listener))
    assert (answer.status_code, answer.text) == (400, "400 Bad Request: a parameter is given twice\n")


def test_parameters_that_differ_are_not(server):
    assert ask(server, "GET", "/debug/pprof/?" + "&".join(f"p{i}=1" for i in range(64))).status_code == 200


def test_every_link_of_the_index_is_served(server):
    page = ask(server, "GET", "/debug/pprof/").text
    names = re.findall(r"href='(\w+)\?debug=1'", page)
    assert {"cmdline", "profile", "symbol"} <= set(names)
    for name in set(names) - {"profile"}:
        status = ask(server, "GET", f"/debug/pprof/{name}?debug=1").status_code
        assert (name, status) == (name, 500 if name in refused(server) else 200)


def test_the_path_without_the_last_slash_is_redirected(server):
    answer = ask(server, "GET", "/debug/pprof")
    assert (answer.status_code, answer.headers["location"]) == (301, "/debug/pprof/")
    assert answer.text == '<a href="/debug/pprof/">Moved Permanently</a>.\n\n'


def test_a_redirect_keeps_the_query_and_escapes_it(server):
    answer = ask(server, "GET", "/debug/pprof?a=1&b=%3C'")
    assert answer.headers["location"] == "/debug/pprof/?a=1&b=%3C'"
    assert 'href="/debug/pprof/?a=1&amp;b=%3C&#39;"' in answer.text


def test_cmdline_is_the_command_line(server):
    answer = ask(server, "GET", "/debug/pprof/cmdline")
    assert fields(answer) == {"content-type": TEXT, "x-content-type-options": "nosniff"}
    assert answer.text == server.binary


@pytest.mark.parametrize("method,path,body", [
    ("GET", "/debug/pprof/symbol", None),
    ("GET", "/debug/pprof/symbol?", None),
    ("GET", "/debug/pprof/symbol?nonsense+0x+-1+99999999999999999999999", None),
    ("POST", "/debug/pprof/symbol", b""),
    ("POST", "/debug/pprof/symbol", b"0x1+0x2"),
])
def test_symbol_knows_symbols(server, method, path, body):
    answer = ask(server, method, path, content=body)
    assert (answer.status_code, answer.text) == (200, "num_symbols: 1\n")
    assert fields(answer) == {"content-type": TEXT, "x-content-type-options": "nosniff"}


def addresses_of(server, file, access):
    """Some addresses in the server's memory, where it has a file mapped with such access."""
    with open(f"/proc/{server.pid}/maps", encoding="ascii") as maps:
        for line in maps:
            span, given, *rest = line.split()
            if given == access and re.fullmatch(file, rest[-1]):
                low, high = (int(edge, 16) for edge in span.split("-"))
                return range(low, high, (high - low) // 50)
    raise AssertionError(f"{file} is not mapped as {access}")


def text_addresses(server):
    return addresses_of(server, re.escape(os.path.realpath(server.binary)), "r-xp")


def test_symbol_names_addresses_asked_for_both_ways(server):
    words = "+".join(f"{address:#x}" for address in text_addresses(server))
    got = ask(server, "GET", f"/debug/pprof/symbol?{words}").text
    posted = ask(server, "POST", "/debug/pprof/symbol", content=words.encode()).text
    assert got == posted
    lines = got.splitlines()
    assert lines[0] == "num_symbols: 1"
    # What go tool pprof reads.
    assert all(re.fullmatch(r"0x[0-9a-f]+ \S+", line) for line in lines[1:])
    assert len([line for line in lines[1:] if "[" not in line]) > 25


def test_symbol_names_code_without_symbols_by_its_object(server):
    """Else go tool pprof calls it <unknown>."""
    wanted = addresses_of(server, r".*/libuv\.so.*", "r-xp")
    data = addresses_of(server, r".*/libuv\.so.*", "r--p")
    words = "+".join(f"{address:#x}" for address in [*wanted, *data])
    lines = ask(server, "GET", f"/debug/pprof/symbol?{words}").text.splitlines()[1:]
    names = dict(line.split(" ", 1) for line in lines)
    assert set(names) == {f"{address:#x}" for address in wanted}
    assert all(name in ("[libuv]", "[plt]") or "[" not in name for name in names.values())


def test_symbol_takes_numbers_as_go_does(server):
    address = text_addresses(server)[25]
    lines = {ask(server, "GET", f"/debug/pprof/symbol?{word}").text
             for word in (f"{address:#x}", f"{address:#X}", f"{address}", f"{address:#o}",
                          f"0{address:o}", f"{address:#b}")}
    assert len(lines) == 1 and f"\n{address:#x} " in lines.pop()


@pytest.mark.parametrize("path", ["nope", "nope?seconds=abc", "nope?debug=1", "PROFILE",
                                  "foo/bar", "heap/", "heap/heap", "foo//bar/baz?debug=1"])
def test_an_unknown_profile_is_not_found(server, path):
    answer = ask(server, "GET", f"/debug/pprof/{path}")
    assert (answer.status_code, answer.text) == (404, "Unknown profile\n")
    assert fields(answer) == ERROR


def test_trace_says_what_to_use_instead(server):
    answer = ask(server, "GET", "/debug/pprof/trace?seconds=1")
    assert answer.status_code == 404 and fields(answer) == ERROR
    for path in re.findall(r"/debug/\S+", answer.text):
        assert ask(server, "GET", path.replace("seconds=5", "seconds=1")).status_code == 200
    assert "/debug/fgprof?seconds=5" in answer.text


def test_the_index_of_all_leads_to_all_that_is_there(server):
    text = ask(server, "GET", "/debug/")
    assert text.headers["content-type"] == TEXT
    paths = [line.split()[0] for line in text.text.splitlines()]
    assert {"/debug/pprof/", "/debug/pprof/profile", "/debug/fgprof", "/health",
            "/debug/flight", "/debug/pprof/heap?debug=1"} <= set(paths)
    assert [line for line in text.text.splitlines() if len(line.split(maxsplit=1)) < 2] == []
    page = ask(server, "GET", "/debug/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert [httpx.URL("http://x/debug/").join(link).raw_path.decode()
            for link in re.findall(r'<a href="([^"]+)"', page.text)] == paths
    for path in paths:
        if not path.endswith(("/profile", "/fgprof")):  # these take their time
            wanted = {500} if named_by(path) in refused(server) else {200, 503}
            assert ask(server, "GET", path).status_code in wanted, path


@pytest.mark.parametrize("path", ["/debug/pprof", "/debug/pprof/", "/debug/pprof/cmdline",
                                  "/debug/pprof/symbol", "/debug/pprof/nope"])
def test_head_is_get_without_the_body(server, path):
    got, head = ask(server, "GET", path), ask(server, "HEAD", path)
    assert (head.status_code, fields(head), head.content) == (got.status_code, fields(got), b"")


@pytest.mark.parametrize("path,allowed", [
    ("/debug/pprof/", {"GET", "HEAD"}),
    ("/debug/pprof/profile", {"GET", "HEAD"}),
    ("/debug/pprof/cmdline", {"GET", "HEAD"}),
    ("/debug/pprof/symbol", {"GET", "HEAD", "POST"}),
])
def test_other_methods_are_not_allowed(server, path, allowed):
    for method in {"POST", "PUT", "DELETE", "PATCH"} - allowed:
        answer = ask(server, method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed


def test_pprof_is_not_served_to_the_public(server):
    for listener in ("http", "metrics"):
        assert httpx.get(server.url("/debug/pprof/", listener)).status_code == 404


# --- a token


@pytest.fixture(scope="module")
def guarded(test_server_binary):
    shared = server_module.start(test_server_binary, {"PPROF_TOKEN": TOKEN})
    yield shared
    shared.close()


@pytest.mark.parametrize("path", ["/debug/pprof", "/debug/pprof/", "/debug/pprof/cmdline",
                                  "/debug/pprof/profile?seconds=1", "/debug/pprof/symbol",
                                  "/debug/pprof/nope"])
@pytest.mark.parametrize("credentials", [
    None, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN,
    "Basic !!!", "Basic " + TOKEN])
def test_without_the_token_nothing_is_served(guarded, path, credentials):
    headers = {} if credentials is None else {"Authorization": credentials}
    answer = ask(guarded, "GET", path, headers=headers)
    assert answer.status_code == 401
    challenge = answer.headers.pop("www-authenticate")
    assert "Basic" in challenge and "Bearer" in challenge
    assert fields(answer) == ERROR
    assert TOKEN not in answer.text


def test_the_token_opens_as_bearer_or_as_password(guarded):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(guarded, "GET", "/debug/pprof/", headers=bearer).status_code == 200
    assert ask(guarded, "GET", "/debug/pprof/", auth=("anyone", TOKEN)).status_code == 200
    assert ask(guarded, "GET", "/debug/pprof/", auth=("", TOKEN)).status_code == 200
    assert ask(guarded, "GET", "/debug/pprof/", auth=(TOKEN, "")).status_code == 401


# --- off


def test_disabled_pprof_does_not_even_open_its_port(start_server):
    port = server_module.free_port()
    quiet = start_server({"ENABLE_PPROF": "false", "PPROF_PORT": port})
    assert not any("listening" in line and "pprof" in line for line in quiet.lines)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_names_of_parameters_are_decoded(server):
    """As Go decodes them: else a filter is not seen, and another answer comes."""
    answers = [ask(server, "GET", f"/debug/pprof/goroutine?{query}") for query in ("debug=1", "d%65bug=1", "%64ebug=%31")]
    assert [answer.headers["Content-Type"] for answer in answers] == ["text/plain; charset=utf-8"] * 3
    assert all(answer.text.startswith("goroutine profile: ") for answer in answers)
