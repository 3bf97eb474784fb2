# SPDX-License-Identifier: MIT
"""Node's @grpc/grpc-js: each method of the listings, deadlines, cancellation, metadata, compression, big
messages, many streams."""

import filecmp
import os
import re
import shutil
import subprocess

import pytest

import server as server_module
from server import PATIENCE_S

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "test", "integration", "node")
FOLDER = os.path.join(ROOT, "build", "node")
PROTOS = ":".join(os.path.join(ROOT, one) for one in ("handlers/proto", "test/support/proto"))
INSTALL_S = 300

with open(os.path.join(SOURCE, "client.js"), encoding="utf-8") as file:
    CHECKS = re.findall(r"^  async (\w+)\(\)", file.read(), re.M)


@pytest.fixture(scope="module")
def modules():
    """What package-lock.json names, installed into build/node unless it is there."""
    lock, installed = (os.path.join(one, "package-lock.json") for one in (SOURCE, FOLDER))
    if not (os.path.exists(installed) and filecmp.cmp(lock, installed, shallow=False)):
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.makedirs(FOLDER)
        shutil.copy(os.path.join(SOURCE, "package.json"), FOLDER)
        # npm reads it before it installs; under this name it says that all is there.
        shutil.copy(lock, os.path.join(FOLDER, "npm-shrinkwrap.json"))
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=FOLDER,
                       check=True, timeout=INSTALL_S)
        shutil.copy(lock, installed)
    return os.path.join(FOLDER, "node_modules")


@pytest.fixture(scope="module")
def node_server(database, test_server_binary):
    shared = server_module.start(test_server_binary, {
        **database.variables, "API_TOKENS": "a-token-of-16-chars",
        "GRPC_MAX_RECEIVE_BYTES": 11 << 20, "HTTP2_MAX_CONCURRENT_STREAMS": 1000})
    yield shared
    shared.close()


@pytest.mark.parametrize("check", CHECKS)
def test_node(modules, node_server, check):
    done = subprocess.run(
        ["node", os.path.join(SOURCE, "client.js"), PROTOS, str(node_server.ports["grpc"]), check],
        env={**os.environ, "NODE_PATH": modules}, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
