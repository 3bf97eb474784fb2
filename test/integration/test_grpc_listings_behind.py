# SPDX-License-Identifier: MIT
"""WatchListings for clients that are far behind: fast ones, slow ones, and those that never read."""

import contextlib
import time

from http2_wire import DATA, END_STREAM, HEADERS, frame, window_update
from pprof_load import is_sanitized
from rpc import Peer, call_fields, message, scrape
from server import wait_until
from rpc_listings import POSITION, PROTO, Rpc, example
from streams import NO_DECAY, SANITIZED_BYTES, forget_peak, peak_bytes, queued_bytes

PATH = "/toq.v1.ListingService/WatchListings"
COUNT = 1000
MESSAGE_BYTES = 5500
LONG = "x" * 5000

# LISTINGS_SLOTS_MAX reads of LISTINGS_EVENTS_MAX listings and LISTINGS_ROWS_MAX rows of the log, which have less
# than 1 KiB each. What MySQL sends is in the connection's memory and in the call's.
READ_BYTES = 2 * (64 * MESSAGE_BYTES + 500 * 1024)
SLOTS = 16
CALL_BYTES = 32 << 10  # of a call with nothing in its queue


def fill(rpc, database):
    """Changes that were missed, and the position before them."""
    rpc.create(example())
    position = database.query("SELECT MAX(position) FROM listing_changes")[0][0]
    rpc.load(example(description=LONG, price_cents=n) for n in range(COUNT))
    return position


def open_watch(peer, stream, position):
    request = PROTO.WatchListingsRequest(position=position)
    peer.send(peer.headers(stream, call_fields(path=PATH), end=False),
              frame(DATA, END_STREAM, stream, message(request.SerializeToString())))


class Reader:
    """What the streams of a connection bring: {stream: responses}."""

    def __init__(self, peer):
        self.peer = peer
        self.rest = {}
        self.seen = {}

    def open(self, stream, position):
        open_watch(self.peer, stream, position)
        self.rest[stream] = b""
        self.seen[stream] = []

    def read(self):
        """The next frame."""
        one = self.peer.frame()
        assert one is not None
        if one.kind == DATA:
            data = self.rest[one.stream] + one.payload
            while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5], "big"):
                end = 5 + int.from_bytes(data[1:5], "big")
                self.seen[one.stream].append(PROTO.WatchListingsResponse.FromString(data[5:end]))
                data = data[end:]
            self.rest[one.stream] = data
        return one

    def await_answers(self):
        """Until each has begun to be answered: the log was read for it, and its window is full soon."""
        missing = set(self.seen)
        while missing:
            one = self.read()
            if one.kind == HEADERS:
                missing.remove(one.stream)

    def give_credit(self):
        self.peer.send(window_update(0, 1 << 30),
                       *(window_update(stream, 1 << 30) for stream in self.seen))


def prices(responses):
    return [one.listing.price_cents for one in responses if one.kind != POSITION]


def test_many_who_never_read_what_they_have_missed(database, start_server, server_binary):
    """They hold a queue each, and a few of them what was read for them; nobody else is kept from reading."""
    server = start_server({**database.variables, **NO_DECAY}, binary=server_binary)
    streams = range(1, 401, 2)
    with Rpc(server) as rpc, Peer(server) as peer:
        position = fill(rpc, database)
        forget_peak(server.pid)
        before = peak_bytes(server.pid)
        silent = Reader(peer)
        for stream in streams:
            silent.open(stream, position)
        silent.await_answers()
        with rpc.watch(position=position) as watch:
            assert [one.listing.price_cents for one in watch.live()] == list(range(COUNT))
        bound = len(streams) * (queued_bytes(MESSAGE_BYTES) + CALL_BYTES) + SLOTS * READ_BYTES
        if is_sanitized(server.binary):
            bound = 3 * bound + SANITIZED_BYTES
        assert peak_bytes(server.pid) - before < bound


