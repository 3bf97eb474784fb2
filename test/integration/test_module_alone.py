# SPDX-License-Identifier: MIT
"""A feature is a folder and a line: test/modules/parcels is put into handlers/ of a copy of the tree, with its line in
modules.c, and nothing else is told of it. The server that make builds there has its variable, its steps, its routes and
its service."""

import os
import shutil
import subprocess

import grpc
import pytest

import rpc
import server as server_module
from listings import migrate
from server import PATIENCE_S, environment
from services import ROOT
from wire import Peer

MODULE = "parcels"
FOLDER = f"test/modules/{MODULE}"
LINE = f"    MODULE({MODULE}_module) \\\n"
BEFORE = "    MODULE(grpc_module)"
TOKEN = "token-of-the-parcels"
VARIANT = os.environ.get("TOQ_VARIANT", "release")
TREES = ("config", "core", "handlers", "profiling", "scripts")
OTHER_TREES = ("test", "docs")  # no part of the server, but the checks read them

REFLECTION = rpc.module("grpc/reflection/v1/reflection.proto")

BUILD_TIMEOUT_S = 600  # seconds where everything but the module is built, as in the suite


def copy_of_the_tree(copy):
    """Sources and objects with their times, so that make has to build what is new alone."""
    for tree in (*TREES, *OTHER_TREES):
        shutil.copytree(os.path.join(ROOT, tree), os.path.join(copy, tree), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(os.path.join(ROOT, "Makefile"), copy)
    shutil.copytree(os.path.join(ROOT, "build", VARIANT), os.path.join(copy, "build", VARIANT), symlinks=True,
                    ignore=shutil.ignore_patterns("test", "replay", "headers", "pprof", "toq_*", "*.a"))
    stamp = "build/npm/ui/installed.json"  # of the page's bundler
    os.makedirs(os.path.dirname(os.path.join(copy, stamp)))
    shutil.copy2(os.path.join(ROOT, stamp), os.path.join(copy, stamp))


def run(copy, *command):
    """The output of a program that must succeed, outside of the make that runs the tests."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, cwd=copy, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=BUILD_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the tree with the module in it: its folder, and its line."""
    copy = str(tmp_path_factory.mktemp("tree"))
    copy_of_the_tree(copy)
    shutil.copytree(os.path.join(ROOT, FOLDER), os.path.join(copy, "handlers", MODULE))
    path = os.path.join(copy, "handlers", "modules.c")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.count(BEFORE) == 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(BEFORE, LINE + BEFORE))
    yield copy
    shutil.rmtree(copy)


@pytest.fixture(scope="module")
def binary(copy):
    """The server that ships, with the module."""
    run(copy, "make", "-s", f"VARIANT={VARIANT}", f"build/{VARIANT}/toq_server")
    return os.path.join(copy, "build", VARIANT, "toq_server")


@pytest.fixture(scope="module")
def served(services, binary):
    """That server with its tables, which are empty."""
    services.clear()
    done = migrate(binary, services.variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f", {MODULE} has 2\n")
    shared = server_module.start(binary, {**services.variables, "PARCELS_MAX_WEIGHT_G": 6000, "API_TOKENS": TOKEN})
    yield shared
    shared.close()
    services.clear()


def ask(server, path, method="GET", *more):
    with Peer(server) as peer:
        answer = peer.ask(path, *(["Content-Length: 0"] if method == "POST" else []), *more, method=method)
        return answer.status, answer.body.decode()


def put(server, path, weight_g, more=""):
    body = f'{{"weight_g":{weight_g}{more}}}'.encode()
    with Peer(server) as peer:
        return peer.ask(path, "Content-Type: application/json", method="POST", body=body).status


def weighed(count, weight_g):
    """64 bits are a text."""
    return 200, f'{{"count":{count},"weight_g":"{weight_g}"}}'


def test_nothing_else_names_it():
    """But this test, which puts it in, and the docs, which may point at it."""
    named = subprocess.run(["grep", "-ril", "--exclude-dir=__pycache__", MODULE, "Makefile", "test", *TREES],
                           cwd=ROOT, capture_output=True, text=True, check=True)
    others = [path for path in named.stdout.split() if not path.startswith(f"{FOLDER}/")]
    assert others == ["test/integration/test_module_alone.py"]


def test_it_is_a_room_like_any_other(copy):
    """No check has to be told of it."""
    for check in ("check-includes", "check-style", "check-contracts"):
        assert run(copy, f"scripts/{check}") == ""


