# SPDX-License-Identifier: MIT
"""Decodes profiles, and checks what `go tool pprof` and the scrapers rely on.

The messages come from profiling/profile.proto through protoc; that its field numbers are right shows
where Go's own profiles are decoded and where `go tool pprof` reads ours.
"""

import collections
import gzip
import importlib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GENERATED = os.path.join(ROOT, "build", "python")
PERIOD_NS = 10_000_000  # 100 Hz
LOOP_TICK_NS = 1_000_000  # libuv counts whole milliseconds, so a window may lack a part of one
LABEL_KEYS = {"route", "method", "thread"}
# Pyroscope takes a program for one in another language by the first string with one of these.
FOREIGN = re.compile(r"^(/usr/local/go/|java/|sun/|gems/|\./node_modules/|System\.|Microsoft\.)"
                     r"|(\.go|\.rb|\.js|\.py|main\.rs|core\.rs)$")
# What the sampling leaves on the stack of the thread that it interrupts.
MACHINERY = re.compile(r"on_sigprof|ring_push|restore_rt|killpg|sighandler")

# The allocator and what takes the stacks for it.
ALLOCATOR = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc|on_sample"
                       r"|backtrace_take|unwind_here)$|libjemalloc")
HEAP_TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"),
              ("inuse_objects", "count"), ("inuse_space", "bytes")]
HEAP_PERIOD_BYTES = 524288

Frame = collections.namedtuple("Frame", "function file line address mapping")
Sample = collections.namedtuple("Sample", "frames values labels")


def generate(tool_options, proto):
    os.makedirs(GENERATED, exist_ok=True)
    subprocess.run(["protoc", *tool_options, proto], cwd=ROOT, check=True)


def load_messages():
    generate([f"--python_out={GENERATED}"], "profiling/profile.proto")
    sys.path.insert(0, GENERATED)
    try:
        return importlib.import_module("profiling.profile_pb2")
    finally:
        sys.path.remove(GENERATED)


MESSAGES = load_messages()


class Profile:
    """A decoded profile: `message` as it came, `samples` with texts in place of numbers."""

    def __init__(self, body):
        self.body = body
        self.message = MESSAGES.Profile.FromString(gzip.decompress(body))
        self.text = list(self.message.string_table)
        functions = {one.id: one for one in self.message.function}
        self.frames = {one.id: self._expand(one, functions) for one in self.message.location}
        self.samples = [self._resolve(one) for one in self.message.sample]

    def _expand(self, location, functions):
        """The frames of a location, the innermost inlined call first."""
        return [Frame(self.text[functions[line.function_id].name],
                      self.text[functions[line.function_id].filename], line.line,
                      location.address, location.mapping_id)
                for line in location.line]

    def _resolve(self, sample):
        frames = [frame for number in sample.location_id for frame in self.frames[number]]
        labels = {self.text[label.key]: self.text[label.str] or label.num
                  for label in sample.label}
        return Sample(frames, list(sample.value), labels)

    def sample_types(self):
        return [(self.text[one.type], self.text[one.unit]) for one in self.message.sample_type]

    def total(self, wanted=lambda sample: True, value=1):
        """The sum of one value, by default CPU nanoseconds, over the samples that are wanted."""
        return sum(sample.values[value] for sample in self.samples if wanted(sample))

    def total_of(self, function):
        """The CPU time of a function and all that it calls."""
        return self.total(lambda sample: has_frame(sample, function))


def has_frame(sample, function):
    return any(frame.function == function for frame in sample.frames)


def assert_numbered(items):
    """Parca refuses ids that are not 1..n in order."""
    assert [one.id for one in items] == list(range(1, len(items) + 1))


def assert_tables(profile):
    """Ids, references and texts, as every reader needs them."""
    message = profile.message
    assert profile.text[0] == ""
    assert len(set(profile.text)) == len(profile.text)
    for items in (message.mapping, message.location, message.function):
        assert_numbered(items)
    addresses = [one.address for one in message.location]
    assert 0 not in addresses
    assert len(set(addresses)) == len(addresses)
    for location in message.location:
        assert location.line
        assert all(1 <= line.function_id <= len(message.function) for line in location.line)
        assert 0 <= location.mapping_id <= len(message.mapping)
        if location.mapping_id:
            mapping = message.mapping[location.mapping_id - 1]
            assert mapping.memory_start <= location.address < mapping.memory_limit
    for function in message.function:
        assert profile.text[function.name] and function.system_name == function.name


