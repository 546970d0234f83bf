"""
Tests for L{aerostack.workers.worker.sharing}.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from msgspec import Struct
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.shared import LOST
from aerostack.engine.memory import MemoryLog
from aerostack.errors import RealtimeError
from aerostack.interfaces.engine import ILogFeed
from aerostack.testing.history import MemoryHistory
from aerostack.workers.channel import ChannelLost
from aerostack.workers.messages.logs import Detach
from aerostack.workers.messages.sharing import (
    Broken,
    EngineDown,
    EngineUp,
    Follow,
    Followed,
    Place,
    ReadEntries,
    entered,
)
from aerostack.workers.worker.backlogs import Backlogs
from aerostack.workers.worker.sharing import NOWHERE, RemoteLog
from tests.engine.lognodes import DEPTH, TOPIC, WINDOW, Node
from tests.engine.logs import LogContract
from tests.workers.hub.test_sharing import ROOM, TABLE, entryAt, form, place
from tests.workers.sharedlogs import Unread, WorkerLog
from tests.workers.worker.hubs import FakeHub


class MemoryContractTests(LogContract, TestCase):
    """
    A worker's log is a log as every other, also where its hub has the logs in memory.
    """

    shares = False

    def setUp(self) -> None:
        """
        Make the history.
        """
        self.history = MemoryHistory()
        self.nodes: list[Node] = []
        self.epochs = count(1)

    def makeLog(self, name: str, depth: Depth = DEPTH) -> WorkerLog:
        """
        See L{LogContract}.
        """
        return WorkerLog(
            MemoryLog(
                reactor,  # type: ignore[arg-type]
                lambda topic: depth,
                lambda: f"{name}e{next(self.epochs)}",
                self.history,
                WINDOW,
            )
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """
        See L{LogContract}.
        """
        while not condition():
            await deferLater(reactor, 0.001)

    async def settle(self) -> None:
        """
        See L{LogContract}.  When an answer is here, everything that was sent before it is here too.
        """
        for node in self.nodes:
            await node.log.read(TOPIC, 0, None, 1, 1)


class RemoteLogTests(SynchronousTestCase):
    """
    What a worker does with the hub's answers.
    """

    def setUp(self) -> None:
        self.hub, clock = FakeHub(), Clock()
        backlogs = Backlogs(clock, self.hub)
        backlogs.start(Unread())
        self.log = RemoteLog(self.hub, backlogs)
        self.node = Node(self.log, "n")

    def tell(self, message: Struct) -> None:
        """
        Let the hub say something.
        """
        self.log.handlers[type(message)](message)

    def follow(self, topic: str = ROOM, head: Place | None = None) -> Position:
        """
        Attach a topic.
        """
        attached = self.log.attach(topic)
        self.hub.asked[-1].callback(Followed(head))
        found: Position = self.successResultOf(attached)
        self.node.heads[topic] = found
        return found

    def test_interface(self) -> None:
        """
        It is a feed of logs.
        """
        verifyObject(ILogFeed, self.log)

    def test_again(self) -> None:
        """
        What the hub sent before it knew of a detach comes to no one, also if the topic is being
        attached again.
        """
        first = self.log.attach(ROOM)
        self.log.detach(ROOM)
        self.failureResultOf(first, CancelledError)
        second = self.log.attach(ROOM, place(3))
        self.tell(entered(entryAt(4)))
        self.tell(Broken(ROOM, form(4), LOST))
        self.hub.asked[1].callback(Followed(form(3)))
        self.node.heads[ROOM] = self.successResultOf(second)
        self.tell(entered(entryAt(4)))
        self.log.detach(ROOM)
        self.tell(entered(entryAt(5)))
        self.assertEqual((self.node.data(ROOM), self.node.breaks), (["4"], []))
        self.assertEqual(
            self.hub.said,
            [Follow(ROOM, None), Detach(ROOM), Follow(ROOM, form(3)), Detach(ROOM)],
        )

    def test_table(self) -> None:
        """
        A table's topic has no place.
        """
        self.assertEqual(self.follow(TABLE), NOWHERE)

    def test_late(self) -> None:
        """
        If the hub does not answer in time, the topic is not attached, and the hub gets to know it.
        """
        attached = self.log.attach(ROOM)
        self.hub.asked[0].errback(TimeoutError())
        error = self.failureResultOf(attached, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        self.log.detach(ROOM)
        self.assertEqual(self.hub.said, [Follow(ROOM, None), Detach(ROOM)])

    def test_refused(self) -> None:
        """
        The caller gets the hub's error, with the time to wait.
        """
        attached = self.log.attach(ROOM)
        self.hub.asked[0].errback(RealtimeError("engine_full", "It is full.", 7))
        error = self.failureResultOf(attached, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("engine_full", 7))
        self.follow(head=form(3))

    def test_gone(self) -> None:
        """
        If the hub is gone, nothing can be read.
        """
        read = self.log.read(ROOM, 1, None, 9, 99)
        self.assertEqual(self.hub.said, [ReadEntries(ROOM, 1, None, 9, 99)])
        self.hub.asked[0].errback(ChannelLost())
        error = self.failureResultOf(read, RealtimeError).value
        self.assertEqual(error.code, "engine_unavailable")

    def test_trouble(self) -> None:
        """
        The worker learns of the engine's trouble, and of entries that are missing.
        """
        self.follow(head=form(3))
        for message in (EngineDown(), EngineUp(), Broken(ROOM, form(1, "f"), LOST)):
            self.tell(message)
        self.assertEqual(self.node.states, ["down", "up"])
        self.assertEqual(self.node.breaks, [(ROOM, place(1, "f"), LOST)])