def test_its_variable(binary):
    def said(option, **settings):
        return subprocess.run([binary, option], env=environment(settings), capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
    assert "PARCELS_MAX_WEIGHT_G" in said("--help").stdout
    assert "heavier parcels are refused" in said("--help").stdout
    assert "PARCELS_MAX_WEIGHT_G=5000\n" in said("--print-config").stdout
    wrong = said("--check-config", PARCELS_MAX_WEIGHT_G="30001")
    assert wrong.returncode == 78 and "PARCELS_MAX_WEIGHT_G" in wrong.stderr


def test_its_routes(served):
    assert ask(served, "/parcels/Rua%20A") == weighed(0, 0)
    assert [put(served, "/parcels/Rua%20A", weight_g) for weight_g in (250, 6000, 6001)] == [200, 200, 400]
    assert put(served, "/parcels/Rua%20A", 0, ',"unit":1') == 400  # a string, though C has bytes
    assert put(served, "/parcels/Rua%20F", 0, ',"unit":"g"') == 200
    assert ask(served, "/parcels/Rua%20A") == weighed(2, 6250)
    assert ask(served, "/parcels/Rua%20A", "DELETE")[0] == 405


def test_its_service(served):
    """Reflection names it, too."""
    module = rpc.module("toq/parcels/v1/parcels.proto", os.path.join(FOLDER, "proto"))
    with rpc.Client(served) as client:
        stub = rpc.Stub(client.channel, module.DESCRIPTOR.services_by_name["Parcels"])
        stub.Put(module.PutRequest(place="Rua B", weight_g=70), timeout=PATIENCE_S)
        reply = stub.Weigh(module.WeighRequest(place="Rua B"), timeout=PATIENCE_S)
        assert (reply.count, reply.weight_g) == (1, 70)
        reflection = rpc.Stub(client.channel, REFLECTION.DESCRIPTOR.services_by_name["ServerReflection"])
        asked = REFLECTION.ServerReflectionRequest(file_containing_symbol="toq.parcels.v1.Parcels.Weigh")
        answer, = reflection.ServerReflectionInfo(iter([asked]), timeout=PATIENCE_S)
        assert b"parcels.proto" in answer.file_descriptor_response.file_descriptor_proto[0]


def test_its_transaction_and_its_watch(served):
    module = rpc.module("toq/parcels/v1/parcels.proto", os.path.join(FOLDER, "proto"))
    with rpc.Client(served) as client:
        stub = rpc.Stub(client.channel, module.DESCRIPTOR.services_by_name["Parcels"])
        assert rpc.refusal(lambda: next(stub.Watch(module.WatchRequest(place="x" * 1025), timeout=PATIENCE_S))).code() == \
            grpc.StatusCode.INVALID_ARGUMENT
        watch = stub.Watch(module.WatchRequest(place="Rua E"), timeout=PATIENCE_S)
        assert next(watch).is_ready
        bearer = f"Authorization: Bearer {TOKEN}"
        assert ask(served, "/parcels/Rua%20E/out", "POST")[0] == 401
        assert ask(served, "/parcels/Rua%20E/out", "POST", bearer)[0] == 404
        for weight_g in (30, 40):
            assert put(served, "/parcels/Rua%20E", weight_g) == 200
        assert ask(served, "/parcels/Rua%20E/out", "POST", bearer) == (200, "30 g\n")
        assert [next(watch).text for _ in range(3)] == ["in", "in", "out"]
    assert ask(served, "/parcels/Rua%20E") == weighed(1, 40)


def test_an_older_table_is_brought_up_to_date(services, binary):
    """A database that has had step 1 alone, with rows: they stay, and get what step 2 gives them."""
    services.clear()
    assert migrate(binary, services.variables).returncode == 0
    services.query("DELETE FROM schema_steps WHERE module = 'parcels' AND step = 2")
    services.query("ALTER TABLE parcels DROP COLUMN weight_g")
    services.query("INSERT INTO parcels (place) VALUES ('Rua C'), ('Rua C'), ('Rua D')")
    before = services.query("SELECT id, place FROM parcels ORDER BY id")
    done = migrate(binary, services.variables)
    assert done.returncode == 0 and " steps applied: 1; " in done.stdout
    assert done.stdout.endswith(f", {MODULE} has 2\n")
    assert services.query("SELECT id, place FROM parcels ORDER BY id") == before
    assert services.query("SELECT DISTINCT weight_g FROM parcels") == ((0,),)
    server = server_module.start(binary, services.variables)
    try:
        assert put(server, "/parcels/Rua%20C", 5) == 200
        assert ask(server, "/parcels/Rua%20C") == weighed(3, 5)
    finally:
        server.close()
        services.clear()
