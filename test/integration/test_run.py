# SPDX-License-Identifier: MIT
"""scripts/run and scripts/deps: what would stop `make run-dev` is one line before the build, and what F5 is given."""

import os
import pathlib
import stat
import subprocess
import tempfile

import pytest

from server import PATIENCE_S, free_port
from services import ROOT

RUN = os.path.join(ROOT, "scripts", "run")


def run(*command, **settings):
    env = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    return subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False)


def test_a_mysql_that_refuses_is_told_of_before_the_build():
    port = free_port()
    done = run(RUN, "development", "--check", MYSQL_HOST="127.0.0.1", MYSQL_PORT=port, REDIS_HOST="127.0.0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"run: MySQL at 127.0.0.1 port {port} refuses connections; start it, or unset MYSQL_HOST for "
                           "a private one\n")
    # Production starts without it, and comes to it when it is there.
    assert run(RUN, "production", "--check", MYSQL_HOST="127.0.0.1", MYSQL_PORT=port, REDIS_HOST="127.0.0.1").returncode == 0


def test_a_checkout_that_is_read_only_is_told_of():
    script = f"mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && cd {ROOT} && {RUN} development --check"
    done = run("unshare", "--map-root-user", "--mount", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"run: cannot write to {ROOT}/build; use a checkout of your own\n"


@pytest.fixture
def for_all():
    """A folder that every user may read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def test_missing_packages_without_sudo_are_told_of(for_all):
    programs = for_all / "bin"  # no sudo, and a dpkg that has nothing
    programs.mkdir()
    for name in ("sh", "sed", "tr", "sort", "id"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    (programs / "dpkg-query").write_text("#!/bin/sh\nexit 0\n")
    (programs / "dpkg-query").chmod(0o755)
    somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(["/bin/sh", os.path.join(ROOT, "scripts", "deps"), "services"], env={"PATH": str(programs)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                          **somebody)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("deps: packages are missing and there is no sudo; install them with: "
                           "apt-get install mariadb-server python3 redis-server\n")


def test_a_wrong_offset_is_refused(server_binary):
    done = run(RUN, "development", server_binary, PORT_OFFSET="ten", MYSQL_HOST="127.0.0.1", REDIS_HOST="127.0.0.1")
    assert done.returncode == 1 and done.stderr.startswith('run: PORT_OFFSET: "ten" is not allowed')


def test_an_offset_moves_every_port(server_binary):
    done = run(RUN, "production", server_binary, "env", PORT_OFFSET="101", MYSQL_HOST="127.0.0.1", REDIS_HOST="127.0.0.1",
               HTTP_PORT="0", GRPC_PORT="50051")
    assert done.returncode == 0, done.stderr
    ports = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.split("=")[0].endswith("_PORT"))
    assert {name: ports[name] for name in ("HTTP_PORT", "GRPC_PORT", "METRICS_PORT", "PPROF_PORT")} == {
        "HTTP_PORT": "0", "GRPC_PORT": "50152", "METRICS_PORT": "9191", "PPROF_PORT": "6161"}


def test_what_a_debugger_starts_has_services_and_patience(server_binary, tmp_path, services):
    folder = tmp_path / "env"
    done = run(RUN, "development", "--prepare", server_binary, str(folder), **services.variables)
    assert done.returncode == 0, done.stderr
    written = folder / "development.env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600  # it may hold a password
    lines = written.read_text().splitlines()
    assert "REQUEST_TIMEOUT_MS=3600000" in lines and "HELD_LOOP_WARN_MS=0" in lines
    assert [line for line in lines if line.startswith("REQUEST_TIMEOUT_MS=")] == ["REQUEST_TIMEOUT_MS=3600000"]
    checked = run(server_binary, "--print-config", CONFIG_DIR=folder, ENV="development")
    assert checked.returncode == 0 and "REQUEST_TIMEOUT_MS=3600000\n" in checked.stdout, checked.stderr
