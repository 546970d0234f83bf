"""
Tests for L{aerostack.workers.hub.relay}.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.workers.hub import topics as module
from aerostack.workers.messages.logs import (
    Attach,
    Attached,
    Behind,
    Detach,
    Elsewhere,
    Fill,
    PastPage,
)
from tests.workers.machine import Machine

ROOM, OTHER, TABLE = "chat/room/p", "chat/other/p", "table/orders/p"


class FakeLink:
    """
    Keeps the frames for one worker.
    """

    def __init__(self) -> None:
        self.unread = 0
        self.frames: list[bytes] = []

    def sendFrame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def send(self, message: Struct) -> None:
        raise AssertionError("the relay sends no such message")


class RelayTests(SynchronousTestCase):
    """
    What workers get of the hub.
    """

    def setUp(self) -> None:
        self.machine = Machine(1)
        self.relay = self.machine.relay
        self.a, self.b = FakeLink(), FakeLink()
        self.logs = self.machine.backbone.sequencer.logs

    def say(self, link: FakeLink, message: Struct) -> Any:
        """
        Let a worker say something.
        """
        return self.relay.handlers[type(message)](link, message)

    def publish(self, topic: str = ROOM, data: bytes = b"1", kind: str = "event") -> None:
        """
        Let the engine bring a publication.
        """
        self.relay.deliver(Publication(topic, kind, "e", data, None, 1))

    def test_packedOnce(self) -> None:
        """
        The log and all workers have the same object, and workers get only what they attached.
        """
        for link in (self.a, self.b):
            self.say(link, Attach(ROOM))
        self.say(self.a, Attach(OTHER))
        self.publish()
        log = self.logs.get(ROOM)
        assert log is not None and log.newest is not None
        self.assertIs(self.a.frames[0], self.b.frames[0])
        self.assertIs(self.a.frames[0], log.newest.frame)
        self.publish(OTHER)
        self.assertEqual((len(self.a.frames), len(self.b.frames)), (2, 1))

    def test_presence(self) -> None:
        """
        A change of who is present goes to the workers that attached the topic, and into no log.
        """
        self.say(self.a, Attach(ROOM))
        self.publish(kind=PRESENCE)
        self.publish(OTHER, kind=PRESENCE)
        self.assertEqual((len(self.a.frames), len(self.b.frames)), (1, 0))
        log = self.logs.get(ROOM)
        assert log is not None
        self.assertEqual(log.head, 0)

    def test_head(self) -> None:
        """
        A worker learns where the log stands; a table's topic has no log at the hub.
        """
        self.say(self.a, Attach(ROOM))
        self.publish()
        log = self.logs.get(ROOM)
        assert log is not None
        self.assertEqual(self.say(self.b, Attach(ROOM)), Attached(log.epoch, 1, log.mark, False))
        self.assertEqual(self.say(self.b, Attach(TABLE)), Attached())
        self.assertIsNone(self.logs.get(TABLE))
        self.assertEqual(self.machine.greeted, [ROOM, ROOM, TABLE])
        self.assertRaises(ValueError, self.say, self.b, Attach(ROOM))

    def test_detach(self) -> None:
        """
        The log is needed until the last worker has detached the topic.
        """
        for link in (self.a, self.b):
            self.say(link, Attach(ROOM))
        self.say(self.a, Detach(ROOM))
        self.say(self.a, Detach(ROOM))
        self.assertTrue(self.relay.needs(ROOM))
        self.publish()
        self.assertEqual((len(self.a.frames), len(self.b.frames)), (0, 1))
        self.say(self.b, Detach(ROOM))
        self.assertFalse(self.relay.needs(ROOM))
        for _ in self.logs.expire(self.machine.clock.seconds() + 10_000):
            pass
        self.assertIsNone(self.logs.get(ROOM))

    def test_lost(self) -> None:
        """
        A lost worker's topics are detached, some in each turn.
        """
        self.patch(module, "PIECE", 10)
        topics = [f"chat/{n}/p" for n in range(25)]
        for topic in topics:
            self.say(self.a, Attach(topic))
        self.say(self.b, Attach(topics[0]))
        self.relay.lost(self.a)
        self.assertEqual(sum(map(self.relay.needs, topics)) in (15, 16), True)
        self.machine.settle()
        self.assertEqual([t for t in topics if self.relay.needs(t)], topics[:1])
        self.say(self.a, Detach(topics[3]))

    def test_backlog(self) -> None:
        """
        The backlog of a topic is that of the slowest worker: the bytes that it has not taken yet,
        and those that it has not sent yet.
        """
        self.assertEqual(self.relay.backlog(ROOM), 0)
        for link in (self.a, self.b):
            self.say(link, Attach(ROOM))
        self.say(self.a, Attach(OTHER))
        self.a.unread, self.b.unread = 5, 7
        self.assertEqual((self.relay.backlog(ROOM), self.relay.backlog(OTHER)), (7, 5))
        self.say(self.a, Behind(ROOM, 100))
        self.assertEqual((self.relay.backlog(ROOM), self.relay.backlog(OTHER)), (105, 5))
        self.say(self.a, Behind(ROOM, 0))
        self.assertEqual(self.relay.backlog(ROOM), 7)
        self.say(self.a, Behind(ROOM, 100))
        self.say(self.a, Detach(ROOM))
        self.say(self.a, Behind(ROOM, 100))
        self.say(self.a, Attach(ROOM))
        self.assertEqual(self.relay.backlog(ROOM), 7)

    def test_pages(self) -> None:
        """
        A page of the log has 64 KiB at the most, but one entry at least.
        """
        self.say(self.a, Attach(ROOM))
        for _ in range(10):
            self.publish(data=b"1" * 20_000)
        self.publish(data=b"1" * 200_000)
        log = self.logs.get(ROOM)
        assert log is not None
        after, sizes = 0, []
        while after < 11:
            page = self.say(self.a, Fill(ROOM, log.epoch, after, 11))
            assert isinstance(page, PastPage)
            self.assertEqual(page.begin, after + 1)
            sizes.append(len(page.entries))
            after += sizes[-1]
        self.assertEqual(sizes, [3, 3, 3, 1, 1])
        self.assertEqual(self.say(self.a, Fill(ROOM, "other", 0, 11)), Elsewhere())
        self.assertEqual(self.say(self.a, Fill(OTHER, log.epoch, 0, 11)), Elsewhere())

    def test_workerGone(self) -> None:
        """
        What a worker sent before it ended is published.
        """
        machine = Machine(2)
        heard = machine.fronts[0].subscribe(ROOM)
        machine.settle()
        for n in range(50):
            machine.fronts[1].publish(ROOM, b"%d" % n).addErrback(lambda _: None)
        machine.clock.advance(0)
        machine.clock.advance(0)
        machine.workers[1].channel.close()
        machine.settle()
        self.assertEqual(len(heard.frames), 50)
