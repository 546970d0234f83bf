"""
Tests for L{aerostack.net.websocket.connection}.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.websocket.connection import Connection, connectionKind
from tests.protocol.test_masking import frame

MOST = 300

TEXTS = st.text(max_size=80) | st.text("x", min_size=100, max_size=MOST + 2)


@st.composite
def frames(draw: Any) -> bytes:
    """
    The bytes of a frame; usually of one that a client may send.
    """
    payload = draw(TEXTS).encode()
    kind = draw(
        st.sampled_from(["text"] * 5 + ["part", "ping", "broken", "binary", "close", "any"])
    )
    if kind == "part":
        return frame(payload[:5], 0x01) + frame(payload[5:9], 0x00) + frame(payload[9:], 0x80)
    if kind == "ping":
        return frame(payload[:100], draw(st.sampled_from([0x89, 0x8A])))
    if kind == "broken":
        return frame(payload[:20] + b"\xc3")
    if kind == "binary":
        return frame(payload, 0x82)
    if kind == "close":
        return frame(b"\x03\xe8", 0x88)
    if kind == "any":
        return bytes(draw(st.binary(max_size=12)))
    return frame(payload, mask=draw(st.binary(min_size=4, max_size=4)))


class Recorder:
    """
    The owner of a connection, and its session, which note all calls.

    @ivar calls: The calls, in order.
    @ivar closesAt: The message at which the session closes the connection.
    """

    def __init__(self, closesAt: int | None) -> None:
        self.calls: list[Any] = []
        self.closesAt = closesAt
        self.intake: Any = self
        self.connection: Connection

    def take(self, source: Connection, data: bytes) -> None:
        """
        As the intake does for a client with enough time.
        """
        source.unread += data
        while source.unread:
            source.feed()

    def opened(self, connection: Connection, identity: Any) -> Any:
        """
        Note the connection.
        """
        self.connection = connection
        return self

    def received(self, payload: bytes, isBinary: bool) -> None:
        """
        Note a message.
        """
        self.calls.append((payload, isBinary))
        if len(self.calls) == self.closesAt:
            self.connection.close(4000, "enough")

    def allowFrame(self) -> bool:
        """
        Note a frame that is no message.
        """
        self.calls.append("frame")
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args[1:])) if name != "heard" else None


class Socket(StringTransport):
    """
    A transport without a producer, from which Autobahn may take one.
    """

    def unregisterProducer(self) -> None:
        """
        Do nothing.
        """


class ShortWayTests(SynchronousTestCase):
    """
    Tests for the messages that do not go through Autobahn.
    """

    def talk(self, data: bytes, cuts: list[int], closesAt: int | None, short: bool) -> Any:
        """
        Send bytes to a connection.

        @param cuts: The sizes of the pieces in which they come, over and over.
        @param short: Whether messages may go the short way.
        @return: The calls that the session got, and what the client was sent.
        """
        factory = WebSocketServerFactory(reactor=Clock())
        factory.setProtocolOptions(
            maxFramePayloadSize=MOST,
            maxMessagePayloadSize=MOST,
            failByDrop=False,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
        )
        recorder, transport = Recorder(closesAt), Socket()
        owner: Any = recorder
        connection = connectionKind(factory)("c1", owner)
        if not short:
            self.patch(connection, "_feedTexts", lambda: False)
        identity: Any = None
        connection.open(transport, transport, b"", identity, None)
        at = step = 0
        while at < len(data):
            size = cuts[step % len(cuts)]
            connection.dataReceived(data[at : at + size])
            at, step = at + size, step + 1
        state = connection.state
        connection.connectionLost(Failure(ConnectionDone()))
        return recorder.calls, transport.value(), state

    @given(
        st.lists(frames(), max_size=12).map(b"".join),
        st.lists(st.integers(1, 700), min_size=1, max_size=6),
        st.none() | st.integers(1, 6),
    )
    @example(frame(b"{}") + frame("é".encode()[:1]) + frame(b"{}"), [1000], None)
    @example(frame(b"a") * 200, [10_000], 100)
    def test_same(self, data: bytes, cuts: list[int], closesAt: int | None) -> None:
        """
        Whatever a client sends, and however the bytes are cut, the session and the client see the
        same as if all of it went through Autobahn.
        """
        self.assertEqual(
            self.talk(data, cuts, closesAt, True), self.talk(data, cuts, closesAt, False)
        )

    def test_short(self) -> None:
        """
        Usual messages do not go through Autobahn, and others do.
        """
        long: list[bytes] = []
        self.patch(Connection, "_dataReceived", lambda connection, data: long.append(data))
        calls, _, _ = self.talk(frame(b"a") + frame(b"b" * 200), [1000], None, True)
        self.assertEqual(calls[:2], [(b"a", False), (b"b" * 200, False)])
        self.assertEqual(long, [])
        self.talk(frame(b"a", 0x82), [1000], None, True)
        self.assertEqual(long, [frame(b"a", 0x82)])

    def test_cut(self) -> None:
        """
        A message whose bytes come in two pieces goes through Autobahn, and those behind it do not.
        """
        through = 0
        take = Connection._dataReceived

        def count(connection: Connection, data: bytes) -> None:
            nonlocal through
            through += len(data)
            take(connection, data)

        self.patch(Connection, "_dataReceived", count)
        one, rest = frame(b"a" * 200), frame(b"b" * 200) * 20
        for cut in (1, 3, 7, 8, 100, len(one) - 1):
            through = 0
            calls, _, _ = self.talk(one + rest, [cut, len(one + rest)], None, True)
            texts = [(b"a" * 200, False)] + [(b"b" * 200, False)] * 20
            self.assertEqual(calls[:21], texts)
            self.assertLessEqual(through, len(one) + 14)
