"""The proxy itself: its rules do what they say."""

from __future__ import annotations

import socket
import struct
from typing import Iterator

import pytest

from foreign_drivers.cluster import EmulatedCluster

from . import cql_proxy
from .cql_proxy import ERROR, HEADER_BYTES, OPTIONS, QUERY, STARTUP, CqlProxy

SUPPORTED = 6
ANSWERS_S = 10.0
SILENCE_S = 0.3


class Client:
    """A connection through the proxy, which knows frames and nothing else."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWERS_S)

    def ask(self, opcode: int, stream: int = 1, body: bytes = b"") -> None:
        self.socket.sendall(struct.pack(">BBhBI", 0x04, 0, stream, opcode, len(body)) + body)

    def read(self, count: int) -> bytes:
        out = b""
        while len(out) < count and (more := self.socket.recv(count - len(out))):
            out += more
        return out

    def answer(self) -> tuple[int, int, bytes] | None:
        """Stream, opcode and body; None when the connection is closed within or before the frame."""
        head = self.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES:
            return None
        _, _, stream, opcode, size = struct.unpack(">BBhBI", head)
        body = self.read(size)
        return (stream, opcode, body) if len(body) == size else None

    def is_silent(self) -> bool:
        self.socket.settimeout(SILENCE_S)
        try:
            self.socket.recv(1)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(ANSWERS_S)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatedCluster]:
    made = EmulatedCluster(nodes=1, shards=0, tokens=1)
    yield made
    made.close()


@pytest.fixture
def proxy(emulator: EmulatedCluster) -> Iterator[CqlProxy]:
    host, port = emulator.address.rsplit(":", 1)
    made = CqlProxy([(host, int(port))])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(proxy: CqlProxy) -> Iterator[Client]:
    made = Client(proxy.ports[0])
    yield made
    made.socket.close()


def test_without_a_rule_everything_passes(client: Client):
    client.ask(OPTIONS, stream=7)
    stream, opcode, body = client.answer()
    assert (stream, opcode) == (7, SUPPORTED) and b"CQL_VERSION" in body


@pytest.mark.parametrize("do", ["refuse", "answer"])
def test_an_error_has_its_code_and_the_requests_stream(proxy: CqlProxy, client: Client, do: str):
    rule = proxy.rule(do, request=OPTIONS, by="", count=1, code=0x1001)
    client.ask(OPTIONS, stream=7)
    stream, opcode, body = client.answer()
    assert (stream, opcode, body[:4]) == (7, ERROR, struct.pack(">i", 0x1001))
    client.ask(OPTIONS)
    assert client.answer()[1] == SUPPORTED
    assert rule.applied == 1 and rule.over


@pytest.mark.parametrize("do", ["hold", "lose", "freeze"])
def test_nothing_is_answered(proxy: CqlProxy, client: Client, do: str):
    proxy.rule(do, request=OPTIONS, by="", count=1)
    client.ask(OPTIONS)
    assert client.is_silent()
    client.ask(OPTIONS, stream=2)
    if do == "freeze":
        assert client.is_silent()
    else:
        assert client.answer()[0] == 2


@pytest.mark.parametrize("do", ["drop", "cut", "half"])
def test_the_connection_is_closed(proxy: CqlProxy, client: Client, do: str):
    proxy.rule(do, request=OPTIONS, by="", count=1)
    client.ask(OPTIONS)
    assert client.answer() is None


def test_an_answer_comes_twice_late_or_byte_by_byte(proxy: CqlProxy, client: Client):
    for do, ms in (("twice", 0), ("delay", 100), ("trickle", 1)):
        proxy.rule(do, request=OPTIONS, by="", count=1, ms=ms)
    client.ask(OPTIONS, stream=1)
    assert [client.answer()[0] for _ in range(2)] == [1, 1]
    client.ask(OPTIONS, stream=2)
    client.ask(OPTIONS, stream=3)
    assert [client.answer()[0] for _ in range(2)] == [3, 2]


def test_half_of_an_answer_is_followed_by_silence(proxy: CqlProxy, client: Client):
    proxy.rule("stall", request=OPTIONS, by="", count=1)
    client.ask(OPTIONS)
    head = client.read(HEADER_BYTES)
    (size,) = struct.unpack_from(">I", head, 5)
    assert len(client.read((HEADER_BYTES + size) // 2 - HEADER_BYTES)) < size
    assert client.is_silent()


def test_a_frame_is_changed(proxy: CqlProxy, client: Client):
    proxy.rule("change", request=OPTIONS, by="", count=1, change=lambda whole: b"\x83" + whole[1:])
    client.ask(OPTIONS)
    assert client.read(1) == b"\x83"


def test_rules_select_by_text_connection_and_node(proxy: CqlProxy, client: Client):
    options = {"CQL_VERSION": "3.0.0", "DRIVER_NAME": "millrace"}
    body = struct.pack(">H", len(options)) + b"".join(cql_proxy.string(text) for pair in options.items() for text in pair)
    client.ask(STARTUP, body=body)
    client.answer()
    for selected in ({"text": "other"}, {"by": "driver"}, {"node": 1}, {"skip": 1, "text": "system"}):
        proxy.rule("refuse", **({"request": QUERY, "by": ""} | selected))
    met = proxy.rule("refuse", request=QUERY, by="worker", text="system.local", node=0, code=0x1001)
    text = b"SELECT key FROM system.local"
    client.ask(QUERY, body=struct.pack(">I", len(text)) + text + struct.pack(">HB", 1, 0))
    assert client.answer()[1] == ERROR and met.applied == 1
    with pytest.raises(ValueError, match="a rule does one of"):
        proxy.rule("surprise")
