# SPDX-License-Identifier: MIT
"""200 writers on one listing: the versions are consecutive, and no update is lost."""

import collections
import threading

from listings import PATCH_JSON, PATH, Api, decoded, if_match
from server import PATIENCE_S

WRITERS = 200


def test_of_two_hundred_one_wins(api):
    """All send at once what they made of the same version; so for some versions."""
    known = api.create()
    writers = [Api(api.server) for _ in range(WRITERS)]
    for _ in range(3):
        gate = threading.Barrier(WRITERS)
        answers = [None] * WRITERS

        def write(number):
            gate.wait(PATIENCE_S)
            answers[number] = writers[number].patch(known, {"price_cents": number})

        run_all([threading.Thread(target=write, args=(number,)) for number in range(WRITERS)])
        assert collections.Counter(answer.status for answer in answers) == {200: 1, 412: WRITERS - 1}
        [winner] = [number for number, answer in enumerate(answers) if answer.status == 200]
        won = decoded(answers[winner])
        assert (won["version"], won["price_cents"]) == (known["version"] + 1, winner)
        known = api.read(known["id"])
        assert known == won
    for writer in writers:
        writer.close()


def test_two_hundred_count_together(api):
    """Each adds one to what it read, again and again, until all have won 200 times together."""
    known = api.create(price_cents=0)
    path = f"{PATH}/{known['id']}"
    lock = threading.Lock()
    won, statuses, turn = [], collections.Counter(), threading.Semaphore(20)

    def is_enough():
        return len(won) >= WRITERS

    def write():
        with Api(api.server) as client:
            while not is_enough():
                # So many are between their read and their write at once; more would only lose more.
                with turn:
                    read = decoded(client.ask("GET", path))
                    answer = client.send("PATCH", path, {"price_cents": read["price_cents"] + 1},
                                         if_match(read), content_type=PATCH_JSON)
                with lock:
                    statuses[answer.status] += 1
                    if answer.status == 200:
                        won.append(decoded(answer))

    run_all([threading.Thread(target=write) for _ in range(WRITERS)])
    assert set(statuses) == {200, 412}
    versions = sorted(one["version"] for one in won)
    assert versions == list(range(2, 2 + len(won)))
    assert all(one["price_cents"] == one["version"] - 1 for one in won)
    final = api.read(known["id"])
    assert (final["version"], final["price_cents"]) == (len(won) + 1, len(won))


def run_all(threads):
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
