# SPDX-License-Identifier: MIT
"""gdb for toq: values as they are meant, and what is in flight, in a live process or a core file.

Load it:  gdb -x scripts/toq-gdb.py build/toq_server      (in gdb: source scripts/toq-gdb.py)

toq tasks    requests in flight: state, age, route, what wakes them
toq conns    connections of both loops
toq pools    pools of threads, and the connections to MySQL
print *req   a request with its method, target, state; str, buf, list and task as well

Nothing of the program is called, so all of it works on a core file; every walk has an end, so that damaged lists
do no harm.
"""

import ipaddress

import gdb
import gdb.printing

TEXT_MAX_BYTES = 200
WALK_MAX = 100000
CHUNK_SLOTS = 256  # task_slots.c
NO_SLOT = 0xFFFFFFFF
NS_PER_MS = 1000000
NO_SYMBOLS = "toq: no symbols of toq_server: give gdb the program, beside the core file"
CONN_STATES = ("open", "flushing", "lingering", "closed")
SIDES = ("traffic", "diagnostics")


# ---- reading ---------------------------------------------------------------------------------------


def text_of(pointer, length=None):
    """What a char pointer leads to, quoted; never more than TEXT_MAX_BYTES."""
    if int(pointer) == 0:
        return "NULL"
    try:
        if length is None:
            return pointer.string(errors="replace", length=-1)[:TEXT_MAX_BYTES]
        shown = pointer.string(errors="replace", length=min(length, TEXT_MAX_BYTES))
    except gdb.MemoryError:
        return f"<cannot read {int(pointer):#x}>"
    return '"' + shown.replace('"', '\\"') + '"' + ("..." if length > TEXT_MAX_BYTES else "")


def literal(pointer):
    text = text_of(pointer)
    return "" if text == "NULL" else text


def struct(name):
    return gdb.lookup_type(f"struct {name}")


