"""
Tests for C{bench/onlookers.py}.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from onlookers import Onlooker, digest, summary
from turns import frame
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.framing import textFrame


def event(name: str, **fields: Any) -> bytes:
    """
    A frame about the stream C{a}, as the daemon sends it.
    """
    fields = {"type": "event", "event": name, "stream": "a", "data": {}, **fields}
    return bytes(textFrame(json.dumps(fields).encode()))


def token(at: int, text: str) -> bytes:
    """
    A frame with text.
    """
    return event("ai:token", at=at, data={"token": text})


class OnlookerTests(SynchronousTestCase):
    """
    Tests for L{Onlooker}.
    """

    def setUp(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.onlooker = Onlooker(self.listener.getsockname()[1], "bench/0")
        self.addCleanup(self.onlooker.socket.close)
        self.daemon, _ = self.listener.accept()
        self.addCleanup(self.daemon.close)
        self.daemon.settimeout(60)
        self.daemon.recv(65536)
        self.give(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    def give(self, data: bytes) -> None:
        """
        Let the client get bytes.
        """
        self.daemon.sendall(data)
        # On the loopback interface they are there.
        while not self._isThere(len(data)):
            pass
        self.assertTrue(self.onlooker.read())

    def _isThere(self, size: int) -> bool:
        try:
            return len(self.onlooker.socket.recv(1 << 18, socket.MSG_PEEK)) >= size
        except BlockingIOError:
            return False

    def test_subscribes(self) -> None:
        """
        It subscribes when the connection is open, and is ready when the daemon has answered.
        """
        self.assertIn(b'"topic": "bench/0"', self.daemon.recv(65536))
        self.assertFalse(self.onlooker.isReady)
        self.give(bytes(textFrame(b'{"type":"subscribed","topic":"bench/0/bench"}')))
        self.assertTrue(self.onlooker.isReady)

    def test_text(self) -> None:
        """
        It puts texts together, also where frames come in pieces and are long.
        """
        data = token(0, "ab") + token(2, "c" * 300) + event("ai:done")
        self.give(data[:30])
        self.give(data[30:200])
        self.give(data[200:])
        self.assertEqual(self.onlooker.report(), {"a": (digest("ab" + "c" * 300), 1)})
        self.assertEqual((self.onlooker.late, self.onlooker.holes), (0, 0))

    def test_faults(self) -> None:
        """
        It counts texts that do not fit, and those behind the end.
        """
        self.give(token(1, "x") + event("ai:done") + token(1, "y"))
        self.assertEqual((self.onlooker.late, self.onlooker.holes), (1, 1))

    def test_ping(self) -> None:
        """
        It answers pings.
        """
        self.daemon.recv(65536)
        self.give(b"\x89\x02hi")
        self.assertEqual(self.daemon.recv(65536), frame(b"hi", 0xA))

    def test_end(self) -> None:
        """
        It notices that the connection has ended.
        """
        self.daemon.close()
        while self.onlooker.read():
            pass

    def test_summary(self) -> None:
        """
        The summary counts how many clients have the same of a stream.
        """
        self.give(token(0, "ab") + event("ai:done"))
        found = summary([self.onlooker], 2)
        self.assertEqual(found["streams"], {"a": {f"{digest('ab')} 1": 1}})
        self.assertEqual((found["late"], found["holes"], found["lost"]), (0, 0, 2))
