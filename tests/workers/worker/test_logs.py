"""
Tests for L{aerostack.workers.worker.logs}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import TimeoutError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.core.replay.log import Depth
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.errors import RealtimeError
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.messages.logs import (
    Attach,
    Attached,
    Behind,
    Detach,
    Elsewhere,
    Fill,
    PastPage,
    Published,
)
from aerostack.workers.worker.backlogs import INTERVAL, MANY
from aerostack.workers.worker.logs import RemoteLogs
from tests.workers.machine import Machine
from tests.workers.worker.hubs import FakeHub

ROOM = "chat/room/p"
HEAD = Attached("h1", 3, 100)


@implementer(IReceiver)
class FakeReceiver:
    """
    Keeps publications.
    """

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.size = 0

    def deliver(self, publication: Publication) -> None:
        self.data.append(publication.data)

    def needs(self, topic: str) -> bool:
        return topic == ROOM

    def backlog(self, topic: str) -> int:
        return self.size

    def whenSent(self, topics: Sequence[str], call: Callable[[], object]) -> None:
        call()

    def sampleSent(self, topics: Sequence[str], call: Callable[[], object]) -> bool:
        return False


class RemoteLogsTests(SynchronousTestCase):
    """
    What a worker does with the hub's answers.
    """

    def setUp(self) -> None:
        self.hub, self.receiver = FakeHub(), FakeReceiver()
        machine = Machine(0, Depth(10, 100_000, 1000.0))
        self.clock: Clock = machine.clock
        self.sequencer = machine.makeSequencer("w")
        self.logs = RemoteLogs(self.clock, self.hub, self.sequencer)
        self.logs.start(self.receiver)

    def bring(self, data: bytes) -> None:
        """
        Let the hub bring a publication.
        """
        message = Published(ROOM, EVENT, "e", data, None, 1, None, False)
        self.logs.handlers[Published](message)

    def attach(self) -> MirrorLog:
        """
        Attach the topic.
        """
        attached = self.logs.attach(ROOM)
        self.hub.asked[-1].callback(HEAD)
        self.assertIsNone(self.successResultOf(attached))
        log = self.sequencer.logs.get(ROOM)
        assert isinstance(log, MirrorLog)
        return log

    def test_fakes(self) -> None:
        """
        What stands for the receiver provides its contract.
        """
        verifyObject(IReceiver, self.receiver)

    def test_again(self) -> None:
        """
        What the hub sent before it knew of a detach comes to no one, also if the topic is being
        attached again.
        """
        first = self.logs.attach(ROOM)
        self.logs.detach(ROOM)
        second = self.logs.attach(ROOM)
        self.assertEqual(self.hub.said, [Attach(ROOM), Detach(ROOM), Attach(ROOM)])
        self.hub.asked[0].callback(HEAD)
        self.bring(b"1")
        self.assertIsNone(self.sequencer.logs.get(ROOM))
        self.hub.asked[1].callback(HEAD)
        self.bring(b"2")
        self.assertEqual(self.receiver.data, [b"2"])
        self.successResultOf(first)
        self.successResultOf(second)
        self.logs.detach(ROOM)
        self.bring(b"3")
        self.assertEqual(self.receiver.data, [b"2"])
        self.assertIsNone(self.sequencer.logs.get(ROOM))

    def test_stays(self) -> None:
        """
        The log of an attached topic stays, although it has no subscriber.
        """
        log = self.attach()
        for _ in self.sequencer.logs.expire(self.clock.seconds() + 10_000):
            pass
        self.assertIs(self.sequencer.logs.get(ROOM), log)

    def test_late(self) -> None:
        """
        If the hub does not answer in time, the topic is not attached, and the hub gets to know it.
        """
        attached = self.logs.attach(ROOM)
        self.hub.asked[0].errback(TimeoutError())
        error = self.failureResultOf(attached, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        self.assertEqual(self.hub.said, [Attach(ROOM), Detach(ROOM)])
        self.attach()

    def test_refused(self) -> None:
        """
        A topic that the hub refuses is not attached, and the caller has the hub's error.
        """
        attached = self.logs.attach(ROOM)
        self.hub.asked[0].errback(RealtimeError("overloaded", "No.", 5))
        self.assertEqual(self.failureResultOf(attached, RealtimeError).value.code, "overloaded")
        self.assertEqual(self.hub.said, [Attach(ROOM)])

    def test_fillOnce(self) -> None:
        """
        Callers that want a log filled at the same time wait for one answer, and later ones for
        none.
        """
        log = self.attach()
        waiting = [self.logs.fill(ROOM), self.logs.fill(ROOM)]
        self.assertEqual(self.hub.said[1:], [Fill(ROOM, "h1", 0, 3)])
        self.hub.asked[-1].callback(PastPage(4, 100, 3, 100, 4, []))
        for each in waiting:
            assert each is not None
            self.assertIsNone(self.successResultOf(each))
        self.assertTrue(log.isFilled)
        self.assertIsNone(self.logs.fill(ROOM))

    def test_fillElsewhere(self) -> None:
        """
        If the hub has another log by now, nothing more is to be had.
        """
        log = self.attach()
        filling = self.logs.fill(ROOM)
        assert filling is not None
        self.hub.asked[-1].callback(Elsewhere())
        self.successResultOf(filling)
        self.assertTrue(log.isFilled)

    def test_fillFailed(self) -> None:
        """
        If the hub does not answer, the caller learns it, and the next one asks again.
        """
        self.attach()
        filling = self.logs.fill(ROOM)
        assert filling is not None
        self.hub.asked[-1].errback(TimeoutError())
        error = self.failureResultOf(filling, RealtimeError).value
        self.assertEqual(error.code, "engine_unavailable")
        self.assertIsNotNone(self.logs.fill(ROOM))

    def test_fillLeft(self) -> None:
        """
        A topic that is attached again while its log is being filled has a new log, which is filled
        for itself.
        """
        self.attach()
        first = self.logs.fill(ROOM)
        answer = self.hub.asked[-1]
        self.logs.detach(ROOM)
        log = self.attach()
        second = self.logs.fill(ROOM)
        assert first is not None and second is not None
        answer.callback(PastPage(4, 100, 3, 100, 4, []))
        self.successResultOf(first)
        self.assertNoResult(second)
        self.assertFalse(log.isFilled)
        self.hub.asked[-1].callback(PastPage(4, 100, 3, 100, 4, []))
        self.successResultOf(second)
        self.assertTrue(log.isFilled)

    def test_behind(self) -> None:
        """
        The worker reports to the hub while much of a topic is still to be sent, and when it is
        sent.
        """
        self.attach()
        self.receiver.size = MANY
        self.bring(b"1")
        self.assertEqual(self.hub.said, [Attach(ROOM)])
        self.receiver.size = MANY + 1
        self.bring(b"2")
        self.bring(b"3")
        self.receiver.size = MANY + 5
        self.clock.advance(INTERVAL)
        self.receiver.size = 0
        self.clock.advance(INTERVAL)
        self.assertEqual(
            self.hub.said[1:], [Behind(ROOM, MANY + 1), Behind(ROOM, MANY + 5), Behind(ROOM, 0)]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
