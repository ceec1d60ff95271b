"""Proxies in front of the nodes of a CQL server: they see every frame, and rules decide what happens to it.

Frames of protocol v4, without compression and TLS. Rules select requests; what a rule does is in RULES.
"""

from __future__ import annotations

import asyncio
import dataclasses
import struct
import threading
import time
from typing import Callable

HEADER_BYTES = 9
ERROR, STARTUP, READY, OPTIONS, QUERY, RESULT, PREPARE, EXECUTE, REGISTER, BATCH = 0, 1, 2, 5, 7, 8, 9, 10, 11, 13
RESULT_PREPARED = 4
STARTS_S = 10.0

UNAVAILABLE, WRITE_TIMEOUT, READ_TIMEOUT, READ_FAILURE, WRITE_FAILURE = 0x1000, 0x1100, 0x1200, 0x1300, 0x1500
CDC_WRITE_FAILURE, CAS_WRITE_UNKNOWN, UNPREPARED, PROTOCOL_ERROR = 0x1600, 0x1700, 0x2500, 0x000A

RULES = {
    "refuse": "the request has no effect; the answer is the error `code`",
    "hold": "no effect, and no answer",
    "drop": "the connection is closed before the effect",
    "answer": "the effect, and the error `code` for an answer",
    "lose": "the effect, and no answer",
    "delay": "the effect; the answer comes `ms` later, and others overtake it",
    "cut": "the effect, and the connection is closed instead of an answer",
    "twice": "the effect; the answer is sent twice",
    "change": "the effect; the answer is what `change` makes of its frame",
    "half": "the effect; half of the answer is sent, and then the connection is closed",
    "stall": "the effect; half of the answer is sent, and nothing more on this connection",
    "trickle": "the effect; the answer comes byte by byte, one each `ms`",
    "freeze": "nothing of this connection passes any more, and it stays open",
}
BEFORE = ("refuse", "hold", "drop", "freeze")


@dataclasses.dataclass
class Rule:
    """`by`: "worker", "driver" (its connections), "control" (the one of them that gets events); empty: all."""

    do: str
    request: int | None = EXECUTE
    text: str = ""  # in the statement
    by: str = "worker"
    node: int | None = None
    skip: int = 0
    count: int = 0  # 0: no limit
    for_s: float = 0.0  # from the first application; 0: no end
    code: int = 0
    ms: int = 0
    change: Callable[[bytes], bytes] | None = None
    matched: int = 0
    applied: int = 0
    first: float = 0.0

    def __post_init__(self):
        if self.do not in RULES:
            raise ValueError(f"a rule does one of {', '.join(RULES)}, not {self.do}")

    def take(self) -> bool:
        """Whether it applies to one more that it selects."""
        self.matched += 1
        if self.matched <= self.skip or 0 < self.count <= self.applied:
            return False
        now = time.monotonic()
        self.first = self.first or now
        if self.for_s and now - self.first >= self.for_s:
            return False
        self.applied += 1
        return True

    @property
    def over(self) -> bool:
        """Whether it can apply no more."""
        if 0 < self.count <= self.applied:
            return True
        return bool(self.for_s and self.first and time.monotonic() - self.first >= self.for_s)


@dataclasses.dataclass
class Request:
    opcode: int
    stream: int
    text: str
    id: bytes  # of the prepared statement
    rule: Rule | None = None


def text_of(body: bytes) -> str:
    """The long string at the beginning of a PREPARE or a QUERY."""
    (size,) = struct.unpack_from(">I", body)
    return body[4 : 4 + size].decode(errors="replace")


def short_bytes(body: bytes, at: int = 0) -> bytes:
    (size,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + size]


