#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which lines of each parser the corpus of its fuzzer reaches, by gcov.

usage: coverage.py [FUZZER ...]

Builds the replays into build/cov/, runs each on its corpus, and prints a table. Exit code: 1 when a
parser is below LEAST_PCT. A fuzzer that no longer reaches what it was written for finds nothing, and looks well.
"""

import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = "build/cov"
LEAST_PCT = 85

# What each fuzzer is for: sources; of those that do more than parse, the functions that parse.
PARSERS = {
    "baggage": {"core/telemetry/baggage.c": ()},
    "config": {
        "config/envfile.c": (),
        "config/config_value.c": ("config_value_check", "store_bool", "store_choice", "store_list", "store_number",
                                  "store_text", "has_only", "trim"),
        "config/config_host.c": ("config_host_parse",),
        "config/config.c": ("parse_layer", "add_entry", "config_parse_file", "refuse_name", "refuse_value")},
    "export_text": {"core/export/export_text.c": ()},
    "grpc_frame": {
        "core/grpc/grpc_frame.c": ("grpc_reader_next", "take_prefix", "cut", "grpc_reader_keep"),
        "core/grpc/grpc_gzip.c": ("grpc_gzip_inflate", "set_input", "set_output")},
    "grpc_json": {f"core/grpc/grpc_json_{part}.c": () for part in ("read", "scalar", "time", "write")},
    "grpc_metadata": {"core/grpc/grpc_codec.c": (), "core/base/base64.c": ()},
    "heap_dump": {"profiling/heap/heap_dump.c": ()},
    "http1": {"core/http1/http1_head.c": (), "core/http1/http1_body.c": ()},
    "http2": {"core/http2/http2_head.c": (), "core/http2/http2_session.c": (), "core/http2/http2_guard.c": (),
              "core/http2/http2_flow.c": ()},
    "listing": {
        "handlers/listings/model/listing.c": ("listing_from_json", "complete", "read_member", "read_value", "read_text",
                                              "add_unknown", "listing_check", "check_choice", "check_text",
                                              "has_control", "is_postal_code")},
    "listing_patch": {"handlers/listings/model/listing.c": (), "core/base/json.c": ()},
    "listing_stored": {"handlers/listings/model/listing_stored.c": ()},
    "listings_query": {"handlers/listings/model/listings_query.c": (), "handlers/listings/model/listings_cursor.c": ()},
    "maps": {
        "profiling/code/maps_text.c": (),
        "profiling/code/maps.c": ("maps_parse", "parse_lines", "cut_line", "end_run", "add_exec")},
    "maps_image": {"profiling/code/maps_image.c": ()},
    "negotiate": {
        "core/http/accept.c": (), "core/http/parameter.c": (),
        "handlers/kit/etag.c": ("etag_compare", "etag_is_one", "read_tag", "is_tag_char", "skip_separator")},
    "otlp_answer": {
        "core/export/otlp.c": ("otlp_read_answer", "copy_message"),
        "core/export/receiver.c": ("receiver_retry_after_ms",)},
    "redis_reader": {"core/redis/redis_reader.c": (), "core/redis/redis_reply.c": ()},
    "router": {"core/http/router.c": ("router_match", "find_node", "split_path", "with_implied")},
    "target": {"core/http/target.c": ()},
    "texts": {
        "core/base/duration.c": (), "core/base/utf8.c": (), "core/http/host.c": (),
        "handlers/kit/uuid.c": ("uuid_parse", "uuid_format")},
    "trace": {"core/telemetry/trace.c": ()},
}


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, check=True, **options)


def build(fuzzers):
    run(["make", "-s", f"B={BUILT}", "VARIANT=debug", "OPTIMIZE=-O0", "SANITIZE=--coverage",
         *(f"{BUILT}/replay/fuzz_{name}" for name in fuzzers)])


def replay(fuzzer):
    for counts in glob.glob(f"{ROOT}/{BUILT}/**/*.gcda", recursive=True):
        os.unlink(counts)
    seeds = sorted(glob.glob(f"test/fuzz/corpus/{fuzzer}/*", root_dir=ROOT))
    run([f"{BUILT}/replay/fuzz_{fuzzer}", *seeds], stdout=subprocess.DEVNULL)


def lines_of(source):
    """The lines of a source's own: (function, whether the corpus reaches it)."""
    counts = os.path.join(ROOT, BUILT, source[:-len(".c")] + ".gcda")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", counts], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        [report] = glob.glob(folder + "/*.gcov.json.gz")
        with gzip.open(report, "rt") as file:
            files = json.load(file)["files"]
    return [(line.get("function_name"), line["count"] > 0) for one in files
            if os.path.relpath(one["file"], ROOT) == source for line in one["lines"]]


def measure(source, functions):
    """(lines reached, lines) of a source, or of some of its functions."""
    lines = lines_of(source)
    missing = set(functions) - {function for function, _ in lines}
    assert not missing, f"{source} has no {', '.join(sorted(missing))}"
    wanted = [is_reached for function, is_reached in lines if not functions or function in functions]
    return sum(wanted), len(wanted)


def main():
    fuzzers = sys.argv[1:] or list(PARSERS)
    build(fuzzers)
    is_short = False
    for fuzzer in fuzzers:
        replay(fuzzer)
        for source, functions in PARSERS[fuzzer].items():
            reached, count = measure(source, functions)
            is_less = 100 * reached < LEAST_PCT * count
            is_short = is_short or is_less
            print(f"{100 * reached / count:6.1f} % of {count:4} lines  {fuzzer:15} {source}"
                  f"{' (' + ', '.join(functions) + ')' if functions else ''}{'  TOO FEW' if is_less else ''}",
                  flush=True)
    sys.exit(1 if is_short else 0)


if __name__ == "__main__":
    main()
