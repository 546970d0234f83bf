"""
Tests for L{aerostack.workers.hub.sharing}.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from aerostack.core.answers.answers import Answers
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, PRESENCE, Publication
from aerostack.core.replay.shared import LOST, SharedEntry
from aerostack.errors import RealtimeError
from aerostack.hub.heads import SharedHeads
from aerostack.interfaces.engine import ILogFeed, ILogReceiver
from aerostack.interfaces.publishing import IReceiver
from aerostack.workers.frames import Codec
from aerostack.workers.hub.sharing import SharedRelay
from aerostack.workers.hub.streams import OtherStreams
from aerostack.workers.messages.logs import Behind, Detach, Published
from aerostack.workers.messages.sharing import (
    Broken,
    EngineDown,
    EngineUp,
    Entered,
    EntriesRead,
    Follow,
    Followed,
    Place,
    ReadEntries,
    entered,
)
from tests.workers.sharedlogs import KINDS

ROOM, TABLE = "chat/room/p", "table/orders/p"
CODEC = Codec(KINDS)


def place(offset: int, epoch: str = "e") -> Position:
    """
    A place in a log.
    """
    return Position(epoch, offset, 100, seen=True, tag=f"t{offset}")


def form(offset: int, epoch: str = "e") -> Place:
    """
    The same in a message.
    """
    return Place(epoch, offset, 100, True, f"t{offset}")


def entryAt(offset: int, topic: str = ROOM) -> SharedEntry:
    """
    An entry of a log.
    """
    data = b"%d" % offset
    return SharedEntry(
        place(offset), f"t{offset - 1}", Publication(topic, EVENT, "e", data, "u", 1, 100)
    )


@implementer(ILogFeed)
class Feed:
    """
    Follows topics when the test says so.

    @ivar known: The places that topics were attached with, in order.
    @ivar waiting: What waits, by topic.
    """

    isUp = True

    def __init__(self) -> None:
        self.known: list[tuple[str, Position | None]] = []
        self.waiting: dict[str, Deferred[Position]] = {}
        self.reads: list[tuple[object, ...]] = []

    def start(self, receiver: ILogReceiver) -> None:
        self.receiver = receiver

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        assert topic not in self.waiting
        self.known.append((topic, known))
        self.waiting[topic] = Deferred()
        return self.waiting[topic]

    def detach(self, topic: str) -> None:
        waiting = self.waiting.pop(topic)
        if not waiting.called:
            waiting.errback(CancelledError())

    def read(self, *asked: object) -> Deferred[list[SharedEntry]]:
        self.reads.append(asked)
        read: Deferred[list[SharedEntry]] = Deferred()
        read.callback([entryAt(4), entryAt(5)])
        return read


class Link:
    """
    Keeps what is sent to one worker.

    @ivar frames: As bytes.
    @ivar drained: Holds back what is large until it fires.
    """

    def __init__(self) -> None:
        self.unread = 0
        self.frames: list[bytes] = []
        self.drained: Deferred[None] | None = None

    def send(self, message: Struct) -> None:
        self.sendFrame(CODEC.encode(message))

    def sendFrame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def whenDrained(self) -> Deferred[None] | None:
        return self.drained

    @property
    def messages(self) -> list[Any]:
        """What was sent."""
        return [CODEC.decodeBody(frame[4:]) for frame in self.frames]


class SharedRelayTests(SynchronousTestCase):
    """
    What workers get of logs that nodes share.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.feed = Feed()
        self.heads = SharedHeads(self.clock, self.feed)
        self.greeted: list[tuple[object, str]] = []
        self.answers = Answers()
        self.relay = SharedRelay(
            self.clock,
            CODEC,
            self.feed,
            self.heads,
            self.heads,
            lambda link, topic: self.greeted.append((link, topic)),
            OtherStreams(self.clock, self.answers, self.answers.drop),
        )
        self.heads.start(self.relay)
        self.a, self.b = self.join(), self.join()

    def join(self) -> Link:
        """
        Start a worker.
        """
        link = Link()
        self.relay.joined(link)
        self.assertEqual(link.messages, [EngineDown()])
        link.frames.clear()
        return link

    def say(self, link: Link, message: Struct) -> Any:
        """
        Let a worker say something.
        """
        return self.relay.handlers[type(message)](link, message)

    def follow(self, *links: Link, topic: str = ROOM) -> None:
        """
        Let workers attach a topic, whose head is the third entry.
        """
        asked = [self.say(link, Follow(topic, None)) for link in links]
        if not self.feed.waiting[topic].called:
            self.feed.waiting[topic].callback(place(3))
        for each in asked:
            if isinstance(each, Deferred):
                self.successResultOf(each)

    def test_interfaces(self) -> None:
        """
        The relay takes what the engine brings, and what the hub publishes.
        """
        verifyObject(IReceiver, self.relay)
        verifyObject(ILogReceiver, self.heads)
        verifyObject(ILogReceiver, self.relay)

    def test_once(self) -> None:
        """
        A topic of several workers is followed once.  All get the same bytes of each entry.
        """
        asked = [self.say(link, Follow(ROOM, None)) for link in (self.a, self.b)]
        self.feed.waiting[ROOM].callback(place(3))
        self.assertEqual([self.successResultOf(each) for each in asked], [Followed(form(3))] * 2)
        self.assertEqual(self.feed.known, [(ROOM, None)])
        self.assertEqual(self.greeted, [(self.a, ROOM), (self.b, ROOM)])
        self.feed.receiver.received(ROOM, entryAt(4))
        self.assertEqual(self.a.messages, [entered(entryAt(4))])
        self.assertIs(self.a.frames[0], self.b.frames[0])
        self.assertEqual((self.relay.published, list(self.relay.attached)), (1, [ROOM]))

    def test_entry(self) -> None:
        """
        A worker gets each entry with the position that it has in the log.
        """
        self.follow(self.a)
        self.feed.receiver.received(ROOM, entryAt(4))
        (message,) = self.a.messages
        assert isinstance(message, Entered)
        self.assertEqual(message.entry, entryAt(4))

    def test_later(self) -> None:
        """
        A worker that attaches a topic later goes on from the newest entry.
        """
        self.follow(self.a)
        self.feed.receiver.received(ROOM, entryAt(4))
        self.assertEqual(self.say(self.b, Follow(ROOM, None)), Followed(form(4)))
        self.assertRaises(ValueError, self.say, self.b, Follow(ROOM, None))
        self.assertEqual(self.b.frames, [])

    def test_known(self) -> None:
        """
        The topic's first worker goes on from where it was, and others with it.
        """
        asked = self.say(self.a, Follow(ROOM, form(2)))
        other = self.say(self.b, Follow(ROOM, form(1)))
        self.assertEqual(self.feed.known, [(ROOM, place(2))])
        self.feed.waiting[ROOM].callback(place(2))
        self.assertEqual(self.successResultOf(asked), Followed(form(2)))
        self.assertEqual(self.successResultOf(other), Followed(form(2)))

    def test_detach(self) -> None:
        """
        The topic is followed until the last worker has detached it.
        """
        self.follow(self.a, self.b)
        self.say(self.a, Detach(ROOM))
        self.say(self.a, Detach(ROOM))
        self.feed.receiver.received(ROOM, entryAt(4))
        self.assertEqual((len(self.a.frames), len(self.b.frames)), (0, 1))
        self.say(self.b, Detach(ROOM))
        self.assertEqual((self.feed.waiting, self.heads.topics()), ({}, ()))

    def test_detachedMeanwhile(self) -> None:
        """
        If a worker detaches a topic before the answer to its attach, it gets no entry of the topic.
        It may attach the topic again meanwhile.
        """
        self.say(self.a, Follow(ROOM, None))
        self.say(self.a, Detach(ROOM))
        again = self.say(self.a, Follow(ROOM, None))
        self.say(self.b, Follow(ROOM, None))
        self.say(self.b, Detach(ROOM))
        self.feed.waiting[ROOM].callback(place(3))
        self.assertEqual(self.successResultOf(again), Followed(form(3)))
        self.feed.receiver.received(ROOM, entryAt(4))
        self.assertEqual((len(self.a.frames), len(self.b.frames)), (1, 0))
        self.say(self.a, Detach(ROOM))
        self.assertEqual(self.feed.waiting, {})

    def test_lost(self) -> None:
        """
        Nothing stays of a worker that is gone, also if it waits for a topic.
        """
        self.follow(self.a)
        self.say(self.a, Follow("chat/b/p", None))
        self.relay.lost(self.a)
        self.assertEqual(list(self.feed.waiting), ["chat/b/p"])
        self.feed.waiting["chat/b/p"].callback(place(3))
        self.assertEqual(self.feed.waiting, {})
        self.feed.receiver.up()
        self.assertEqual((self.a.frames, self.b.messages), ([], [EngineUp()]))

    def test_refused(self) -> None:
        """
        A worker learns why a topic could not be attached, and may ask again.
        """
        asked = self.say(self.a, Follow(ROOM, None))
        self.feed.waiting.pop(ROOM).errback(RealtimeError("engine_unavailable", "Away.", 5))
        self.failureResultOf(asked, RealtimeError)
        self.follow(self.a)

    def test_table(self) -> None:
        """
        A table's topic has no place, and is attached at once while the engine does not answer.
        """
        self.feed.isUp = False
        self.assertEqual(self.say(self.a, Follow(TABLE, None)), Followed(None))
        self.feed.receiver.received(TABLE, entryAt(4, TABLE))
        self.assertEqual(self.a.messages, [entered(entryAt(4, TABLE))])

    def test_presence(self) -> None:
        """
        A change of who is present goes to the workers that have attached the topic.
        """
        self.follow(self.a)
        self.relay.deliver(Publication(ROOM, PRESENCE, "presence:join", b"{}", None, 1))
        self.assertEqual(
            self.a.messages,
            [Published(ROOM, PRESENCE, "presence:join", b"{}", None, 1, None, False)],
        )
        self.assertEqual((self.b.frames, self.relay.published), ([], 0))

    def test_broken(self) -> None:
        """
        The workers concerned learn that entries are missing.  Those that come later begin behind.
        """
        self.follow(self.a)
        self.feed.receiver.broken(ROOM, place(1, "f"), LOST)
        self.assertEqual(self.a.messages, [Broken(ROOM, form(1, "f"), LOST)])
        self.assertEqual(self.say(self.b, Follow(ROOM, None)), Followed(form(1, "f")))

    def test_state(self) -> None:
        """
        All workers learn whether the engine answers, also those that are started later.
        """
        self.feed.receiver.up()
        late = Link()
        self.relay.joined(late)
        self.feed.receiver.down("It is away.")
        self.assertEqual(self.a.messages, [EngineUp(), EngineDown()])
        self.assertEqual(late.messages, [EngineUp(), EngineDown()])

    def test_read(self) -> None:
        """
        A worker reads entries again, as fast as it takes them.
        """
        self.a.drained = Deferred()
        asked = self.say(self.a, ReadEntries(ROOM, 3, 5, 10, 1_000))
        self.assertNoResult(asked)
        self.assertEqual(self.feed.reads, [])
        self.a.drained.callback(None)
        found = [entered(entryAt(4)), entered(entryAt(5))]
        self.assertEqual(self.successResultOf(asked), EntriesRead(found))
        self.assertEqual(self.feed.reads, [(ROOM, 3, 5, 10, 1_000)])

    def test_backlog(self) -> None:
        """
        The publisher learns how far the worker is behind that is furthest behind.
        """
        self.follow(self.a, self.b)
        self.b.unread = 7
        self.say(self.a, Behind(ROOM, 100))
        self.assertEqual(self.relay.backlog(ROOM), 100)
        self.assertFalse(self.relay.needs(ROOM), "the hub has no log of it")
