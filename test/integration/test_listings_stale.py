# SPDX-License-Identifier: MIT
"""No answer is older than docs/listings.md promises, while Redis' replies are late and Redis itself is harmed.

test/bench/stale.py does the same for a minute each.
"""

import pytest

import stale

SECONDS = 5


@pytest.mark.parametrize("harm", stale.HARMS)
def test_nothing_is_older_than_promised(database, server_binary, harm):
    outcome = stale.run(database, server_binary, harm, SECONDS)
    assert outcome.wrong == []
    assert outcome.writes > 0 and outcome.reads > 0 and outcome.pages > 0
