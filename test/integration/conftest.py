# SPDX-License-Identifier: MIT
"""Fixtures: servers to test.

TOQ_SERVER and TOQ_TEST_SERVER name the binaries, so that the same tests run against sanitized ones.
"""

import os
import resource
import tempfile

import pytest

import leaks
import server as server_module
from http2_wire import Http2Peer
from listings import Api, migrate
from rpc_listings import Rpc
from services import Services

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# The files that take longest begin first, so that no worker is left alone with one of them at the end.
LONGEST = ("growth", "pprof_named", "driver", "heap", "pprof_capture", "pprof_cpu", "listings_tasks",
           "memory", "pprof_go_peer", "pprof_robust", "listings_stale", "listings_cache", "misuse",
           "drain_phases", "http2_limits", "history", "listings_faults", "symbol_memory", "block",
           "forgotten")


def pytest_collection_modifyitems(items):
    order = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.module.__name__, len(order)))


def pytest_configure(config):
    config.addinivalue_line("markers", "leaks(*routes): requests of them are left without anything that wakes them")


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    outcome = yield
    outcome.get_result()
    leaks.check([route for mark in pyfuncitem.iter_markers("leaks") for route in mark.args])


def binary_path(variable, default):
    path = os.environ.get(variable, os.path.join(ROOT, default))
    assert os.path.exists(path), f"{path} was not built"
    return path


@pytest.fixture(scope="session", autouse=True)
def many_descriptors():
    """Some tests open thousands of connections, and a login may leave room for 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))


@pytest.fixture(scope="session")
def server_binary():
    """The path of the server that ships."""
    return binary_path("TOQ_SERVER", "build/toq_server")


@pytest.fixture(scope="session")
def test_server_binary():
    """The path of the server with the routes of test/support/."""
    return binary_path("TOQ_TEST_SERVER", "build/release/toq_test_server")


@pytest.fixture(scope="session")
def sanitized_server_binary(test_server_binary):
    """That server under AddressSanitizer, or another sanitizer; as it is where none was built."""
    return os.environ.get("TOQ_SANITIZED_SERVER", test_server_binary)


@pytest.fixture(scope="session")
def services():
    """MariaDB and Redis, shared by all tests: whoever breaks one mends it."""
    with tempfile.TemporaryDirectory(prefix="toq-services-") as folder:
        shared = Services(folder)
        try:
            shared.up()
            yield shared
        finally:
            shared.down()


@pytest.fixture(scope="session")
def server(server_binary, services):
    """The server that ships, shared by all tests: none may stop it or change it."""
    shared = server_module.start(server_binary, services.variables)
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def test_server(test_server_binary, services):
    """The server with test routes, shared by all tests: none may stop it or change it."""
    shared = server_module.start(test_server_binary, services.variables)
    yield shared
    shared.close()


@pytest.fixture
def start_server(test_server_binary):
    """start_server(settings, binary=..., stdout=..., preexec=...) starts one for this test alone.

    It has the test routes unless `binary` says otherwise. At the end of the test what still runs is
    stopped, and must exit with 0; a test that expects another code calls wait_exit or stop itself.
    """
    started = []

    def start(settings=None, binary=test_server_binary, **options):
        started.append(server_module.start(binary, settings, **options))
        return started[-1]

    yield start
    for one in reversed(started):
        one.close()


@pytest.fixture(params=[("http", False), ("http", True), ("grpc", True)],
                ids=["http", "http apart", "grpc apart"])
def connect(request, test_server):
    """connect(**options) opens a connection of HTTP/2 that asks for "/".

    No listener has that: the answer is a text, with `connection.status`, and on the gRPC listener it
    comes before the request has ended.
    """
    listener, is_apart = request.param
    opened = []

    def connect_to(**options):
        opened.append(Http2Peer(test_server, listener, target="/", is_apart=is_apart, **options))
        opened[-1].status = {"http": 404, "grpc": 415}[listener]
        return opened[-1]

    yield connect_to
    for one in opened:
        one.socket.close()


@pytest.fixture(scope="module")
def database(services, server_binary):
    """The services with nothing in them but the schema."""
    services.clear()
    done = migrate(server_binary, services.variables)
    assert done.returncode == 0, done.stderr
    return services


@pytest.fixture(scope="module")
def listings_server(database, server_binary):
    """A server of listings, shared by a module's tests: none may stop it or break its services."""
    shared = server_module.start(server_binary, database.variables)
    yield shared
    shared.close()


@pytest.fixture
def api(listings_server):
    """A client of listings_server."""
    with Api(listings_server) as client:
        yield client


@pytest.fixture
def rpc(listings_server):
    """A client of listings_server, over gRPC."""
    with Rpc(listings_server) as client:
        yield client
