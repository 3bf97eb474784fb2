# SPDX-License-Identifier: MIT
"""Decodes profiles, and checks what `go tool pprof` and the scrapers rely on.

The messages come from profiling/write/profile.proto through protoc; that its field numbers are right shows
where Go's own profiles are decoded and where `go tool pprof` reads ours.
"""

import collections
import gzip
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PERIOD_NS = 10_000_000  # 100 Hz
LOOP_TICK_NS = 1_000_000  # libuv counts whole milliseconds, so a window may lack a part of one
LABEL_KEYS = {"route", "method", "rpc", "toq", "thread"}
NAMED_LABEL_KEYS = LABEL_KEYS | {"state", "bytes"}
LABEL_SETS_MAX = 1000
# Pyroscope takes a program for one in another language by the first string with one of these.
FOREIGN = re.compile(r"^(/usr/local/go/|java/|sun/|gems/|\./node_modules/|System\.|Microsoft\.)"
                     r"|(\.go|\.rb|\.js|\.py|main\.rs|core\.rs)$")
# What the sampling leaves on the stack of the thread that it interrupts.
MACHINERY = re.compile(r"on_sigprof|ring_push|restore_rt|killpg|sighandler")
# ThreadSanitizer runs the handler outside of the signal, so that the next one may find it at work.
HAS_MACHINERY = os.environ.get("TOQ_VARIANT") == "tsan"

# The allocator and what takes the stacks for it.
ALLOCATOR = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc|heap_hook.on_sample"
                       r"|backtrace_take|unwind_here)$|libjemalloc")
HEAP_TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"),
              ("inuse_objects", "count"), ("inuse_space", "bytes")]
HEAP_PERIOD_BYTES = 524288
CONTENTION_TYPES = [("contentions", "count"), ("delay", "nanoseconds")]

# What Pyroscope takes by default.
BYTES_MAX = 4 << 20
SAMPLES_MAX = 16_000
DEPTH_MAX = 1000