def assert_samples(profile, is_rooted=True):
    """is_rooted: each sample has a location. Ours do; Go now and then writes one that has none."""
    count = len(profile.message.sample_type)
    for sample in profile.message.sample:
        assert sample.location_id or not is_rooted
        assert all(1 <= one <= len(profile.message.location) for one in sample.location_id)
        assert len(sample.value) == count
        assert all(value >= 0 for value in sample.value) and any(sample.value)
        keys = [label.key for label in sample.label]
        assert 0 not in keys and len(set(keys)) == len(keys)
        assert all(bool(label.str) != bool(label.num) for label in sample.label)
    rows = [(tuple(s.location_id), tuple((l.key, l.str, l.num) for l in s.label))
            for s in profile.message.sample]
    assert len(set(rows)) == len(rows)  # equal stacks with equal labels are one sample


def is_named(frame):
    return frame.function[0] not in "[?" and not frame.function.startswith("0x")


def assert_flags(profile):
    """A mapping has_functions exactly when all of its frames have real names; `go tool pprof` then
    asks nobody else for them."""
    for mapping in profile.message.mapping:
        frames = [frame for one in profile.frames.values() for frame in one
                  if frame.mapping == mapping.id]
        assert mapping.has_functions == (bool(frames) and all(map(is_named, frames)))
        assert not mapping.has_filenames or all(frame.file for frame in frames)
        assert not mapping.has_line_numbers or all(frame.line for frame in frames)


def assert_cpu(profile, seconds):
    """What only the CPU profile has."""
    message = profile.message
    assert [text for text in profile.text if FOREIGN.search(text)] == []
    assert profile.sample_types() == [("samples", "count"), ("cpu", "nanoseconds")]
    assert (profile.text[message.period_type.type], profile.text[message.period_type.unit]) == (
        "cpu", "nanoseconds")
    assert message.period == PERIOD_NS
    assert message.default_sample_type == 0
    assert message.time_nanos > 1_600_000_000 * 10**9
    assert message.duration_nanos >= seconds * 10**9 - LOOP_TICK_NS
    for sample in profile.samples:
        assert sample.values[1] == sample.values[0] * PERIOD_NS
        assert set(sample.labels) <= LABEL_KEYS and "thread" in sample.labels
        assert not any(MACHINERY.search(frame.function) for frame in sample.frames)


def decode_cpu(body, seconds):
    """Decodes a CPU profile of a window of `seconds` and checks every rule that there is."""
    profile = Profile(body)
    assert_tables(profile)
    assert_samples(profile)
    assert_flags(profile)
    assert_cpu(profile, seconds)
    return profile


def assert_moment(profile):
    """What all profiles of a moment have: scrapers take one with a duration for a difference."""
    message = profile.message
    assert message.time_nanos > 1_600_000_000 * 10**9
    assert message.duration_nanos == 0
    assert [text for text in profile.text if FOREIGN.search(text)] == []


def assert_heap(profile):
    """What the profiles of memory have."""
    message = profile.message
    assert profile.sample_types() == HEAP_TYPES
    assert (profile.text[message.period_type.type], profile.text[message.period_type.unit]) == (
        "space", "bytes")
    assert message.period == HEAP_PERIOD_BYTES
    for sample in profile.samples:
        objects, space, used_objects, used_space = sample.values
        assert used_objects <= objects and used_space <= space
        assert set(sample.labels) <= {"route", "method", "bytes"}
        assert sample.labels["bytes"] > 0
        assert not any(ALLOCATOR.search(frame.function) for frame in sample.frames)


def decode_heap(body):
    """Decodes a profile of memory of a moment and checks every rule that there is."""
    profile = Profile(body)
    assert_tables(profile)
    assert_samples(profile)
    assert_flags(profile)
    assert_moment(profile)
    assert_heap(profile)
    return profile
