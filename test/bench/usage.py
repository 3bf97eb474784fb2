# SPDX-License-Identifier: MIT
"""What processes have used, from /proc: CPU time and resident memory.

The total comes from schedstat, which the scheduler keeps in nanoseconds. How it splits into user
and system comes from utime and stime, which most kernels only estimate by what a timer interrupt
finds running: at 250 Hz and 4 s some 1000 looks, so a user share of 15 % is known to a tenth of
itself in one round, and better in the median of several.
"""

import os
import typing

RSS_FIELD = 1  # of statm, in pages
UTIME_FIELD = 14  # of stat, counted from 1, in ticks
STIME_FIELD = 15


class Cpu(typing.NamedTuple):
    total_ns: int
    user_ticks: int
    system_ticks: int

    def since(self, earlier):
        return Cpu(*(now - then for now, then in zip(self, earlier)))

    @property
    def user_ns(self):
        ticks = self.user_ticks + self.system_ticks
        return self.total_ns * self.user_ticks / ticks if ticks else 0.0

    @property
    def system_ns(self):
        return self.total_ns - self.user_ns


def _read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def tree(pid):
    """A process and its children: a server's master and workers."""
    return [pid] + [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


def cpu(pids):
    """What all threads of `pids` have spent so far; threads that ended count no more."""
    total_ns = user = system = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total_ns += int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[0])
        # The name, in parentheses, may hold blanks; the fields behind it start with the third.
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        user += int(fields[UTIME_FIELD - 3])
        system += int(fields[STIME_FIELD - 3])
    return Cpu(total_ns, user, system)


def rss_bytes(pids):
    pages = sum(int(_read(f"/proc/{pid}/statm").split()[RSS_FIELD]) for pid in pids)
    return pages * os.sysconf("SC_PAGESIZE")
