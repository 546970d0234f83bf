"""
Tests for L{aerostack.hub.sharing}: the topics of tables, whose subscribers do not wait for the
engine.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import LOST
from aerostack.core.topics.topics import tableTopic
from aerostack.errors import RealtimeError
from aerostack.hub.following import RETRY
from aerostack.hub.sharing import SharedLogs

ORDERS = tableTopic("orders", "p").canonical
HEAD = Position("e1", 3, 0)


class HeldLog:
    """
    Attaches topics when the test says so.
    """

    isUp = False

    def __init__(self) -> None:
        self.attached: list[Deferred[Position]] = []

    def start(self, receiver: Any) -> None:
        pass

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        self.attached.append(Deferred())
        return self.attached[-1]


class Receiver:
    """
    Keeps what is broken.
    """

    def __init__(self) -> None:
        self.broken_: list[tuple[str, Position | None, str]] = []

    def broken(self, topic: str, known: Position | None, reason: str) -> None:
        self.broken_.append((topic, known, reason))


class TableTests(SynchronousTestCase):
    """
    A table's topic.
    """

    def setUp(self) -> None:
        self.clock, self.log, self.receiver = Clock(), HeldLog(), Receiver()
        log: Any = self.log
        sequencer: Any = None
        receiver: Any = self.receiver
        self.logs = SharedLogs(self.clock, log, sequencer)
        self.logs.start(receiver)

    def test_ready(self) -> None:
        """
        While the engine answers, subscribers wait until the topic is attached, so that no event is
        missing.
        """
        self.log.isUp = True
        attaching = self.logs.attach(ORDERS)
        assert attaching is not None
        self.assertNoResult(attaching)
        self.log.attached[0].callback(HEAD)
        self.successResultOf(attaching)
        self.assertEqual(self.receiver.broken_, [])

    def test_late(self) -> None:
        """
        While the engine does not answer, the topic is ready at once; when it is attached later,
        events may be missing.
        """
        self.assertIsNone(self.logs.attach(ORDERS))
        self.assertEqual(self.receiver.broken_, [])
        self.log.attached[0].callback(HEAD)
        self.assertEqual(self.receiver.broken_, [(ORDERS, None, LOST)])

    def test_again(self) -> None:
        """
        A topic that could not be attached is ready, and events may be missing when it is attached
        later.
        """
        self.log.isUp = True
        attaching = self.logs.attach(ORDERS)
        assert attaching is not None
        self.log.attached[0].errback(RealtimeError("engine_unavailable", "No.", 1000))
        self.successResultOf(attaching)
        self.clock.advance(RETRY)
        self.log.attached[1].callback(HEAD)
        self.assertEqual(self.receiver.broken_, [(ORDERS, None, LOST)])
