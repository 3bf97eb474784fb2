# SPDX-License-Identifier: MIT
"""What the driver asks an HTTP server for, and what may be answered.

Every answer that can carries the ask's own mark, so that one that belongs to somebody else is seen.
"""

import json

# Statuses that any request may have: it came too slowly, or the server ran out of time for it.
SLOW = (408, 503)
BODY_MAX_BYTES = 131072  # of a request, for the driver's server


class Ask:
    """A request. `check` is given the body of an answer with a status in `wanted`."""

    def __init__(self, name, method, target, body=None, fields=(), wanted=(200,), check=None,
                 is_stream=False, may_reset=False):
        self.name, self.method, self.target, self.body = name, method, target, body
        self.fields, self.wanted, self.check = list(fields), wanted, check
        self.is_stream = is_stream  # ROUTE_STREAM: HTTP/2 alone
        self.may_reset = may_reset  # the server breaks it off

    def fault(self, status, body, fields):
        """What is wrong with a whole answer; None when nothing is."""
        if status not in self.wanted and status not in SLOW:
            return f"{self.name}: status {status}, wanted {self.wanted}"
        if self.method == "HEAD":
            return f"{self.name}: HEAD with a body" if body else None
        if status in self.wanted and status < 300 and self.check and not self.check(body, fields):
            return f"{self.name} {self.target}: got {body[:80]!r} {fields}"
        return None


def mark(random):
    return f"m{random.getrandbits(40):010x}"


def letter(random):
    return chr(random.randrange(ord("a"), ord("z") + 1))


def some_bytes(random, most):
    """Few or many, and around the sizes of frames and windows."""
    size = random.choice((0, 1, 10, 100, 1000, 9000, 16384, 16385, 40000, 65535, 65536, 131072))
    return bytes([random.randrange(97, 123)]) * min(size, most)


def params(random):
    own = mark(random)
    return Ask("params", random.choice(("GET", "GET", "GET", "HEAD")), f"/test/params/{own}/b",
               check=lambda body, _: own.encode() in body)


def header(random):
    own = mark(random)
    return Ask("header", random.choice(("GET", "HEAD")), f"/test/header?value={own}",
               check=lambda _, fields: fields.get("x-test") == own)


def sleep(random):
    ms = random.choice((0, 1, 5, 20, 100, 1600))
    return Ask("sleep", "GET", f"/test/sleep?ms={ms}", check=lambda body, _: body == b"slept\n")


def stubborn(random):
    ms = random.choice((0, 1, 5, 20, 100, 300, 1600))
    return Ask("stubborn", "GET", f"/test/stubborn?ms={ms}", check=lambda body, _: body == b"slept\n")


def stream(random):
    size = random.choice((0, 1, 16384, 50000, 300000, 3000000))
    return Ask("stream", random.choice(("GET", "GET", "HEAD")), f"/test/stream?bytes={size}",
               check=lambda body, _: len(body) == size)


def _drip(random):
    count, size = random.choice((1, 2, 5, 30)), random.choice((0, 1, 100, 5000, 20000, 65536))
    own = letter(random)
    late = random.choice((0, 0, 1, 20, 200))
    target = (f"/test/drip?count={count}&bytes={size}&ms={random.choice((1, 1, 5, 60))}"
              f"&mark={own}&late={late}")
    return target, own.encode() * (count * size)


def drip(random):
    target, expected = _drip(random)
    # Its handler does not look for room: beside others that nobody reads, it is broken off.
    return Ask("drip", random.choice(("GET", "GET", "GET", "HEAD")), target, may_reset=True,
               check=lambda body, _: body == expected)


def drip_up(random):
    """Both directions at once, each at its own pace."""
    target, expected = _drip(random)
    return Ask("drip up", "POST", target, body=some_bytes(random, 1 << 20) * 3,
               check=lambda body, fields: body == expected and fields.get("x-drip") == "done",
               is_stream=True, may_reset=True)


def echo(random):
    body = mark(random).encode() + some_bytes(random, BODY_MAX_BYTES - 1)
    expect = (("expect", "100-continue"),) if random.random() < 0.1 else ()
    return Ask("echo", "POST", "/test/echo", body=body, fields=expect,
               wanted=(200,) if len(body) <= BODY_MAX_BYTES else (413,), check=lambda got, _: got == body)


def too_much(random):
    return Ask("too much", "POST", "/test/echo", body=b"x" * random.choice((BODY_MAX_BYTES + 1, 200000)),
               wanted=(413,), may_reset=True)


def relay(random):
    body = mark(random).encode() + some_bytes(random, 1 << 20) * random.choice((1, 4))
    # Less than all when its deadline has passed.
    return Ask("relay", "POST", "/test/relay", body=body, is_stream=True, may_reset=True,
               check=lambda got, fields: body.startswith(got) and fields.get("x-bytes") == str(len(got)))