def walk(head, kind, member):
    """The objects of type `kind` in a list, by the member that links them."""
    target = struct(kind)
    offset = next(field.bitpos // 8 for field in target.fields() if field.name == member)
    end, node = int(head.address), head["next"]
    for _ in range(WALK_MAX):
        if int(node) in (0, end):
            return
        yield gdb.Value(int(node) - offset).cast(target.pointer()).dereference()
        node = node["next"]


def static(name):
    """A static variable, or None; `name` is FILE.VARIABLE."""
    file, variable = name.split(".")
    for candidate in (f"'{file}.c'::{variable}", variable):
        try:
            return gdb.parse_and_eval(candidate)
        except gdb.error:
            continue
    return None


def app():
    """core/app's own state, wherever the program stands."""
    try:
        return gdb.parse_and_eval("app_serve::app")
    except gdb.error:
        raise gdb.GdbError(NO_SYMBOLS)


def now_ns():
    """The clock when the program stopped: that of the loop which turned last; of a core file as well."""
    state = app()
    loops = (state["loop"], state["diag"]["loop"])
    return max(int(loop["uv"]["time"]) for loop in loops if int(loop) != 0) * NS_PER_MS


def age(since_ns, now):
    return f"{max(0, now - since_ns) / 1e9:.3f}s"


def where_of(pointer):
    """The function and line of a return address."""
    address = int(pointer)
    if address == 0:
        return ""
    block = gdb.block_for_pc(address - 1)
    while block is not None and block.function is None:
        block = block.superblock
    line = gdb.find_pc_line(address - 1)
    place = f" {line.symtab.filename.rsplit('/', 1)[-1]}:{line.line}" if line.symtab else ""
    return (block.function.name if block is not None else hex(address)) + place


def label_of(number):
    """What a label says: a route with its method, or an rpc."""
    labels = static("label.labels")
    if labels is None or number == 0:
        return ""
    label = labels[number]
    if int(label["rpc"]) != 0:
        return literal(label["rpc"])
    if int(label["route"]) != 0:
        return f"{literal(label['method'])} {literal(label['route'])}"
    return ""


def method_of(value):
    name = str(value)
    return name[len("METHOD_"):] if name.startswith("METHOD_") else name


# ---- printers --------------------------------------------------------------------------------------


class Str:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return text_of(self.value["ptr"], int(self.value["len"]))


class Buf:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = self.value
        failed = ", failed" if value["is_failed"] else ""
        return (f"{text_of(value['data'], int(value['len']))} ({int(value['len'])} of {int(value['cap'])} bytes, "
                f"at most {int(value['max_bytes'])}{failed})")


class List:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        address = self.value.address
        if address is None or int(self.value["next"]) == int(address):
            return "empty list, or in none"
        node, count = self.value["next"], 0
        while int(node) not in (0, int(address)) and count < WALK_MAX:
            node, count = node["next"], count + 1
        return f"list with {count} other nodes, the next at {int(self.value['next']):#x}"


class Task:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = self.value
        if int(value["slot"]) == NO_SLOT:
            return f"task {int(value['id'])}, ended"
        parts = [f"task {int(value['id'])}", literal(value["kind"]), label_of(int(value["label"])),
                 f"[{literal(value['state'])}]", f"for {age(int(value['state_ns']), now_ns())}"]
        if int(value["await_depth"]) > 0:
            parts.append(f"at {where_of(value['await_stack'][0])}")
        return " ".join(part for part in parts if part)


class Request:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = self.value
        route = literal(value["route"]["path"]) if int(value["route"]) != 0 else "none"
        target = text_of(value["target"]["ptr"], int(value["target"]["len"]))
        life = str(value["life"]).replace("HTTP_", "").lower()
        return f"{method_of(value['method'])} {target} route={route} life={life} {Task(value['task']).to_string()}"

    def children(self):
        value = self.value
        for index in range(min(int(value["header_count"]), 100)):
            header = value["headers"][index]
            yield (Str(header["name"]).to_string().strip('"'), header["value"])
        for name in ("query", "body", "status", "user"):
            yield (name, value[name])


def add_printers():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("toq")
    for tag, printer in (("str", Str), ("buf", Buf), ("list", List), ("task", Task), ("http_request", Request)):
        printers.add_printer(tag, f"^{tag}$", printer)
    gdb.printing.register_pretty_printer(None, printers, replace=True)


# ---- commands --------------------------------------------------------------------------------------


class Toq(gdb.Command):
    """toq tasks, toq conns, toq pools: what a toq server has in flight."""

    def __init__(self):
        super().__init__("toq", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class Table(gdb.Command):
    """A command that prints rows under a head."""

    head = ()

    def rows(self):
        raise NotImplementedError

    def invoke(self, argument, from_tty):
        lines = [self.head] + [tuple(str(cell) for cell in row) for row in self.rows()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        print(f"{len(lines) - 1} in all")


class Tasks(Table):
    """toq tasks: every request in flight, the oldest first, with its state, ages, where it waits and what wakes it."""

    head = ("ID", "KIND", "STATE", "FOR", "AGE", "LABEL", "WOKEN BY", "WAITS AT", "TASK")

    def __init__(self):
        super().__init__("toq tasks", gdb.COMMAND_DATA)

    def rows(self):
        found = sorted(self.slots(), key=lambda entry: int(entry[1]["start_ns"]))
        now = now_ns()
        running = self.running()
        for index, slot in found:
            depth = int(slot["await_depth"])
            state = "running" if index in running else literal(slot["state"])
            yield (int(slot["id"]), literal(slot["kind"]), state, age(int(slot["state_ns"]), now),
                   age(int(slot["start_ns"]), now), label_of(int(slot["label"])),
                   "" if index in running or depth == 0 else self.waker(slot),
                   where_of(slot["await_stack"][0]) if depth > 0 else "", f"(struct task *){int(slot['task']):#x}")

    @staticmethod
    def slots():
        chunks, count = static("task_slots.chunks"), static("task_slots.chunk_count")
        if chunks is None:
            raise gdb.GdbError(NO_SYMBOLS)
        for number in range(int(count)):
            for index in range(CHUNK_SLOTS):
                slot = chunks[number][index]
                if int(slot["id"]) != 0:
                    yield number * CHUNK_SLOTS + index, slot

    @staticmethod
    def waker(slot):
        """What will wake a task that waits, in the words of /debug/requests."""
        wakers = slot["wakers"].address.cast(struct("task_wakers").pointer()).dereference()
        count = int(wakers["count"]) if int(slot["wakers_id"]) == int(slot["id"]) else 0
        if count == 0:
            return "nothing: leaked"
        kind, number = literal(wakers["last"]["kind"]) or "an earlier wait", int(wakers["last"]["id"])
        return kind + (f" {number}" if number else "") + (f" and {count - 1} more" if count > 1 else "")

    @staticmethod
    def running():
        """The slots of the tasks whose callbacks run: what a slot shows of them may be older."""
        slots, thread = set(), static("task_slots.threads")
        for _ in range(WALK_MAX):
            if int(thread) == 0:
                return slots
            slots.add(int(thread["slot"]))
            thread = thread["next"]
        return slots


class Conns(Table):
    """toq conns: every connection, with its peer, what waits to be written and what has moved."""

    head = ("SIDE", "PEER", "STATE", "QUEUED", "MOVED", "CONN")

    def __init__(self):
        super().__init__("toq conns", gdb.COMMAND_DATA)

    def rows(self):
        for side, name in enumerate(SIDES):
            for conn in walk(app()["conns"][side]["conns"], "conn", "link"):
                raw = bytes(int(conn["peer"]["ip"]["__in6_u"]["__u6_addr8"][i]) for i in range(16))
                address = ipaddress.IPv6Address(raw)
                peer = f"{address.ipv4_mapped or address}:{int(conn['peer']['port'])}"
                yield (name, peer, CONN_STATES[int(conn["state"]) % len(CONN_STATES)], int(conn["out"]["len"]),
                       int(conn["moved_bytes"]), f"(struct conn *){int(conn.address):#x}")


class Pools(Table):
    """toq pools: the pools of threads, and the connections to MySQL."""

    head = ("POOL", "HAS", "RUNNING", "QUEUED", "AT MOST")

    def __init__(self):
        super().__init__("toq pools", gdb.COMMAND_DATA)

    @staticmethod
    def count(head, kind):
        return sum(1 for _ in walk(head, kind, "link"))

    def rows(self):
        state = app()
        sql = state["data"]["sql"]
        pools = [state["pools"][name] for name in ("diag", "lookups", "offload")]
        pools += [sql["dialer"]["threads"]] if int(sql) != 0 else []
        for pool in pools:
            if int(pool) != 0:
                yield (f"threads {literal(pool['options']['name'])}", f"{int(pool['thread_count'])} threads",
                       int(pool["stats"]["running"]), int(pool["stats"]["queued"]), int(pool["options"]["threads"]))
        if int(sql) != 0:
            busy, idle = self.count(sql["busy"], "sql_conn"), self.count(sql["idle"], "sql_conn")
            yield ("mysql", f"{busy + idle} connections", busy, self.count(sql["waiters"], "sql_lease"),
                   int(sql["options"]["max_connections"]))


add_printers()
for command in (Toq, Tasks, Conns, Pools):
    command()
