"""
Tests for L{aerostack.ai.heads}.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.ai.heads import HEAD_BYTES, BoundedConnection, HeadTooLarge, _Factory

OK = b"HTTP/1.1 200 OK\r\n"


class Client(Protocol):
    """
    Notes what comes.
    """

    def __init__(self) -> None:
        self.got = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason


class BoundedConnectionTests(SynchronousTestCase):
    """
    Tests for L{BoundedConnection}.
    """

    def setUp(self) -> None:
        self.connect()

    def connect(self) -> None:
        """
        Begin a connection, and write a request.
        """
        self.client = Client()
        factory: Any = _Factory(None)  # type: ignore[arg-type]
        self.connection = BoundedConnection(factory, self.client)
        self.transport: Any = StringTransport()
        self.connection.makeConnection(self.transport)
        self.connection.writeSequence([b"POST / HTTP/1.1\r\n", b"\r\n"])
        self.connection.write(b"{}")

    def refused(self) -> bool:
        """
        Whether the connection was closed because of the head.
        """
        if not self.transport.disconnected:
            return False
        self.connection.connectionLost(Failure(ConnectionAbortedError()))
        assert self.client.reason is not None
        self.client.reason.trap(HeadTooLarge)
        return True

    def test_endless(self) -> None:
        """
        A head without an end is cut off, and no more of it is taken.
        """
        self.connection.dataReceived(OK)
        for _ in range(1000):
            self.connection.dataReceived(b"X-Y: " + 995 * b"z" + b"\r\n")
        self.assertTrue(self.refused())
        self.assertLessEqual(len(self.client.got), HEAD_BYTES)

    def test_atOnce(self) -> None:
        """
        So is one that comes in one piece, with its end.
        """
        self.connection.dataReceived(OK + b"X: " + HEAD_BYTES * b"y" + b"\r\n\r\n")
        self.assertTrue(self.refused())
        self.assertEqual(self.client.got, b"")

    def test_interim(self) -> None:
        """
        Interim answers without an end are cut off as well; a few are none.
        """
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        self.connection.dataReceived(2 * interim)
        self.connection.dataReceived(interim + OK + b"\r\n" + 2 * HEAD_BYTES * b"b")
        self.assertFalse(self.refused())
        self.connect()
        for _ in range(HEAD_BYTES // len(interim) + 1):
            self.connection.dataReceived(interim)
        self.assertTrue(self.refused())

    @given(
        st.integers(-2, 2),
        st.sampled_from([b"\r\n", b"\n"]),
        st.lists(st.integers(1, 2 * HEAD_BYTES), max_size=8),
    )
    def test_anyPieces(self, over: int, end: bytes, cuts: list[int]) -> None:
        """
        However the bytes come, a head may have so many bytes and not one more, and the body any.
        """
        self.connect()
        start = b"HTTP/1.1 200 OK" + end + b"X: "
        size = HEAD_BYTES + over
        head = start + (size - len(start) - 2 * len(end)) * b"y" + 2 * end
        whole = head + HEAD_BYTES * b"body\n\n"
        places = sorted({0, len(whole), *cuts})
        for begin, until in pairwise(places):
            self.connection.dataReceived(whole[begin:until])
        self.assertEqual(self.refused(), over > 0)
        if over <= 0:
            self.assertEqual(self.client.got, whole)

    def test_again(self) -> None:
        """
        The head of each answer counts for itself.
        """
        for _ in range(3):
            head = OK + b"X: " + (HEAD_BYTES - 100) * b"y" + b"\r\n\r\n"
            self.connection.dataReceived(head + b"body")
            self.assertFalse(self.refused())
            self.connection.write(b"POST / HTTP/1.1\r\n\r\n")
        self.connection.dataReceived(OK + b"X: " + HEAD_BYTES * b"y")
        self.assertTrue(self.refused())
