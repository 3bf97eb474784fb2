# SPDX-License-Identifier: MIT
"""Private MariaDB and Redis for tests, through scripts/services: started, killed, paused, asked.

Services(folder) -> up() -> its variables -> mysql() and redis(), clients of their own -> down().
"""

import contextlib
import getpass
import json
import os
import signal
import subprocess

import pymysql
import redis as redis_client

from server import PATIENCE_S, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "scripts", "services")


def is_stopped(pid):
    """Whether each thread of a process is."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii", errors="replace") as file:
            if file.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True


class Services:
    """The servers of one folder; `variables` is how they are reached, for a server of ours."""

    def __init__(self, folder):
        self.folder = folder
        self.variables = {}

    # --- life

    def run(self, *arguments):
        return subprocess.run([SCRIPT, *arguments], env=dict(os.environ, TOQ_SERVICES_DIR=self.folder),
                              stdout=subprocess.PIPE, text=True, timeout=120, check=False)

    def up(self, *names):
        """Starts servers and returns what a shell would eval."""
        done = self.run("up", *names)
        assert done.returncode == 0
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.variables.update(found)
        return found

    def down(self, *names):
        assert self.run("down", *names).returncode == 0

    def identity(self, name):
        with open(os.path.join(self.folder, f"{name}.pid"), encoding="ascii") as file:
            return json.load(file)

    def write_identity(self, name, identity):
        with open(os.path.join(self.folder, f"{name}.pid"), "w", encoding="ascii") as file:
            json.dump(identity, file)

    # --- harm

    def signal(self, name, signo):
        os.kill(self.identity(name)["pid"], signo)

    def kill(self, name):
        """Ends it as a crash would, and waits until it is gone."""
        self.signal(name, signal.SIGKILL)
        wait_until(lambda: self.run("status", name).returncode != 0, f"{name} to be gone")

    @contextlib.contextmanager
    def paused(self, name):
        """Takes its CPU away: it still accepts connections, and says nothing."""
        pid = self.identity(name)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            # A thread that is running goes on for a moment.
            wait_until(lambda: is_stopped(pid), f"{name} to stop")
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    # --- asking them, past our server

    def mysql(self):
        """A connection that sees at once what others commit."""
        v = self.variables
        return pymysql.connect(
            host=v["MYSQL_HOST"], port=int(v["MYSQL_PORT"]), user=v["MYSQL_USER"],
            password=v["MYSQL_PASSWORD"], database=v["MYSQL_DATABASE"], charset="utf8mb4",
            autocommit=True, connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S)

    def query(self, sql, *parameters):
        """The rows of one statement."""
        with contextlib.closing(self.mysql()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def admin(self, sql, *parameters):
        """The rows of one statement, as whoever may change the server: who made it."""
        path = os.path.join(self.folder, "mysql", "mysql.sock")
        with contextlib.closing(pymysql.connect(unix_socket=path, user=getpass.getuser(),
                                                autocommit=True)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall()

    @contextlib.contextmanager
    def locked(self, table):
        """Who reads or writes the table waits, and the server answers all else."""
        with contextlib.closing(self.mysql()) as connection:
            connection.cursor().execute(f"LOCK TABLES {table} WRITE")
            yield

    @contextlib.contextmanager
    def setting(self, **wanted):
        """Sets the server's global variables, and sets them back."""
        before = {name: self.admin(f"SELECT @@GLOBAL.{name}")[0][0] for name in wanted}
        try:
            for name, value in wanted.items():
                self.admin(f"SET GLOBAL {name}=%s", value)
            yield
        finally:
            for name, value in before.items():
                self.admin(f"SET GLOBAL {name}=%s", value)

    def redis(self):
        v = self.variables
        return redis_client.Redis(host=v["REDIS_HOST"], port=int(v["REDIS_PORT"]),
                                  password=v["REDIS_PASSWORD"], socket_timeout=PATIENCE_S)

    def clear(self):
        """An empty database, and nothing in Redis."""
        name = self.variables["MYSQL_DATABASE"]
        self.query(f"DROP DATABASE {name}")
        with contextlib.closing(self.mysql_without_database()) as connection:
            connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.redis().flushall()

    def mysql_without_database(self):
        v = self.variables
        return pymysql.connect(host=v["MYSQL_HOST"], port=int(v["MYSQL_PORT"]),
                               user=v["MYSQL_USER"], password=v["MYSQL_PASSWORD"])
