#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Is any answer of the listings older than docs/listings.md promises? See test/integration/stale.py.

test/bench/stale.py [--server FILE] [--seconds N] [HARM ...] - each harm for a minute.
"""

import argparse
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True

import stale
from listings import migrate
from services import Services


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="build/release/toq_server")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("harms", nargs="*", default=list(stale.HARMS))
    options = parser.parse_args()
    is_bad = False
    with tempfile.TemporaryDirectory(prefix="toq-stale-") as folder:
        services = Services(folder)
        try:
            services.up()
            assert migrate(options.server, services.variables).returncode == 0
            for harm in options.harms:
                outcome = stale.run(services, options.server, harm, options.seconds)
                print(f"{harm}: {len(outcome.wrong)} too old of {outcome.reads} listings and "
                      f"{outcome.pages} pages; {outcome.hits} hits, {outcome.writes} writes, "
                      f"{outcome.refused} refused", flush=True)
                for one in outcome.wrong[:5]:
                    print("   ", one)
                is_bad = is_bad or bool(outcome.wrong)
        finally:
            services.down()
    return is_bad


sys.exit(main())