def test_slow_ones_read_everything_once_they_read(database, start_server, server_binary):
    """More than may keep what was read for them: it is read again, and comes once."""
    server = start_server(database.variables, binary=server_binary)
    streams = range(1, 4 * SLOTS, 2)
    with Rpc(server) as rpc, Peer(server) as peer:
        position = fill(rpc, database) + COUNT - 300
        reader = Reader(peer)
        for stream in streams:
            reader.open(stream, position)
        reader.await_answers()
        reader.give_credit()
        for stream in streams:
            while prices(reader.seen[stream])[-1:] != [COUNT - 1]:
                reader.read()
        for stream in streams:
            assert prices(reader.seen[stream]) == list(range(COUNT - 300, COUNT))


def test_a_fast_one_has_nothing_read_twice(database, start_server, server_binary):
    """Beside more who never read than may keep what was read for them."""
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, Peer(server) as peer:
        position = fill(rpc, database)
        silent = Reader(peer)
        for stream in range(1, 4 * SLOTS, 2):
            silent.open(stream, position)
        silent.await_answers()
        before, start_s = queries(server), time.monotonic()
        for _ in range(5):
            with rpc.watch(position=position) as watch:
                assert [one.listing.price_cents for one in watch.live()] == list(range(COUNT))
        # its first question and the feed's; for 64 changes each the log and the listings
        expected = 5 * (2 + 2 * -(-COUNT // 64))
        polls = 2 + time.monotonic() - start_s  # of the feed, one in a second
        assert queries(server) - before <= expected + polls


def queries(server):
    return sum(value for series, value in scrape(server).items()
               if series.startswith("toq_sql_query_duration_seconds_count{"))


COPY = ("INSERT INTO listings SELECT %s,title,description,kind,purpose,price_cents,currency,"
        "street,neighborhood,city,state,postal_code,bedrooms,bathrooms,area_m2,status,1,"
        "created_at,updated_at FROM listings WHERE id=%s")


def test_trimming_stands_in_nobodys_way(database, start_server, server_binary):
    """It begins with the first who watches, and may find a log that somebody is writing to."""
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, contextlib.closing(database.mysql()) as connection:
        made = rpc.create(example())
        database.query("DELETE FROM listing_changes WHERE id<>%s", made.id)
        connection.begin()
        connection.cursor().execute(COPY, ("01a205b3-cc93-7fff-bfff-00000000beef", made.id))
        with rpc.watch() as watch:
            watch.live()
            before = queries(server)
            wait_until(lambda: queries(server) >= before + 2, "the feed to look again, after trimming")
            # a query that waits for a lock is given up after 30 s, and then all would go on
            rpc.call("CreateListing", PROTO.CreateListingRequest(listing=example()), timeout=20)
        connection.rollback()


def test_a_change_that_is_committed_behind_what_was_read(database, start_server, server_binary):
    """Between two reads for one who is behind, so that neither has it."""
    late = "01a205b3-cc93-7fff-bfff-00000000cafe"
    server = start_server(database.variables, binary=server_binary)
    with Rpc(server) as rpc, rpc.watch() as quick, Peer(server) as peer:
        quick.live()
        made = rpc.create(example())
        position = database.query("SELECT MAX(position) FROM listing_changes")[0][0]
        with contextlib.closing(database.mysql()) as connection:
            connection.begin()
            connection.cursor().execute(COPY, (late, made.id))
            rpc.load(example(description=LONG) for _ in range(200))
            reader = Reader(peer)
            reader.open(1, position)
            reader.await_answers()
            connection.commit()
        while quick.next().id != late:
            pass  # the feed has seen it then
        reader.give_credit()
        while not any(one.kind == POSITION for one in reader.seen[1]):
            reader.read()
        last = rpc.create(example())
        while reader.seen[1][-1].id != last.id:
            reader.read()
        assert late in [one.id for one in reader.seen[1]]
