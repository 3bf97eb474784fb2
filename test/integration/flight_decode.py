# SPDX-License-Identifier: MIT
"""Decodes a Perfetto trace by its numbers of fields, and checks what readers silently lose data for.

Source: google/perfetto protos/perfetto/trace; the rules are those of its trace_processor.
"""

import collections
import struct

PACKET = 1
SNAPSHOT, TIMESTAMP, SEQUENCE_ID, TRACK_EVENT, INTERNED, FLAGS, DEFAULTS, DESCRIPTOR = 6, 8, 10, 11, 12, 13, 59, 60
CLEARED, NEEDS = 1, 2
BEGIN, END, INSTANT = 1, 2, 3
REALTIME, MONOTONIC = 1, 3

# One slice: `children` are nested in it. One instant: `stack` has functions, the outermost first.
Slice = collections.namedtuple("Slice", "name track begin_ns end_ns depth flows ended_flows notes")
Instant = collections.namedtuple("Instant", "name track at_ns notes stack")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Number and value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value = struct.unpack_from("<Q", data, at)[0]
            at += 8
        else:
            assert kind == 2, f"wire type {kind}"
            length, at = varint(data, at)
            value = data[at:at + length]
            at += length
            assert at <= len(data), "a field ends behind its message"
        yield tag >> 3, value


def message(data):
    """A message as its numbers of fields with the values of each."""
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


class Trace:
    """A decoded trace. `slices` and `instants` are by time, `tracks` maps a track to its name and parent."""

    def __init__(self, data):
        self.tracks, self.slices, self.instants = {}, [], []
        self.names, self.functions, self.frames, self.stacks = {}, {}, {}, {}
        self.threads = {}
        self._events = []
        self._is_cleared = False
        for number, packet in fields(data):
            assert number == PACKET
            self._read_packet(message(packet))
        self._pair()

    def _read_packet(self, packet):
        [sequence] = packet[SEQUENCE_ID]  # without one an event is dropped
        flags = packet[FLAGS][0] if packet[FLAGS] else 0
        assert sequence == 1
        if flags & CLEARED:
            assert not self._is_cleared and packet[SNAPSHOT] and packet[DEFAULTS]
            self._is_cleared = True
            self._read_clocks(message(packet[SNAPSHOT][0]))
            assert message(packet[DEFAULTS][0])[58] == [MONOTONIC]
        assert self._is_cleared, "a packet before the first state"
        for descriptor in packet[DESCRIPTOR]:
            self._read_track(message(descriptor))
        for interned in packet[INTERNED]:
            assert flags & NEEDS
            self._read_interned(message(interned))
        if packet[TRACK_EVENT]:
            assert flags & NEEDS
            self._events.append((packet[TIMESTAMP][0], len(self._events), message(packet[TRACK_EVENT][0])))

    def _read_clocks(self, snapshot):
        clocks = {one[1][0]: one[2][0] for one in map(message, snapshot[1])}
        assert snapshot[2] == [MONOTONIC] and {REALTIME, MONOTONIC} <= set(clocks)
        self.now_ns, self.wall_ns = clocks[MONOTONIC], clocks[REALTIME]

    def _read_track(self, track):
        [uuid] = track[1]
        assert uuid not in self.tracks, "a track is described twice"
        parent = track[5][0] if track[5] else None
        assert parent is None or parent in self.tracks, "events below an undescribed parent vanish"
        name = track[2][0].decode() if track[2] else None
        if track[4]:
            thread = message(track[4][0])
            name = thread[5][0].decode()
            self.threads[uuid] = thread[2][0]
        self.tracks[uuid] = (name, parent)

    def _read_interned(self, interned):
        for table, number in ((self.names, 2), (self.functions, 5)):
            for entry in map(message, interned[number]):
                assert entry[1][0] > 0 and entry[1][0] not in table
                table[entry[1][0]] = entry[2][0].decode()
        for entry in map(message, interned[6]):
            self.frames[entry[1][0]] = self.functions[entry[2][0]]
        for entry in map(message, interned[7]):
            self.stacks[entry[1][0]] = [self.frames[frame] for frame in entry[2]]

    @staticmethod
    def _notes(event):
        notes = {}
        for one in map(message, event[4]):
            notes[one[10][0].decode()] = one[3][0] if one[3] else one[6][0].decode()
        return notes

    def _pair(self):
        """Pairs begins and ends as readers do: an end closes what its track opened last."""
        opened = collections.defaultdict(list)
        for at_ns, _, event in sorted(self._events, key=lambda one: one[:2]):
            [kind], [track] = event[9], event[11]
            assert track in self.tracks, "an event on an undescribed track"
            if kind == END:
                assert opened[track], "an end of nothing is ignored"
                begun = opened[track].pop()
                self.slices.append(begun._replace(end_ns=at_ns))
                continue
            name = self.names[event[10][0]]
            if kind == BEGIN:
                opened[track].append(Slice(name, track, at_ns, None, len(opened[track]), event[47], event[48],
                                           self._notes(event)))
            else:
                assert kind == INSTANT
                stack = self.stacks[event[56][0]] if event[56] else []
                self.instants.append(Instant(name, track, at_ns, self._notes(event), stack))
        assert not any(opened.values()), "a slice is never closed"
        self.slices.sort(key=lambda one: (one.begin_ns, one.depth))

    # --- questions

    def parent_name(self, track):
        parent = self.tracks[track][1]
        return self.tracks[parent][0] if parent is not None else None

    def requests(self, loop="work"):
        """The slices of whole requests of a loop."""
        wanted = "requests of the work loop" if loop == "work" else "requests of the diagnostics' loop"
        return [one for one in self.slices if one.depth == 0 and self.parent_name(one.track) == wanted]

    def waits(self, request):
        """What a request waited for."""
        return [one for one in self.slices if one.track == request.track and one.depth == 1
                and request.begin_ns <= one.begin_ns and one.end_ns <= request.end_ns]

    def callbacks(self, identity):
        return [one for one in self.slices if one.track in self.threads and one.notes.get("id") == identity]


def check(trace):
    """What holds for every trace of toq's."""
    for request in trace.requests() + trace.requests("diag"):
        assert request.notes["id"] > 0
    for one in trace.slices:
        assert one.depth <= 1 or one.track in trace.threads, f"{one.name} is nested too deep"
        assert one.end_ns >= one.begin_ns
    begun = {flow: one for one in trace.slices for flow in one.flows}
    for one in trace.slices:
        for flow in one.ended_flows:
            wait = begun.get(flow)
            assert wait is None or wait.begin_ns <= one.begin_ns, "an arrow that leads back"
    for sample in trace.instants:
        if sample.name == "cpu":
            assert sample.stack, "a sample without a stack"
            if sample.track not in trace.threads:
                assert any(one.track == sample.track and one.begin_ns <= sample.at_ns <= one.end_ns
                           for one in trace.slices), "a sample outside of its request"
    return trace