def string(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def frame(opcode: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">BBhBI", 0x84, 0, stream, opcode, len(body)) + body


def error_frame(code: int, to: Request) -> bytes:
    """An error with the further fields that the protocol has for its code, at consistency ONE."""
    fields = {
        UNAVAILABLE: struct.pack(">Hii", 1, 1, 0),
        WRITE_TIMEOUT: struct.pack(">Hii", 1, 0, 1) + string("SIMPLE"),
        READ_TIMEOUT: struct.pack(">HiiB", 1, 0, 1, 0),
        READ_FAILURE: struct.pack(">HiiiB", 1, 0, 1, 1, 0),
        WRITE_FAILURE: struct.pack(">Hiii", 1, 0, 1, 1) + string("SIMPLE"),
        CAS_WRITE_UNKNOWN: struct.pack(">Hii", 1, 0, 1),
        UNPREPARED: struct.pack(">H", len(to.id)) + to.id,
    }
    body = struct.pack(">i", code) + string("injected") + fields.get(code, b"")
    return frame(ERROR, to.stream, body)


class CqlProxy:
    """One listener in front of each node; `targets` are the nodes' addresses. Runs on a thread of its own."""

    def __init__(self, targets: list[tuple[str, int]]):
        self.targets = targets
        self.ports: list[int] = []
        self.texts: dict[bytes, str] = {}  # of prepared statements, by id
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task] = set()

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(STARTS_S):
            raise RuntimeError("the proxy does not listen")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def rule(self, do: str, **selected) -> Rule:
        """The first rule that applies to a request is the only one."""
        made = Rule(do, **selected)
        with self._lock:
            self._rules.append(made)
        return made

    def drop_rules(self) -> None:
        with self._lock:
            self._rules.clear()

    def choose(self, connection: Connection, request: Request) -> Rule | None:
        with self._lock:
            chosen = (rule for rule in self._rules if connection.is_meant(rule, request) and rule.take())
            return next(chosen, None)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _listen(self) -> None:
        self._servers = []
        for node in range(len(self.targets)):
            server = await asyncio.start_server(self._accepting(node), "127.0.0.1", 0)
            self.ports.append(server.sockets[0].getsockname()[1])
            self._servers.append(server)
        self._ready.set()

    def _accepting(self, node: int):
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._tasks.add(task)
            try:
                await Connection(self, node, reader, writer).run()
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # an end of the connection
            finally:
                self._tasks.discard(task)
                writer.close()

        return accepted

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Connection:
    """A client's connection, and the one behind it to the node."""

    def __init__(self, proxy: CqlProxy, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.proxy = proxy
        self.node = node
        self.client, self.to_client = reader, writer
        self.by = ""
        self.registered = False
        self.frozen = False
        self.pending: dict[int, Request] = {}
        self.writing = asyncio.Lock()  # held while a frame is incomplete, for ever when it stays so
        self.later: set[asyncio.Task] = set()

    def is_meant(self, rule: Rule, request: Request) -> bool:
        by_whom = (
            not rule.by
            or rule.by == self.by
            or (rule.by == "control" and self.by == "driver" and self.registered)
        )
        return (
            by_whom
            and rule.request in (None, request.opcode)
            and rule.node in (None, self.node)
            and rule.text in request.text
        )

    async def run(self) -> None:
        self.server, self.to_server = await asyncio.open_connection(*self.proxy.targets[self.node])
        ways = [asyncio.ensure_future(self._requests()), asyncio.ensure_future(self._answers())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.exception()  # the end of a connection is no error
        finally:
            for task in (*ways, *self.later):
                task.cancel()
            self.to_server.close()

    async def _requests(self) -> None:
        while True:
            header, body = await self._frame(self.client)
            request = self._understood(header, body)
            rule = self.proxy.choose(self, request)
            if rule and rule.do == "freeze":
                self.frozen = True
            if self.frozen:
                await asyncio.Event().wait()
            if rule and rule.do == "drop":
                return
            if rule and rule.do == "refuse":
                await self._send(error_frame(rule.code, request))
            if rule and rule.do in BEFORE:
                continue
            request.rule = rule
            self.pending[request.stream] = request
            self.to_server.write(header + body)

    async def _answers(self) -> None:
        while True:
            header, body = await self._frame(self.server)
            stream, opcode = struct.unpack_from(">hB", header, 2)
            request = self.pending.pop(stream, None)
            if self.frozen:
                await asyncio.Event().wait()
            if request and opcode == RESULT and request.opcode == PREPARE and body[:4] == struct.pack(">i", RESULT_PREPARED):
                self.proxy.texts[short_bytes(body, 4)] = request.text
            if not await self._answer(request, header + body):
                return

    async def _answer(self, request: Request | None, whole: bytes) -> bool:
        """Returns false when the connection is to be closed."""
        rule = request.rule if request else None
        if rule is None:
            await self._send(whole)
            return True
        match rule.do:
            case "answer":
                await self._send(error_frame(rule.code, request))
            case "twice":
                await self._send(whole + whole)
            case "change":
                await self._send(rule.change(whole))
            case "delay":
                self._send_later(whole, rule.ms / 1000)
            case "trickle":
                await self._send(whole, rule.ms / 1000)
            case "half" | "stall":
                await self._send_half(whole, stays_open=rule.do == "stall")
        return rule.do not in ("cut", "half")  # "lose" sends nothing

    async def _send(self, whole: bytes, pause_s: float = 0.0) -> None:
        """With a pause: byte by byte."""
        async with self.writing:
            if not pause_s:
                return self.to_client.write(whole)
            for at in range(len(whole)):
                self.to_client.write(whole[at : at + 1])
                await asyncio.sleep(pause_s)

    async def _send_half(self, whole: bytes, stays_open: bool) -> None:
        async with self.writing:
            self.to_client.write(whole[: len(whole) // 2])
            await self.to_client.drain()
            if stays_open:
                await asyncio.Event().wait()

    def _send_later(self, whole: bytes, seconds: float) -> None:
        async def send() -> None:
            await asyncio.sleep(seconds)
            await self._send(whole)

        task = asyncio.ensure_future(send())
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    async def _frame(self, of: asyncio.StreamReader) -> tuple[bytes, bytes]:
        header = await of.readexactly(HEADER_BYTES)
        (size,) = struct.unpack_from(">I", header, 5)
        return header, await of.readexactly(size)

    def _understood(self, header: bytes, body: bytes) -> Request:
        stream, opcode = struct.unpack_from(">hB", header, 2)
        made = Request(opcode, stream, "", b"")
        if opcode in (PREPARE, QUERY):
            made.text = text_of(body)
        elif opcode == EXECUTE:
            made.id = short_bytes(body)
            made.text = self.proxy.texts.get(made.id, "")
        elif opcode == STARTUP:
            self.by = "worker" if string("DRIVER_NAME") + string("millrace") in body else "driver"
        elif opcode == REGISTER:
            self.registered = True
        return made
