# SPDX-License-Identifier: MIT
"""From method and target to a route."""

import json

import pytest
from wire import Peer


def ask(server, target, *fields, **options):
    with Peer(server) as peer:
        return peer.ask(target, *fields, **options)


def params(server, target):
    """The two parameters that /test/params/:a/:b was given."""
    answer = ask(server, target)
    assert answer.status == 200
    text = answer.body.decode()
    first, end = json.JSONDecoder().raw_decode(text)
    return first, json.loads(text[end:])


@pytest.mark.parametrize("target, wanted", [
    ("/test/params/one/two", ("one", "two")),
    ("/test/params/%6Fne/t%77o", ("one", "two")),
    ("/test/params/a%2Fb/c", ("a/b", "c")),  # an escaped slash parts no segments
    ("/test/params/%252F/%2525", ("%2F", "%25")),  # decoded once
    ("/test/params/a+b/c%20d", ("a+b", "c d")),  # a plus is a plus in a path
    ("/test/params/%C3%A9/%e2%82%ac", ("\u00e9", "\u20ac")),
    ("/test/params/../..", ("..", "..")),  # segments mean nothing beyond their names
    ("/test/params/%2e%2E/.", ("..", ".")),
    ("/test/params/a/b?c=/d/e", ("a", "b")),
    ("/test/params/a/b?%zz%00", ("a", "b")),  # the query is its handler's matter
    ("/test/params/:a/:b", (":a", ":b")),
    ("/%74est/par%61ms/a/b", ("a", "b")),
])
def test_parameters_are_decoded_once(test_server, target, wanted):
    assert params(test_server, target) == wanted


def test_a_literal_wins_over_a_parameter(test_server):
    # Both routes hand their first parameter to the handler: of the literal's it is the last segment.
    assert ask(test_server, "/test/params/literal/x").body.startswith(b'"x"')
    assert ask(test_server, "/test/params/lit%65ral/x").body.startswith(b'"x"')
    assert params(test_server, "/test/params/literally/x") == ("literally", "x")


@pytest.mark.parametrize("target", [
    "/", "/nowhere", "/health/", "/health/nowhere", "//health", "/health//live", "/Health",
    "/test/params/a", "/test/params/a/", "/test/params//b", "/test/params/a/b/c", "/test",
    "/health%2Flive", "/" + "a/" * 100, "/?health"])
def test_what_is_not_there_is_404(test_server, target):
    answer = ask(test_server, target)
    assert (answer.status, answer["Allow"], answer["Connection"]) == (404, None, None)


@pytest.mark.parametrize("target, method, allowed", [
    ("/health", "POST", {"GET", "HEAD", "OPTIONS"}),
    ("/health", "DELETE", {"GET", "HEAD", "OPTIONS"}),
    ("/health/live", "PUT", {"GET", "HEAD", "OPTIONS"}),
    ("/test/echo", "GET", {"POST", "OPTIONS"}),
    ("/test/echo", "HEAD", {"POST", "OPTIONS"}),
    ("/test/params/a/b", "PATCH", {"GET", "HEAD", "OPTIONS"}),
])
def test_a_method_without_a_route_is_405(test_server, target, method, allowed):
    answer = ask(test_server, target, method=method)
    assert (answer.status, set(answer["Allow"].split(", "))) == (405, allowed)
    assert answer["Connection"] is None


@pytest.mark.parametrize("target, allowed", [
    ("/health", {"GET", "HEAD", "OPTIONS"}),
    ("/test/echo", {"POST", "OPTIONS"}),
    ("*", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}),
])
def test_options_names_the_methods(test_server, target, allowed):
    answer = ask(test_server, target, method="OPTIONS")
    assert (answer.status, set(answer["Allow"].split(", "))) == (204, allowed)
    assert answer["Content-Length"] is None


def test_options_of_what_is_not_there(test_server):
    assert ask(test_server, "/nowhere", method="OPTIONS").status == 404


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "TRACE", "get", "M-SEARCH"])
def test_an_unknown_method_is_501(test_server, method):
    assert ask(test_server, "/health", method=method).status == 501


def test_connect_is_501(test_server):
    assert ask(test_server, "example.com:443", method="CONNECT").status == 501


@pytest.mark.parametrize("target", [
    "http://test/test/params/a/b", "http://other:1234/test/params/a/b",
    "HTTP://test/test/params/a/b?query", "http://[::1]:80/test/params/a/b",
    "https://test/test/params/a/b", "HTTPS://[::1]:443/test/params/a/b?query"])
def test_the_absolute_form_is_a_path(test_server, target):
    assert params(test_server, target) == ("a", "b")


def test_the_absolute_form_without_a_path(test_server):
    assert ask(test_server, "http://test").status == 404


def test_each_listener_has_routes_of_its_own(server):
    with Peer(server) as public, Peer(server, "metrics") as metrics, Peer(server, "pprof") as pprof:
        assert public.ask("/metrics").status == 404
        assert public.ask("/debug/pprof/").status == 404
        assert metrics.ask("/v1/listings").status == 404
        assert pprof.ask("/metrics").status == 404
        assert metrics.ask("/metrics").status == 200
        assert pprof.ask("/debug/pprof/").status == 200


def test_the_server_has_no_test_routes(server):
    with Peer(server) as peer:
        assert peer.ask("/test/burn").status == 404
        assert peer.ask("/test/echo", method="POST").status == 404