def hold(random):
    return Ask("hold", "POST", "/test/hold", body=some_bytes(random, 65535), is_stream=True,
               check=lambda body, _: body == b"held\n")


def reset(random):
    return Ask("reset", "POST", f"/test/reset?code={random.choice((2, 7, 8))}",
               body=some_bytes(random, 20000), is_stream=True, may_reset=True)


def early(random):
    status = random.choice((200, 200, 400))
    return Ask("early", "POST", f"/test/early?status={status}", body=some_bytes(random, 65535) * 2,
               wanted=(status,), is_stream=True, may_reset=True,
               check=lambda body, _: body == b"early\n")


def missing(random):
    return Ask("missing", random.choice(("GET", "POST", "PUT", "DELETE")), "/test/none",
               body=some_bytes(random, 65535) if random.random() < 0.3 else None, wanted=(404,),
               may_reset=True)


def not_allowed(random):
    return Ask("not allowed", random.choice(("PUT", "PATCH", "DELETE")), "/test/echo", wanted=(405,))


def options(random):
    return Ask("options", "OPTIONS", random.choice(("*", "/test/echo", "/test/drip")), wanted=(204,))


KINDS = {"int32_value": -5, "int64_value": "-9223372036854775808", "uint32_value": 7, "uint64_value": "1",
         "sint32_value": -1, "fixed64_value": "7", "float_value": 0.5, "double_value": "NaN", "bool_value": True,
         "bytes_value": "AAEC/w==", "colour": "BLUE", "time": "2026-12-01T15:04:05.5Z", "number": "3",
         "inner": {"name": "a", "again": {"inner": {"number": 1}}}, "texts": ["", "\u00e9"], "numbers": [1, 2],
         "longs": [-1], "inners": [{}, {"name": "b"}], "flags": [True, False], "reals": [1e99, -0.0, 0.1]}
NO_KINDS = ('{"int32_value":2147483648}', '{"colour":"PINK"}', '{"inner":[]}', '{"texts":[null]}', '{"none":1}',
            '{"time":"yesterday"}', '{"bytes_value":"="}', '{"flags":["yes"]}', '{"inners":[{"number":-1}]}',
            '{"word":"a","number":1}', '{"uint32_value":1,"uint32_value":1}', '{"texts":["', "[]")


def kinds(random):
    """A method of gRPC by its route: a message of some fields, which comes back, or none."""
    own = mark(random)
    names = random.sample(sorted(KINDS), random.choice((0, 1, 5, len(KINDS))))
    message = {"string_value": own, **{name: KINDS[name] for name in names}}
    json_type = [("content-type", "application/json")]
    way = random.randrange(4)
    if way == 0:
        return Ask("kinds", "GET", f"/test/kinds/{own}/7?sint64_value=-1&colour=RED&bool_value=true",
                   check=lambda body, _: own.encode() in body and b"RED" in body)
    if way == 1:
        return Ask("no kinds", "POST", "/test/kinds", body=random.choice(NO_KINDS).encode(), fields=json_type,
                   wanted=(400,))
    if way == 2:
        return Ask("other kinds", "POST", "/test/kinds", body=b"{}", fields=[("content-type", "text/plain")],
                   wanted=(415,))
    return Ask("kinds", "POST", "/test/kinds", body=json.dumps(message).encode(), fields=json_type,
               check=lambda body, _: own.encode() in body and all(name.encode() in body for name in names))


def many_fields(random):
    """Fields as clients have them: cookies apart, a trace."""
    own = mark(random)
    fields = [("cookie", f"a{i}={own}") for i in range(random.choice((1, 2, 20)))]
    fields += [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
               ("accept", "*/*"), ("user-agent", own)]
    return Ask("many fields", "GET", f"/test/params/{own}/b?x=%41+b", fields=fields,
               check=lambda body, _: own.encode() in body)


def much(random):
    """More than the connection may queue: whole, or in pieces whose handler does not look for room."""
    if random.random() < 0.5:
        size = random.choice((3000000, 8 << 20))
        return Ask("big", "GET", f"/test/big?bytes={size}", check=lambda body, _: len(body) == size,
                   may_reset=True)
    return Ask("flood", "GET", "/test/drip?count=30&bytes=65536&ms=1", may_reset=True,
               check=lambda body, _: len(body) == 30 * 65536)


def any_ask(random, is_http2):
    """One of all kinds."""
    makers = [params, params, header, sleep, stubborn, stream, drip, drip, echo, echo, too_much,
              missing, not_allowed, options, many_fields, kinds]
    if is_http2:
        makers += [drip_up, drip_up, relay, relay, hold, reset, early]
    return random.choice(makers)(random)


def symbol(random):
    """The profiler's, which ends after a look-up on a thread, whoever has gone meanwhile."""
    return Ask("symbol", "POST", "/debug/pprof/symbol", body=b"0x1234+0x5678",
               check=lambda body, _: body.startswith(b"num_symbols"))
