# SPDX-License-Identifier: MIT
"""Requests that break a rule of HTTP/1, each with its name."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HOST = b"Host: test\r\n"
GET = b"GET /test/params/a/b HTTP/1.1\r\n"
POST = b"POST /test/echo HTTP/1.1\r\n"
LENGTH = POST + HOST + b"Content-Length: "
CODING = POST + HOST + b"Transfer-Encoding: "
CHUNKS = CODING + b"chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def get(target=b"/test/params/a/b", version=b"HTTP/1.1", method=b"GET", fields=HOST):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


WRONG = (
    # The request line.
    ("an odd method", get(method=b"BREW")),
    ("a bad method", get(method=b"G@T")),
    ("CONNECT", get(b"a:1", method=b"CONNECT")),
    ("HTTP/2.0", get(version=b"HTTP/2.0")),
    ("HTTP/1.7", get(version=b"HTTP/1.7")),
    ("HTTP/0.9", b"GET /\r\n"),
    ("HTTP/0.9 with a version", get(version=b"HTTP/0.9")),
    ("RTSP", get(version=b"RTSP/1.0")),
    ("two blanks", get(b" /")),
    ("a fragment", get(b"/a#b")),
    ("no path", get(b"a")),
    ("a bad escape", get(b"/test/params/%zz/b")),
    ("a long target", get(b"/" + b"a" * 1100)),
    ("another line", b"HELO there\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9),
    ("the preface, late", PREFACE),
    ("a part of the preface", PREFACE[:17]),
    # Fields.
    ("no host", get(fields=b"")),
    ("two hosts", get(fields=HOST * 2)),
    ("a bad host", get(fields=b"Host: a b\r\n")),
    ("a folded field", get(fields=HOST + b"X: a\r\n b\r\n")),
    ("a blank before the colon", get(fields=b"Host : a\r\n")),
    ("a field without a colon", get(fields=HOST + b"nothing\r\n")),
    ("no name", get(fields=HOST + b": a\r\n")),
    ("an endless field", GET + HOST + b"X: " + b"a" * 9000),
    ("a NUL", get(fields=HOST + b"X: a\0b\r\n")),
    ("a bare CR", get(fields=HOST + b"X: a\rb\r\n")),
    ("bare LFs", get().replace(b"\r", b"")),
    ("a big head", get(fields=HOST + b"X: " + b"a" * 9000 + b"\r\n")),
    ("many fields", get(fields=HOST + b"X: a\r\n" * 60)),
    ("an unknown expectation", get(fields=HOST + b"Expect: 200-ok\r\n")),
    ("an upgrade", get(fields=HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n")),
    # How the body is framed.
    ("two lengths", LENGTH + b"3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("a bad length", LENGTH + b"3x\r\n\r\nabc"),
    ("a huge length", LENGTH + b"99999999999\r\n\r\n"),
    ("an endless length", LENGTH + b"99999999999999999999999\r\n\r\n"),
    ("an expectation, and no body", LENGTH + b"3\r\nExpect: 100-continue\r\n\r\n"),
    ("both framings", LENGTH + b"3\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST),
    ("an unknown coding", CODING + b"gzip\r\n\r\n"),
    ("another coding first", CODING + b"gzip, chunked\r\n\r\n" + LAST),
    ("chunks in HTTP/1.0", CHUNKS.replace(b"HTTP/1.1", b"HTTP/1.0") + LAST),
    ("a stream's route", CHUNKS.replace(b"echo", b"relay") + LAST),
    # Chunks.
    ("a bad chunk size", CHUNKS + b"xyz\r\n"),
    ("a chunk too long", CHUNKS + b"3\r\nabcdef\r\n" + LAST),
    ("a chunk without end", CHUNKS + b"3\r\nabc" + LAST),
    ("bare LFs in chunks", CHUNKS + b"3\nabc\n0\n\n"),
    ("a huge chunk", CHUNKS + b"fffffffffffffffff\r\n"),
    ("a big chunk", CHUNKS + b"20000\r\nab"),
    ("a long extension", CHUNKS + b"3;" + b"a" * 20000 + b"\r\nabc\r\n" + LAST),
    ("many extensions", CHUNKS + b"1;abcdefgh=abcdefgh\r\na\r\n" * 1500),
    ("many small chunks", CHUNKS + b"1\r\na\r\n" * 9000 + LAST),
    ("long trailers", CHUNKS + b"0\r\nX: " + b"a" * 20000 + b"\r\n\r\n"),
)