# What Go's profile of a name has: types, period type, period, default type.
Kind = collections.namedtuple("Kind", "types period_type period default")
KINDS = {
    "allocs": Kind(HEAP_TYPES, ("space", "bytes"), HEAP_PERIOD_BYTES, "alloc_space"),
    "block": Kind(CONTENTION_TYPES, ("contentions", "count"), 1, ""),
    "goroutine": Kind([("goroutine", "count")], ("goroutine", "count"), 1, ""),
    "goroutineleak": Kind([("goroutineleak", "count")], ("goroutineleak", "count"), 1, ""),
    "heap": Kind(HEAP_TYPES, ("space", "bytes"), HEAP_PERIOD_BYTES, ""),
    "mutex": Kind(CONTENTION_TYPES, ("contentions", "count"), 1, ""),
    "threadcreate": Kind([("threadcreate", "count")], ("threadcreate", "count"), 1, ""),
    # As fgprof, which samples at 99 Hz, writes it.
    "wall": Kind([("samples", "count"), ("time", "nanoseconds")], ("wallclock", "nanoseconds"),
                 10**9 // 99, ""),
}
for delta in ("heap", "mutex", "block"):
    KINDS["delta_" + delta] = KINDS[delta]

Frame = collections.namedtuple("Frame", "function file line address mapping")
Sample = collections.namedtuple("Sample", "frames values labels")


def load_messages():
    # In a folder of its own: tests that run side by side would read what others are writing.
    with tempfile.TemporaryDirectory(prefix="toq-protoc-") as folder:
        subprocess.run(["protoc", f"--python_out={folder}", "profiling/write/profile.proto"], cwd=ROOT,
                       check=True)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("profiling.write.profile_pb2")
        finally:
            sys.path.remove(folder)


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

    def total_of(self, function, value=1):
        """The CPU time of a function and all that it calls; value 0: how many samples."""
        return self.total(lambda sample: has_frame(sample, function), value)


def is_called(frame, function):
    """Whether a frame is of a function, which may be named without the file that it is local to."""
    return frame.function == function or frame.function.endswith("." + function)


def has_frame(sample, function):
    return any(is_called(frame, function) for frame in sample.frames)


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
        name, own_name = profile.text[function.name], profile.text[function.system_name]
        assert own_name and (name == own_name or name.endswith("." + own_name))


def assert_samples(profile, is_rooted=True, is_signed=False):
    """is_rooted: each sample has a location. Ours do; Go now and then writes one that has none.
    is_signed: what went away is below zero."""
    count = len(profile.message.sample_type)
    for sample in profile.message.sample:
        assert sample.location_id or not is_rooted
        assert all(1 <= one <= len(profile.message.location) for one in sample.location_id)
        assert len(sample.value) == count
        assert is_signed or all(value >= 0 for value in sample.value)
        assert any(sample.value)
        keys = [label.key for label in sample.label]
        assert 0 not in keys and len(set(keys)) == len(keys)
        assert all(bool(label.str) != bool(label.num) for label in sample.label)
    rows = [(tuple(s.location_id), tuple((l.key, l.str, l.num) for l in s.label))
            for s in profile.message.sample]
    assert len(set(rows)) == len(rows)  # equal stacks with equal labels are one sample


def is_named(frame):
    return frame.function[0] not in "[?" and not re.search(r"(^|\+)0x[0-9a-f]+$", frame.function)


def assert_flags(profile):
    """A mapping has_functions exactly when all of its frames have real names; `go tool pprof` then
    asks nobody else for them."""
    for mapping in profile.message.mapping:
        frames = [frame for one in profile.frames.values() for frame in one
                  if frame.mapping == mapping.id]
        assert mapping.has_functions == (bool(frames) and all(map(is_named, frames)))
        assert not mapping.has_filenames or all(frame.file for frame in frames)
        assert not mapping.has_line_numbers or all(frame.line for frame in frames)


def decode(body, is_signed=False):
    """Decodes a profile and checks the rules that all of toq's keep to."""
    profile = Profile(body)
    assert_tables(profile)
    assert_samples(profile, is_signed=is_signed)
    assert_flags(profile)
    return profile


def assert_common(profile):
    """What scrapers ask of all profiles."""
    message = profile.message
    assert [text for text in profile.text if FOREIGN.search(text)] == []
    assert "toq" in profile.text[message.mapping[0].filename]
    assert 1_600_000_000 < message.time_nanos / 1e9 < time.time() + 60
    assert not message.drop_frames and not message.keep_frames
    assert not any(profile.text[one].startswith("executableInfo=") for one in message.comment)
    assert message.ByteSize() < BYTES_MAX and len(message.sample) < SAMPLES_MAX
    label_sets = set()
    for sample in profile.samples:
        assert len(sample.frames) < DEPTH_MAX
        assert not any(key.startswith("pprof::") for key in sample.labels)
        label_sets.add(tuple(sorted((key, value) for key, value in sample.labels.items()
                                    if isinstance(value, str))))
    assert len(label_sets) <= LABEL_SETS_MAX


def assert_no_machinery(sample):
    assert HAS_MACHINERY or not any(MACHINERY.search(frame.function) for frame in sample.frames)


def assert_cpu(profile, seconds):
    """What only the CPU profile has."""
    message = profile.message
    assert_common(profile)
    assert profile.sample_types() == [("samples", "count"), ("cpu", "nanoseconds")]
    assert (profile.text[message.period_type.type], profile.text[message.period_type.unit]) == (
        "cpu", "nanoseconds")
    assert message.period == PERIOD_NS
    assert message.default_sample_type == 0
    assert message.duration_nanos >= seconds * 10**9 - LOOP_TICK_NS
    for sample in profile.samples:
        assert sample.values[1] == sample.values[0] * PERIOD_NS
        assert set(sample.labels) <= LABEL_KEYS
        assert "thread" in sample.labels or has_frame(sample, "lostProfileEvent")
        assert_no_machinery(sample)


def decode_cpu(body, seconds):
    """Decodes a CPU profile of a window of `seconds` and checks every rule that there is."""
    profile = decode(body)
    assert_cpu(profile, seconds)
    return profile


def assert_named(profile, name, seconds):
    """What the profile of a name has; seconds: of a difference, else 0."""
    message, kind = profile.message, KINDS[name]
    assert_common(profile)
    assert profile.sample_types() == kind.types
    assert (profile.text[message.period_type.type],
            profile.text[message.period_type.unit]) == kind.period_type
    assert message.period == kind.period
    assert profile.text[message.default_sample_type] == kind.default
    if seconds == 0:  # Parca takes anything else for a difference
        assert message.duration_nanos == 0
    else:
        assert message.duration_nanos >= seconds * 10**9 - LOOP_TICK_NS
    for sample in profile.samples:
        assert set(sample.labels) <= NAMED_LABEL_KEYS
        assert_no_machinery(sample)


def assert_heap(profile, is_moment):
    """What the profiles of memory have. is_moment: all values are those of one moment."""
    for sample in profile.samples:
        objects, space, used_objects, used_space = sample.values
        assert not is_moment or used_objects <= objects and used_space <= space
        assert set(sample.labels) <= {"route", "method", "rpc", "toq", "bytes"}
        assert sample.labels["bytes"] > 0
        assert not any(ALLOCATOR.search(frame.function) for frame in sample.frames)


def decode_named(body, name, seconds=0):
    """Decodes a profile of a name and checks every rule that there is."""
    profile = decode(body, is_signed=seconds > 0)
    assert_named(profile, name, seconds)
    if KINDS[name].types == HEAP_TYPES:
        assert_heap(profile, seconds == 0 and not name.startswith("delta_"))
    return profile
