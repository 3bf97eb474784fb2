#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""1 GiB through a stream of each kind of gRPC with a slow reader: how much memory the server takes.

usage: grpc_stream.py [--server FILE] [--mib N]

Not a part of `make bench`: run it by itself, after `make bench` or `make build/release/toq_test_server`.
Exit code: 1 when the server's memory grew by more than 16 MiB while a stream ran.
"""

import argparse
import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "test", "integration"))
import server as toq_server
import streams
from rpc import Client

GROWTH_BYTES = 16 << 20
WARM_MIB = 64
MIB = 1 << 20


def main():
    parser = argparse.ArgumentParser(description="Long streams of gRPC with a slow reader.")
    parser.add_argument("--server",
                        default=os.path.join(ROOT, "build", "release", "toq_test_server"))
    parser.add_argument("--mib", type=int, default=1024, help="length of each stream")
    args = parser.parse_args()
    is_flat = True
    server = toq_server.start(args.server)
    try:
        print(f"{'stream':<8}{'MiB':>6}{'s':>7}{'RSS before, MiB':>17}{'at most, MiB':>14}{'more':>7}")
        for kind in streams.KINDS:
            with Client(server) as client:
                start_s = time.monotonic()
                count = args.mib * MIB // streams.MESSAGE_BYTES
                before, most = streams.run(server, client, kind, WARM_MIB, count)
            print(f"{kind:<8}{args.mib:>6}{time.monotonic() - start_s:>7.1f}{before / MIB:>17.1f}"
                  f"{most / MIB:>14.1f}{(most - before) / MIB:>7.1f}", flush=True)
            is_flat = is_flat and most - before < GROWTH_BYTES
    finally:
        server.close()
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
