# SPDX-License-Identifier: MIT
"""The listings over gRPC as a client uses them, and what their errors have in common."""

import queue
import threading

import grpc

from listings import EXAMPLE
from rpc import OPTIONS, STATUS, Stub, module
from server import PATIENCE_S

PROTO = module("toq/v1/listings.proto")
DETAILS = module("google/rpc/error_details.proto")
Listing = PROTO.Listing
KIND = PROTO.WatchListingsResponse.Kind
POSITION = PROTO.WatchListingsResponse.POSITION
NO_ID = "01a205b3-cc93-7fff-bfff-0123456789ab"


def example(**changes):
    """A listing with all its fields; None leaves one out."""
    fields = {**EXAMPLE, **changes}
    return Listing(**{name: value for name, value in fields.items() if value is not None})


def as_json(listing):
    """A message as HTTP's JSON has it."""
    found = {"id": listing.id, "version": listing.version}
    found.update((name, getattr(listing, name)) for name in EXAMPLE)
    for name in ("created_at", "updated_at"):
        time = getattr(listing, name)
        assert time.nanos % 1000 == 0
        found[name] = f"{time.ToDatetime():%Y-%m-%dT%H:%M:%S.%f}Z"
    return found


class Rpc:
    """A client with one connection: rpc.get(ID), rpc.create(listing, key=...)."""

    def __init__(self, server, token=None):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}", options=OPTIONS)
        self.stub = Stub(self.channel, PROTO.DESCRIPTOR.services_by_name["ListingService"])
        self.metadata = [("authorization", f"Bearer {token}")] if token else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, method, request, *metadata, **options):
        return getattr(self.stub, method)(request, metadata=[*self.metadata, *metadata],
                                          **{"timeout": PATIENCE_S, **options})

    def get(self, listing_id):
        return self.call("GetListing", PROTO.GetListingRequest(id=listing_id))

    def list(self, **fields):
        return self.call("ListListings", PROTO.ListListingsRequest(**fields))

    def create(self, listing, *metadata, key=""):
        return self.call("CreateListing",
                         PROTO.CreateListingRequest(listing=listing, idempotency_key=key), *metadata)

    def update(self, known, *mask, **changes):
        """Changes a listing that is known; a value of None takes one away."""
        wanted = Listing(id=known.id, version=known.version,
                         **{name: value for name, value in changes.items() if value is not None})
        request = PROTO.UpdateListingRequest(listing=wanted)
        request.update_mask.paths.extend(mask)
        return self.call("UpdateListing", request)

    def delete(self, listing_id, version=0):
        return self.call("DeleteListing", PROTO.DeleteListingRequest(id=listing_id, version=version))

    def load(self, rows, **options):
        """ImportListings: `import` is Python's."""
        requests = (PROTO.ImportListingsRequest(listing=row) for row in rows)
        return self.call("ImportListings", requests, **options)

    def sync(self, known):
        """{id: what it is now, or None} of what differs from `known`, pairs of id and version."""
        requests = (PROTO.SyncListingsRequest(id=one, version=version) for one, version in known)
        return {one.id: one.listing if one.HasField("listing") else None
                for one in self.call("SyncListings", requests)}

    def watch(self, **fields):
        """A stream of changes, which ends with its channel, or by `with`."""
        return Watch(self.stub.WatchListings(PROTO.WatchListingsRequest(**fields),
                                             metadata=self.metadata))


class Watch:
    """A stream of changes that a thread reads, so that the test may wait for each."""

    def __init__(self, call):
        self.call = call
        self.seen = queue.Queue()
        self.position = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            for one in self.call:
                self.seen.put(one)
        except grpc.RpcError:
            pass
        self.seen.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call.cancel()
        self.reader.join(PATIENCE_S)

    def next(self):
        """The next response; None at the end."""
        one = self.seen.get(timeout=PATIENCE_S)
        if one is not None:
            assert self.position is None or one.position >= self.position
            self.position = one.position
        return one

    def live(self):
        """Waits until it is; what it brought before."""
        missed = []
        while True:
            one = self.next()
            assert one is not None, self.call.code()
            if one.kind == POSITION:
                return missed
            missed.append(one)

    def change(self):
        """The next change as (kind, id, version)."""
        one = self.next()
        return KIND.Name(one.kind), one.id, one.version


def violations(error):
    """What an error's details say of fields: {field: message}."""
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = STATUS.Status.FromString(packed)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    assert [one.type_url for one in status.details] == ["type.googleapis.com/google.rpc.BadRequest"]
    bad = DETAILS.BadRequest.FromString(status.details[0].value)
    return {one.field: one.description for one in bad.field_violations}
