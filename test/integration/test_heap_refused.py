# SPDX-License-Identifier: MIT
"""Servers that cannot sample memory: they say why, and serve everything else."""

import pytest

import heap

ERROR = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff",
         "x-go-pprof": "1"}
REASONS = [
    ("prof:false", "heap", "MALLOC_CONF has prof:false"),
    ("prof:false", "allocs", "MALLOC_CONF has prof:false"),
    ("prof:false", "delta_heap?debug=1", "MALLOC_CONF has prof:false"),
    ("prof_active:false", "heap", "MALLOC_CONF has prof_active:false"),
    ("prof_thread_active_init:false", "heap", "MALLOC_CONF has prof_thread_active_init:false"),
    ("prof_accum:false", "allocs", "MALLOC_CONF has prof_accum:false"),
] if heap.has_jemalloc() else [
    ("", "heap", "this build has its sanitizer's malloc"),
    ("", "allocs?seconds=1", "this build has its sanitizer's malloc"),
]


@pytest.mark.parametrize("conf,path,reason", REASONS)
def test_a_server_that_cannot_sample_says_why(start_server, conf, path, reason):
    server = start_server({"MALLOC_CONF": conf})
    answer = heap.ask(server, path)
    assert answer.status_code == 500, answer.text
    assert reason in answer.text
    assert {name: answer.headers[name] for name in ERROR} == ERROR
    assert heap.ask(server, "cmdline").status_code == 200
    heap.call(server, "/test/churn?count=1000&bytes=1000")
