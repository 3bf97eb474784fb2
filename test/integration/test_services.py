# SPDX-License-Identifier: MIT
"""scripts/services: private servers that come up once, come back, and are the only ones touched."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from services import ROOT, SCRIPT, Services


@pytest.fixture
def services(tmp_path):
    one = Services(str(tmp_path / "services"))
    yield one
    assert one.run("down").returncode == 0


def ask_redis(variables, command, password=None):
    with socket.create_connection((variables["REDIS_HOST"], int(variables["REDIS_PORT"])), 10) as link:
        file = link.makefile("rwb")
        file.write(f"AUTH {password or variables['REDIS_PASSWORD']}\r\n{command}\r\n".encode())
        file.flush()
        return file.readline().decode().strip(), file.readline().decode().strip()


def ask_mysql(variables, sql):
    done = subprocess.run(
        ["mariadb", "--no-defaults", "--batch", "--skip-column-names",
         f"--host={variables['MYSQL_HOST']}", f"--port={variables['MYSQL_PORT']}",
         f"--user={variables['MYSQL_USER']}", variables["MYSQL_DATABASE"], f"--execute={sql}"],
        env=dict(os.environ, MYSQL_PWD=variables["MYSQL_PASSWORD"]),
        stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_both_come_up_once_and_keep_their_data(services):
    first = services.up()
    pids = [services.identity(name)["pid"] for name in ("mysql", "redis")]
    assert ask_redis(first, "PING") == ("+OK", "+PONG")
    assert ask_redis(first, "PING", "wrong")[0].startswith("-WRONGPASS")
    assert ask_mysql(first, "SELECT CURRENT_USER(), @@character_set_database") == (
        "toq@127.0.0.1\tutf8mb4")
    ask_mysql(first, "CREATE TABLE kept (id INT)")
    assert services.up() == first
    assert [services.identity(name)["pid"] for name in ("mysql", "redis")] == pids
    assert services.run("status").returncode == 0
    assert services.run("down").returncode == 0
    assert services.run("status").returncode == 3
    assert services.up() == first
    assert ask_mysql(first, "SHOW TABLES") == "kept"


def test_killed_servers_come_back(services):
    first = services.up("redis")
    os.kill(services.identity("redis")["pid"], signal.SIGKILL)
    assert services.up("redis") == first
    assert ask_redis(first, "PING") == ("+OK", "+PONG")


def test_a_taken_port_is_left_alone(services):
    first = services.up("redis")
    assert services.run("down", "redis").returncode == 0
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(first["REDIS_PORT"])))
        other.listen()
        second = services.up("redis")
        assert second["REDIS_PORT"] != first["REDIS_PORT"]
        assert ask_redis(second, "PING") == ("+OK", "+PONG")


def test_another_process_with_the_pid_is_left_alone(services):
    services.up("redis")
    ours = services.identity("redis")
    with subprocess.Popen(["sleep", "1000"]) as other:
        services.write_identity("redis", dict(ours, pid=other.pid))
        assert services.run("status", "redis").returncode == 3
        assert services.run("down", "redis").returncode == 0
        assert other.poll() is None
        other.kill()
    services.write_identity("redis", ours)  # the fixture stops it


def test_a_crash_while_starting_leaves_no_stranger(services):
    command = subprocess.Popen([SCRIPT, "up", "redis"], stdout=subprocess.PIPE,
                               env=dict(os.environ, TOQ_SERVICES_DIR=services.folder))
    command.kill()
    command.communicate()
    variables = services.up("redis")
    assert ask_redis(variables, "PING") == ("+OK", "+PONG")


def has_ended(pid):
    """Whether there is no such process, or nobody has asked for its exit code yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_make_clean_stops_them_and_spares_their_data(tmp_path):
    shutil.copy(os.path.join(ROOT, "Makefile"), tmp_path)
    shutil.copytree(os.path.join(ROOT, "scripts"), tmp_path / "scripts")
    (tmp_path / "build" / "release").mkdir(parents=True)
    one = Services(str(tmp_path / "build" / "services"))

    def make(target):
        subprocess.run(["make", "-C", tmp_path, target], stdout=subprocess.DEVNULL, check=True)

    first = one.up()
    pids = [one.identity(name)["pid"] for name in ("mysql", "redis")]
    ask_mysql(first, "CREATE TABLE kept (id INT)")
    make("clean")
    assert all(has_ended(pid) for pid in pids)
    assert os.listdir(tmp_path / "build") == ["services"]
    assert one.up() == first
    assert ask_mysql(first, "SHOW TABLES") == "kept"
    pids = [one.identity(name)["pid"] for name in ("mysql", "redis")]
    make("distclean")
    assert all(has_ended(pid) for pid in pids)
    assert not os.path.exists(tmp_path / "build")
    make("clean")  # where nothing is
